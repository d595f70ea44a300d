"""Who is held out when."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.cohort import Binary, Continuous, Survival, Target, synthetic_cohort
from consilience.errors import InputError
from consilience.study import Protocol


def target(kind: str = "binary", n: int = 90, **options: object) -> Target:
    cohort, _ = synthetic_cohort(n, kind=kind, modalities=2, features=3, seed=1, **options)  # type: ignore[arg-type]
    outcome = Survival("event", "time") if kind == "survival" else Binary("outcome")
    return outcome.of(cohort)


def test_every_patient_is_tested_once_a_repeat() -> None:
    for repeat in range(3):
        tested = [f.test for f in Protocol(folds=4).splits(target()) if f.repeat == repeat]
        assert sorted(np.concatenate(tested)) == list(range(90))


def test_nobody_is_trained_and_tested_on() -> None:
    for fold in Protocol().splits(target()):
        assert not set(fold.train) & set(fold.test)
        assert len(fold.train) + len(fold.test) == 90


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_folds_hold_equal_shares_of_the_event(kind: str) -> None:
    found = target(kind)
    seen = found.y["event"] if kind == "survival" else found.y == 1
    counts = [int(seen[fold.test].sum()) for fold in Protocol().splits(found)]
    assert max(counts) - min(counts) <= 1


def test_one_seed_gives_the_same_folds_and_another_gives_others() -> None:
    def drawn(seed: int) -> list[list[int]]:
        return [list(f.test) for f in Protocol(seed=seed).splits(target())]

    assert drawn(3) == drawn(3) != drawn(4)


def test_repeats_are_drawn_anew() -> None:
    folds = Protocol(repeats=2).splits(target())
    assert [list(f.test) for f in folds[:5]] != [list(f.test) for f in folds[5:]]


def test_a_site_at_a_time_is_left_out() -> None:
    found = target(sites=3)
    folds = Protocol(leave_out="site").splits(found)
    sites = found.cohort.patients["site"].astype(str).to_numpy()
    assert len(folds) == len(set(sites))
    for fold in folds:
        assert set(sites[fold.test]) == {fold.name} and fold.name not in set(sites[fold.train])


def test_groups_stay_together() -> None:
    found = target(sites=12, n=240)
    groups = found.cohort.patients["site"].astype(str).to_numpy()
    for fold in Protocol(folds=3, group="site").splits(found):
        assert not set(groups[fold.train]) & set(groups[fold.test])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"repeats": 0}, "repeats is 0"),
        ({"level": 1.5}, "level is 1.5"),
        ({"permutations": 2}, "permutations is 2; fewer than 3"),
        ({"bootstrap": 5}, "bootstrap is 5"),
        ({"seed": -1}, "seed is -1"),
        ({"group": "a", "leave_out": "b"}, "not both"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Protocol(**settings)  # type: ignore[arg-type]


def test_more_folds_than_events_are_refused_with_the_count() -> None:
    cohort, _ = synthetic_cohort(60, modalities=1, features=2, seed=0)
    few = cohort[
        np.flatnonzero(cohort.patients["outcome"] == 1)[:3].tolist()
        + np.flatnonzero(cohort.patients["outcome"] == 0)[:30].tolist()
    ]
    with pytest.raises(InputError, match="1 has 3"):
        Protocol(folds=5).splits(Binary("outcome").of(few))


def test_an_unknown_column_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'site'"):
        Protocol(leave_out="sit").splits(target(sites=3))


def test_a_number_needs_no_strata() -> None:
    cohort, _ = synthetic_cohort(40, kind="continuous", modalities=1, features=3, seed=0)
    assert len(Protocol(folds=4, repeats=1).splits(Continuous("outcome").of(cohort))) == 4
