"""Points of curves agree with the numbers that summarise them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.metrics import (
    SurvivalCurves,
    calibration_points,
    kaplan_meier,
    net_benefit,
    pr_points,
    roc_points,
    survival_calibration_points,
)
from consilience.metrics.discrimination import auprc, auroc


@pytest.fixture
def binary():
    rng = np.random.default_rng(0)
    p = np.round(rng.random(400), 2)
    return (rng.random(400) < p).astype(int), p


def outcome(event, time):
    y = np.empty(len(time), dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = event, time
    return y


def test_the_areas_under_the_points_are_the_metrics(binary):
    roc, pr = roc_points(*binary), pr_points(*binary)
    assert np.trapezoid(roc["true_positive_rate"], roc["false_positive_rate"]) == pytest.approx(
        auroc(*binary)
    )
    assert (np.diff(pr["recall"]) * pr["precision"][1:]).sum() == pytest.approx(auprc(*binary))
    assert roc.iloc[0, 1:].tolist() == [0, 0]
    assert roc.iloc[-1, 1:].tolist() == [1, 1]
    assert pr["recall"].is_monotonic_increasing


@pytest.mark.parametrize("curve", [roc_points, pr_points])
def test_one_class_has_no_curve(curve):
    with pytest.raises(InputError, match="with and without the outcome"):
        curve(np.ones(3, dtype=int), np.arange(3.0))


def test_calibration_groups_hold_everyone_once(binary):
    y, p = binary
    points = calibration_points(y, p, 10)
    assert points["n"].sum() == 400
    assert points["events"].sum() == y.sum()
    assert points["predicted"].is_monotonic_increasing
    assert points["n"].min() > 25
    inside = (points["low"] <= points["predicted"]) & (points["predicted"] <= points["high"])
    assert inside.sum() >= 8  # the probabilities are the true ones


def test_wilsons_interval_by_hand():
    y = np.repeat([1, 0], [3, 7])
    point = calibration_points(y, np.full(10, 0.3), 5).iloc[0]
    z, share, n = 1.959963985, 0.3, 10
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * 0.7 / n + z**2 / (4 * n**2))
    assert (point["low"], point["high"]) == pytest.approx((middle - reach, middle + reach))
    assert point["n"] == 10  # equal predictions are one group


def test_net_benefit_by_hand(binary):
    y, p = np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.2, 0.6, 0.1, 0.3])
    points = net_benefit(y, p, [0, 0.25, 0.5]).set_index("threshold")
    assert points.loc[0.25, "model"] == pytest.approx(1 / 5 - 2 / 5 / 3)
    assert points.loc[0.5, "model"] == pytest.approx(1 / 5 - 1 / 5)
    assert points.loc[0.25, "treat_all"] == pytest.approx(2 / 5 - 3 / 5 / 3)
    assert points.loc[0, "model"] == points.loc[0, "treat_all"] == 0.4
    y, p = binary
    all_treated = net_benefit(y, np.ones(400), [0.1, 0.4])
    np.testing.assert_allclose(all_treated["model"], all_treated["treat_all"])
    true = net_benefit(y, p, np.linspace(0.05, 0.95, 19))
    assert (true["model"] > np.maximum(true["treat_all"], 0) - 0.02).all()


@pytest.mark.parametrize("threshold", [-0.1, 1.0, math.nan])
def test_a_threshold_is_a_risk_below_one(binary, threshold):
    with pytest.raises(InputError, match="from 0 to below 1"):
        net_benefit(*binary, [threshold])


def test_kaplan_meier_of_a_textbook_example():
    """Leukaemia, 6-MP arm (Freireich 1963): S(10) = 0.753, S(23) = 0.448 in the textbooks."""
    time = np.array(
        [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35.0]
    )
    event = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    curve = kaplan_meier(event, time).set_index("time")
    assert curve.loc[10, "survival"] == pytest.approx(0.753, abs=5e-4)
    assert curve.loc[23, "survival"] == pytest.approx(0.448, abs=5e-4)
    assert curve.loc[6, ["at_risk", "events", "censored"]].tolist() == [21, 3, 1]
    assert curve.loc[0, ["survival", "low", "high", "at_risk"]].tolist() == [1, 1, 1, 21]
    assert ((curve["low"] <= curve["survival"]) & (curve["survival"] <= curve["high"])).all()
    assert curve["events"].sum() + curve["censored"].sum() == 21


def test_true_survival_curves_are_calibrated():
    rng = np.random.default_rng(1)
    hazard = np.exp(rng.normal(size=3000))
    event, censored = rng.exponential(1 / hazard), rng.exponential(2, 3000)
    y = outcome(event <= censored, np.minimum(event, censored))
    curves = SurvivalCurves(np.exp(-hazard[:, None] * [0.5, 1.0]), np.array([0.5, 1.0]))
    points = survival_calibration_points(y, curves, 1.0, bins=5)
    assert len(points) == 5
    assert points["n"].sum() == 3000
    np.testing.assert_allclose(points["observed"], points["predicted"], atol=0.06)
    assert ((points["low"] <= points["observed"]) & (points["observed"] <= points["high"])).all()


def test_a_group_not_followed_to_the_horizon_is_unknown():
    y = outcome([True, False, True, True], [1.0, 2.0, 1.0, 3.0])
    curves = SurvivalCurves(np.array([[0.2], [0.2], [0.8], [0.8]]), np.array([1.0]))
    points = survival_calibration_points(y, curves, 5.0, bins=2)
    assert math.isnan(points["observed"][0])  # one censored at 2
    assert points["observed"][1] == 0  # both had it by then
    assert points["events"].tolist() == [1, 2]
