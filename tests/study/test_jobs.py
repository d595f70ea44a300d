"""A candidate that fails leaves a reason that a reader can use."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.cohort import Binary, synthetic_cohort
from consilience.fusion import LateFusion
from consilience.study import Candidate, Protocol
from consilience.study.jobs import ScoreJob
from consilience.study.learners import ridge


def reason_of(estimator: LateFusion) -> str:
    cohort, _ = synthetic_cohort(40, modalities=2, features=3, seed=0)
    target = Binary("outcome").of(cohort)
    fold = Protocol(folds=2, repeats=1).splits(target)[0]
    frame, notes = ScoreJob(Candidate("ours", estimator), fold, 0, None).run(target)
    assert frame.empty
    return str(notes["failed"])


@pytest.mark.parametrize("penalty", [-1.0, float("nan"), "x"])
def test_what_scikit_learn_quotes_of_its_traces_is_left_out(penalty: object) -> None:
    learner = ridge("binary").tuned(folds=2, seed=0, grid={"C": [penalty]})
    reason = reason_of(LateFusion(learner))
    assert "Traceback" not in reason and "site-packages" not in reason
    assert "'C'" in reason or "nan" in reason


def test_a_mistake_of_the_user_is_given_in_its_own_words() -> None:
    assert reason_of(LateFusion(ridge("binary").estimator, weights="nope")).startswith("weights")


def test_a_job_that_ends_well_has_no_reason() -> None:
    cohort, _ = synthetic_cohort(40, modalities=2, features=3, seed=0)
    target = Binary("outcome").of(cohort)
    fold = Protocol(folds=2, repeats=1).splits(target)[0]
    estimator = LateFusion(ridge("binary").estimator)
    frame, notes = ScoreJob(Candidate("ours", estimator), fold, 0, None).run(target)
    assert "failed" not in notes and np.isfinite(frame["probability:1"]).all()
