"""Kaplan-Meier of many replicates is scikit-survival's of the repeated rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sksurv.nonparametric import kaplan_meier_estimator

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics.censoring import FollowUp, cut_at, event_quantiles, last_time


def outcome(rng, n):
    y = np.empty(n, dtype=SURVIVAL_DTYPE)
    y["event"] = rng.random(n) < 0.6
    y["time"] = rng.integers(1, 12, n)
    return y


@given(st.integers(0, 2**32 - 1))
def test_survival_and_censoring_curves(seed):
    rng = np.random.default_rng(seed)
    y = outcome(rng, 25)
    follow_up = FollowUp.of(y)
    counts = rng.integers(0, 3, 25)
    survival, uncensored = follow_up.kaplan_meier(counts[None, follow_up.order].astype(float))
    rows = np.repeat(y, counts)
    for ours, reverse in ((survival[0], False), (uncensored[0], True)):
        times, theirs = kaplan_meier_estimator(rows["event"], rows["time"], reverse=reverse)
        np.testing.assert_allclose(ours[np.isin(follow_up.times, times)], theirs, atol=1e-12)


def test_a_study_that_ends_earlier_knows_less():
    y = np.array([(True, 1.0), (True, 3.0), (False, 5.0)], dtype=SURVIVAL_DTYPE)
    cut = cut_at(y, 3.0)
    assert cut["event"].tolist() == [True, False, False]
    assert cut["time"].tolist() == [1.0, 3.0, 3.0]
    assert last_time(y, y[:2]) == 3.0


def test_event_quantiles_are_those_of_numpy():
    times, levels = np.arange(1.0, 8), np.linspace(0, 1, 11)
    places = event_quantiles(np.arange(1.0, 8)[None, :], levels)[0]
    expected = np.quantile(times, levels, method="inverted_cdf")
    np.testing.assert_array_equal(times[places], expected)
