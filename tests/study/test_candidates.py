"""Names of candidates are names that a report can tell apart."""

from __future__ import annotations

import pytest

from consilience.cohort import Binary, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import LateFusion
from consilience.study import Candidate, Protocol
from consilience.study.candidates import all_candidates, default_learner

OUTCOME, PROTOCOL = Binary("outcome"), Protocol()


def named(*names: str) -> list[str]:
    cohort, _ = synthetic_cohort(40, modalities=2, features=2, seed=0)
    learner = default_learner(OUTCOME, PROTOCOL)
    own = [Candidate(name, LateFusion(learner)) for name in names]
    return [c.name for c in all_candidates(cohort, OUTCOME, PROTOCOL, own)]


@pytest.mark.parametrize(
    "name", ["../../x", "<script>", "{{7*7}}", "spät 😀", "LATE MEAN", "x" * 200]
)
def test_odd_names_are_names(name: str) -> None:
    assert named(name)[-1] == name


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "\x00", "\u202eback", "x" * 201])
def test_a_name_that_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        named(name)


def test_a_name_that_a_left_out_modality_gives_is_refused() -> None:
    with pytest.raises(InputError, match="'early without m1'"):
        named("early", "early without m1")
    with pytest.raises(InputError, match="'late mean without m2'"):
        named("late mean without m2")
