"""Concordance against every pair counted by hand, against scikit-survival, and at its limits."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics import concordance
from consilience.metrics.concordance import (
    harrell_concordance,
    uno_concordance,
    weighted_harrell,
    weighted_uno,
)


def outcome(event, time):
    y = np.empty(len(time), dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = event, time
    return y


def simulated(rng, n, digits=3):
    hazard = np.exp(rng.normal(size=n))
    event, censored = rng.exponential(1 / hazard), rng.exponential(1.5, n)
    time = np.round(np.minimum(event, censored), digits) + 0.01
    return outcome(event <= censored, time), np.round(hazard, digits)


def by_hand(y, risk):
    pairs = []
    for i in np.flatnonzero(y["event"]):
        for j in range(len(y)):
            later = y["time"][j] > y["time"][i]
            if later or (y["time"][j] == y["time"][i] and not y["event"][j]):
                pairs.append((risk[i] > risk[j]) + (risk[i] == risk[j]) / 2)
    return np.mean(pairs) if pairs else math.nan


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(0, 2))
def test_harrell_counts_every_pair(seed, n, digits):
    y, risk = simulated(np.random.default_rng(seed), n, digits)
    expected = pytest.approx(by_hand(y, risk), nan_ok=True)
    assert harrell_concordance(y, risk) == expected
    assert weighted_harrell(y, risk, np.ones((1, n)))[0] == expected


def test_it_is_scikit_survivals_where_nothing_is_tied_or_cut():
    y, risk = simulated(np.random.default_rng(0), 300, 9)
    theirs = concordance_index_censored(y["event"], y["time"], risk)[0]
    assert harrell_concordance(y, risk) == pytest.approx(theirs, abs=1e-12)
    train, _ = simulated(np.random.default_rng(1), 2000, 9)
    train["time"][0] = 99.0
    for reference in (y, train):
        assert uno_concordance(y, risk, reference) == pytest.approx(
            concordance_index_ipcw(reference, y, risk)[0], abs=1e-12
        )


@pytest.mark.parametrize("metric", [harrell_concordance, uno_concordance])
def test_limits(metric):
    y, _ = simulated(np.random.default_rng(2), 60, 9)
    assert metric(y, -y["time"]) == pytest.approx(1)
    assert metric(y, y["time"]) == pytest.approx(0)
    assert metric(y, np.full(60, 3.3)) == 0.5


def test_rounding_does_not_break_ties():
    y, _ = simulated(np.random.default_rng(3), 60)
    constant = 700 + np.random.default_rng(4).normal(0, 1e-12, 60)
    assert harrell_concordance(y, constant) == 0.5
    assert weighted_harrell(y, constant, np.ones((1, 60)))[0] == 0.5


@pytest.mark.parametrize(
    ("event", "time"),
    [
        ([False, False, False], [1, 2, 3]),  # no event
        ([True, True], [2, 2]),  # events together
        ([False, False, True], [1, 2, 3]),  # the event is last
        ([True], [1]),
    ],
)
def test_no_comparable_pair_is_undefined(event, time):
    y, risk = outcome(event, time), np.arange(len(time)) * 1.0
    counts = np.ones((1, len(time)))
    assert math.isnan(harrell_concordance(y, risk))
    assert math.isnan(uno_concordance(y, risk))
    assert math.isnan(weighted_harrell(y, risk, counts)[0])
    assert math.isnan(weighted_uno(y, risk, counts)[0])


def test_uno_leaves_out_events_beyond_the_training_follow_up():
    y, risk = simulated(np.random.default_rng(5), 80)
    train = outcome([True, False, True, False], [0.1, 0.2, 0.3, 0.4])
    within = np.where(y["time"] < 0.4, y["time"], 0.5)
    seen = outcome(y["event"] & (y["time"] < 0.4), within)
    longer = np.append(train, outcome([False], [0.6]))  # the same G before 0.4
    assert uno_concordance(y, risk, train) == pytest.approx(
        uno_concordance(seen, risk, longer), abs=0.02
    )
    assert math.isnan(uno_concordance(y, risk, outcome([False], [1e-3])))


def test_censoring_does_not_move_uno_but_moves_harrell():
    """Uno et al. 2011: what Harrell's estimates depends on the censoring, Uno's does not."""
    rng = np.random.default_rng(6)
    n = 20_000
    x = rng.normal(size=n)
    # the marker matters early only, so heavy censoring shows the part where it is good
    latent = np.where(rng.random(n) < 0.5, rng.exponential(np.exp(-1.5 * x)), rng.exponential(3, n))
    follow_up = rng.uniform(0, 4, n)
    whole = outcome(latent < 3, np.minimum(latent, 3.0))
    heavy = outcome(
        latent < np.minimum(follow_up, 3.0), np.minimum(latent, np.minimum(follow_up, 3.0))
    )
    truth = harrell_concordance(whole, x)
    assert abs(uno_concordance(heavy, x) - truth) < 0.01
    assert abs(harrell_concordance(heavy, x) - truth) > 2 * abs(uno_concordance(heavy, x) - truth)


def test_many_patients_take_the_own_count_and_no_square_of_memory(monkeypatch):
    y, risk = simulated(np.random.default_rng(7), 1500, 2)
    values = harrell_concordance(y, risk), uno_concordance(y, risk)
    monkeypatch.setattr(concordance, "LARGE", 1000)
    assert (harrell_concordance(y, risk), uno_concordance(y, risk)) == pytest.approx(values)
    y, risk = simulated(np.random.default_rng(8), 100_000, 6)
    tracemalloc.start()
    harrell_concordance(y, risk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000 * 8 * 40
