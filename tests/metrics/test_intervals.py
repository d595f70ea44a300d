"""The bootstrap draws what it says and covers the truth as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.metrics import Probabilities, Values, bootstrap, metric_named, resamples
from consilience.metrics.intervals import percentile_interval

AUROC, MAE = metric_named("auroc", "binary"), metric_named("mae", "continuous")


def probabilities(p):
    return Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))


def binormal(rng, n, distance):
    y = np.arange(n) % 2
    return y, norm.cdf(rng.normal(distance * y))


def test_patients_are_drawn_within_their_class():
    y = np.array(["a", "b", "a", "c", "b", "a"])
    counts = resamples(y, 500, 0)
    assert counts.shape == (500, 6)
    for label, n in zip(*np.unique(y, return_counts=True), strict=True):
        assert (counts[:, y == label].sum(axis=1) == n).all()
    # every patient of a class is as likely as the next: 500 * 3 draws over three patients
    share = counts[:, y == "a"].sum(axis=0) / 1500
    assert np.abs(share - 1 / 3).max() < 4 * math.sqrt(2 / 9 / 1500)


def test_survival_is_stratified_by_event_and_numbers_are_not():
    y = np.zeros(20, dtype=SURVIVAL_DTYPE)
    y["event"][:5] = True
    assert (resamples(y, 100, 0)[:, :5].sum(axis=1) == 5).all()
    numbers = resamples(np.arange(20.0), 100, 0)
    assert (numbers.sum(axis=1) == 20).all()
    assert len(np.unique(numbers[:, :5].sum(axis=1))) > 1


def test_the_seed_decides_and_blocks_do_not(monkeypatch):
    y = np.arange(30) % 3
    whole = resamples(y, 50, 7)
    assert (whole != resamples(y, 50, 8)).any()
    monkeypatch.setattr("consilience.metrics.intervals.BLOCK", 100)
    np.testing.assert_array_equal(resamples(y, 50, 7), whole)


def test_the_interval_is_that_of_a_plain_loop():
    y, p = binormal(np.random.default_rng(0), 60, 1.0)
    scores = probabilities(p)
    values = [
        AUROC(y[rows], scores.take(rows))
        for rows in (np.repeat(np.arange(60), counts) for counts in resamples(y, 300, 5))
    ]
    found = bootstrap(AUROC, y, [scores], n=300, seed=5)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert found.estimate == AUROC(y, scores)


def test_it_agrees_with_scipys_percentile_bootstrap():
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=80), rng.normal(size=(80, 1))
    found = bootstrap(MAE, y, [Values(p)], n=9000, level=0.9, seed=0)
    theirs = scipy_bootstrap(
        (np.abs(y - p[:, 0]),),
        np.mean,
        n_resamples=9000,
        confidence_level=0.9,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert abs(found.low - theirs.low) < 0.04 * width
    assert abs(found.high - theirs.high) < 0.04 * width


def test_repeats_of_cross_validation_are_averaged():
    rng = np.random.default_rng(2)
    y, p = binormal(rng, 50, 1.0)
    _, q = binormal(rng, 50, 1.0)
    a, b = probabilities(p), probabilities(q)
    counts = resamples(y, 200, 3)
    together = (AUROC.replicates(y, a, counts) + AUROC.replicates(y, b, counts)) / 2
    found = bootstrap(AUROC, y, [a, b], n=200, seed=3)
    assert found.estimate == pytest.approx((AUROC(y, a) + AUROC(y, b)) / 2)
    assert found.low == pytest.approx(np.quantile(together, 0.025))


@pytest.mark.parametrize(("n", "distance"), [(100, 1.0), (200, 0.3)])
def test_ninety_five_of_a_hundred_intervals_hold_the_truth(n, distance):
    truth, rng = norm.cdf(distance / math.sqrt(2)), np.random.default_rng(3)
    hits = 0
    for seed in range(300):
        y, p = binormal(rng, n, distance)
        interval = bootstrap(AUROC, y, [probabilities(p)], n=500, seed=seed)
        hits += interval.low <= truth <= interval.high
    # three binomial standard errors about the level
    assert abs(hits / 300 - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 300)


def test_undefined_replicates_are_counted_and_too_many_leave_no_interval():
    values = np.arange(100.0)
    values[:10] = np.nan
    low, high, undefined = percentile_interval(values, 0.9)
    assert (low, high) == tuple(np.quantile(np.arange(10.0, 100), [0.05, 0.95]))
    assert undefined == 10
    values[10] = np.nan
    low, high, undefined = percentile_interval(values, 0.9)
    assert math.isnan(low)
    assert math.isnan(high)
    assert undefined == 11


def test_separated_classes_have_no_calibration_slope_and_say_so():
    y = np.arange(20) // 10
    slope = metric_named("calibration_slope", "binary")
    found = bootstrap(slope, y, [probabilities((y + 0.5) / 2)], n=50, seed=0)
    assert math.isnan(found.estimate)
    assert math.isnan(found.low)
    assert found.undefined == 50


def test_impossible_requests_are_refused():
    y, p = binormal(np.random.default_rng(0), 20, 1.0)
    with pytest.raises(InputError, match="no scores"):
        bootstrap(AUROC, y, [], seed=0)
    with pytest.raises(InputError, match="at least one resample"):
        bootstrap(AUROC, y, [probabilities(p)], n=0, seed=0)
    with pytest.raises(InputError, match="not at 95"):
        bootstrap(AUROC, y, [probabilities(p)], level=95, seed=0)
