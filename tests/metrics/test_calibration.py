"""Calibration slope and intercept are maximum likelihood, and move as they must."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from consilience.metrics.calibration import (
    LEAST,
    brier,
    calibration_intercept,
    calibration_slope,
    log_loss,
    log_odds,
)


@pytest.fixture
def well_calibrated():
    rng = np.random.default_rng(0)
    p = expit(rng.normal(-1, 1.5, 50_000))
    return (rng.random(50_000) < p).astype(int), p


def minus_likelihood(parameters, offset, x, y):
    eta = offset + parameters[0] + (parameters[1] * x if len(parameters) > 1 else 0)
    return np.logaddexp(0, np.where(y == 1, -eta, eta)).sum()


@given(st.integers(0, 2**32 - 1), st.integers(10, 200))
def test_they_are_where_the_likelihood_is_highest(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, rng.uniform(0.2, 5), n)
    y = (rng.random(n) < expit(rng.normal() + x * rng.uniform(-1, 2))).astype(int)
    slope = calibration_slope(y, expit(x))
    assume(not math.isnan(slope))
    odds = log_odds(expit(x))
    free = minimize(
        minus_likelihood,
        [0.0, 0.0],
        (0.0, odds, y),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 10_000},
    )
    assert slope == pytest.approx(free.x[1], rel=1e-3, abs=1e-4)
    fixed = minimize(
        minus_likelihood, [0.0], (odds, odds, y), method="BFGS", options={"gtol": 1e-8}
    )
    assert calibration_intercept(y, expit(x)) == pytest.approx(fixed.x[0], abs=1e-4)


def test_true_probabilities_have_slope_1_and_intercept_0(well_calibrated):
    y, p = well_calibrated
    # three standard errors, from the information of 50,000 patients
    assert calibration_slope(y, p) == pytest.approx(1, abs=0.03)
    assert calibration_intercept(y, p) == pytest.approx(0, abs=0.04)


def test_stretching_and_shifting_the_log_odds_shows_exactly(well_calibrated):
    y, p = well_calibrated
    odds = log_odds(p)
    slope, intercept = calibration_slope(y, p), calibration_intercept(y, p)
    assert calibration_slope(y, expit(1.5 * odds)) == pytest.approx(slope / 1.5, rel=1e-4)
    assert calibration_intercept(y, expit(odds + 0.7)) == pytest.approx(intercept - 0.7, abs=1e-6)


def test_the_intercept_makes_expected_and_observed_agree():
    rng = np.random.default_rng(1)
    p, y = rng.uniform(0.05, 0.9, 80), rng.integers(0, 2, 80)
    assert expit(log_odds(p) + calibration_intercept(y, p)).sum() == pytest.approx(y.sum())


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),  # separated
        ([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]),  # separated but for a tie
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9]),  # separated the wrong way round
        ([0, 1, 0, 1], [0.4, 0.4, 0.4, 0.4]),  # constant
        ([1, 1, 1, 1], [0.1, 0.4, 0.6, 0.7]),  # one class
    ],
)
def test_a_slope_that_does_not_exist_is_undefined(y, p):
    assert math.isnan(calibration_slope(np.array(y), np.array(p)))


def test_one_class_has_no_intercept():
    assert math.isnan(calibration_intercept(np.zeros(5, dtype=int), np.full(5, 0.3)))


def test_probabilities_of_0_and_1_are_moved_in_a_little():
    assert log_odds(np.array([0.0, 1.0])) == pytest.approx(np.log([LEAST, 1 / LEAST]), abs=1e-5)
    y = np.array([0, 1, 1, 0, 1, 0])
    p = np.array([0.0, 1.0, 0.0, 1.0, 0.6, 0.4])
    assert math.isfinite(calibration_slope(y, p))
    assert math.isfinite(calibration_intercept(y, p))


def test_a_model_sure_of_everything_and_often_wrong_is_still_fitted():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 300)
    p = np.where(rng.random(300) < 0.8, y, 1 - y).astype(float)
    # two groups: the slope joins their log odds, over the width between the clipped ones
    low, high = (y[p == k].mean() for k in (0, 1))
    width = 2 * float(log_odds(np.array([1.0]))[0])
    expected = (np.log(high / (1 - high)) - np.log(low / (1 - low))) / width
    assert calibration_slope(y, p) == pytest.approx(expected, rel=1e-6)


def test_losses_by_hand():
    y, p = np.array([1, 0, 1]), np.array([0.8, 0.3, 0.5])
    assert brier(y, p) == pytest.approx((0.04 + 0.09 + 0.25) / 3)
    assert log_loss(y, p) == pytest.approx(-np.log([0.8, 0.7, 0.5]).mean())
