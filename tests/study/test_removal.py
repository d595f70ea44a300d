"""What is taken away of a cohort's measurements, and what stays."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.cohort import synthetic_cohort
from consilience.fusion import EarlyFusion
from consilience.study.learners import ridge
from consilience.study.removal import remaining, thinned


def patterns(n: int, modalities: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((n, modalities)) < 0.7


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 6), st.floats(0.0, 0.99), st.integers(0, 10_000))
def test_everybody_keeps_one_and_the_share_is_taken_as_far_as_it_can(
    n: int, modalities: int, share: float, seed: int
) -> None:
    measured = patterns(n, modalities, seed)
    left = remaining(measured, share, seed)
    assert not (left & ~measured).any()
    np.testing.assert_array_equal(left.any(axis=1), measured.any(axis=1))
    spare = int(measured.sum() - measured.any(axis=1).sum())
    assert measured.sum() - left.sum() == min(round(share * int(measured.sum())), spare)


def test_what_is_removed_at_a_small_share_is_removed_at_a_larger_one() -> None:
    measured = patterns(50, 4, 1)
    shares = [remaining(measured, share, 3) for share in (0.1, 0.3, 0.5, 0.6)]
    for more, less in pairwise(shares):
        assert not (less & ~more).any() and less.sum() < more.sum()


def test_every_measurement_is_removed_about_as_often() -> None:
    measured = np.ones((20, 3), dtype=bool)
    gone = np.mean([~remaining(measured, 0.4, seed) for seed in range(2000)], axis=0)
    # 24 of 60 each time; 2000 draws: three standard errors are 0.033
    np.testing.assert_allclose(gone, 0.4, atol=0.05)


def test_the_cohort_no_longer_holds_what_was_removed() -> None:
    cohort, _ = synthetic_cohort(60, missing=0.2, seed=0)
    poorer = thinned(cohort, 0.5, 7)
    left = remaining(cohort.measured.to_numpy(), 0.5, 7)
    np.testing.assert_array_equal(poorer.measured.to_numpy(), left)
    assert list(poorer.index) == list(cohort.index)
    for column, name in enumerate(cohort.modalities):
        table, whole = poorer.modalities[name], cohort.modalities[name]
        kept = cohort.index[left[:, column]]
        assert list(table.index) == list(kept)
        np.testing.assert_array_equal(
            table.frame.to_numpy(), whole.frame.loc[list(kept)].to_numpy()
        )


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_patient_who_lost_nothing_is_predicted_as_before(share: float) -> None:
    cohort, y = synthetic_cohort(80, missing=0.1, seed=0)
    model = EarlyFusion(ridge("binary").estimator).fit(cohort, y)
    same = (remaining(cohort.measured.to_numpy(), share, 0) == cohort.measured).all(axis=1)
    before, after = model.values(cohort), model.values(thinned(cohort, share, 0))
    assert same.any() and not same.all()
    np.testing.assert_allclose(after[same], before[same], rtol=0, atol=1e-12)
    assert not np.allclose(after[~same], before[~same])
