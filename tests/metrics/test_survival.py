"""Integrated Brier score and time-dependent AUC: known values, small samples, short follow-up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sksurv.metrics import cumulative_dynamic_auc
from sksurv.metrics import integrated_brier_score as sksurv_ibs

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics import SurvivalCurves, metrics_for
from consilience.metrics.discrimination import auroc
from consilience.metrics.survival import integrated_brier_score, time_dependent_auc


def simulated(rng, n):
    hazard = np.exp(rng.normal(size=n))
    event, censored = rng.exponential(1 / hazard), rng.exponential(1.5, n)
    y = np.empty(n, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = event <= censored, np.minimum(event, censored)
    times = np.linspace(0.01, 3, 80)
    return y, SurvivalCurves(np.exp(-hazard[:, None] * times), times)


def step_curves(y, times):
    return SurvivalCurves((y["time"][:, None] > times).astype(float), times)


def test_a_clairvoyant_has_no_error_and_a_coin_a_quarter():
    y, _ = simulated(np.random.default_rng(0), 200)
    y["event"] = True
    times = np.sort(y["time"])
    assert integrated_brier_score(y, step_curves(y, times)) == pytest.approx(0, abs=1e-12)
    coin = SurvivalCurves(np.full((200, 1), 0.5), np.array([times[0] / 2]))
    assert integrated_brier_score(y, coin) == pytest.approx(0.25)
    assert time_dependent_auc(y, coin) == pytest.approx(0.5)
    assert time_dependent_auc(y, step_curves(y, times)) == pytest.approx(1)


def test_without_censoring_the_auc_is_that_of_having_had_the_event():
    y, curves = simulated(np.random.default_rng(1), 150)
    y["event"] = True
    deciles = np.quantile(
        y["time"][y["time"] < y["time"].max()], np.linspace(0.1, 0.9, 9), method="inverted_cdf"
    )
    each = [auroc((y["time"] <= t).astype(int), 1 - curves.at([t])[:, 0]) for t in deciles]
    steps = np.diff([np.mean(y["time"] <= t) for t in deciles], prepend=0)
    assert time_dependent_auc(y, curves) == pytest.approx(np.average(each, weights=steps), abs=1e-9)


def test_they_are_scikit_survivals_at_the_same_times():
    y, curves = simulated(np.random.default_rng(2), 200)
    train, _ = simulated(np.random.default_rng(3), 500)
    train["time"][0] = 50.0
    seen = np.sort(y["time"][y["event"] & (y["time"] < y["time"].max())])
    grid = np.unique(np.quantile(seen, np.linspace(0, 0.9, 37), method="inverted_cdf"))
    assert integrated_brier_score(y, curves, train) == pytest.approx(
        sksurv_ibs(train, y, curves.at(grid), grid)
    )
    grid = np.unique(np.quantile(seen, np.linspace(0.1, 0.9, 9), method="inverted_cdf"))
    assert time_dependent_auc(y, curves, train) == pytest.approx(
        cumulative_dynamic_auc(train, y, 1 - curves.at(grid), grid)[1]
    )


def test_the_true_curves_beat_wrong_ones():
    y, curves = simulated(np.random.default_rng(4), 3000)
    wrong = SurvivalCurves(curves.values**2, curves.times)
    average = SurvivalCurves(np.tile(curves.values.mean(axis=0), (3000, 1)), curves.times)
    best = integrated_brier_score(y, curves)
    assert best < integrated_brier_score(y, wrong)
    assert best < integrated_brier_score(y, average)
    assert time_dependent_auc(y, curves) == pytest.approx(time_dependent_auc(y, wrong))


def test_censoring_is_weighted_out():
    """The score of censored data estimates the score over the same times without censoring."""
    rng = np.random.default_rng(5)
    hazard = np.exp(rng.normal(size=20_000))
    event, censored = rng.exponential(1 / hazard), rng.exponential(2, 20_000)
    times = np.linspace(0.01, 3, 80)
    curves = SurvivalCurves(np.exp(-hazard[:, None] * times), times)
    y = np.empty(20_000, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = event <= censored, np.minimum(event, censored)
    seen = np.sort(y["time"][y["event"]])
    grid = np.unique(np.quantile(seen, np.linspace(0, 0.9, 37), method="inverted_cdf"))
    losses = ((event[:, None] > grid) - curves.at(grid)) ** 2
    truth = np.trapezoid(losses.mean(axis=0), grid) / (grid[-1] - grid[0])
    assert integrated_brier_score(y, curves) == pytest.approx(truth, abs=0.003)


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8), st.integers(0, 2))
def test_small_samples_and_short_training_follow_up_never_fail(seed, n, n_train, digits):
    rng = np.random.default_rng(seed)
    (y, curves), (train, _) = simulated(rng, n), simulated(rng, n_train)
    for part in (y, train):
        part["time"] = np.round(part["time"], digits) + 0.1
    for metric in metrics_for("survival"):
        value = metric(y, curves, train_y=train)
        assert math.isnan(value) or (math.isfinite(value) and value >= 0)
        if metric.higher_is_better and not math.isnan(value):
            assert value <= 1 + 1e-12


def test_without_an_event_before_the_end_they_are_undefined():
    y, curves = simulated(np.random.default_rng(6), 30)
    y["event"] = y["time"] == y["time"].max()
    assert math.isnan(integrated_brier_score(y, curves))
    assert math.isnan(time_dependent_auc(y, curves))
