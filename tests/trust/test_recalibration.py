"""Recalibration: applied where it helps, and not where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.trust.came_about import came_about
from consilience.trust.number import EventWithin, PredictedValue, ProbabilityOf
from consilience.trust.recalibration import Recalibration

EVENT = ProbabilityOf("probability of death", "1")


def folds(n: int) -> list[np.ndarray]:
    return list(np.array_split(np.arange(n), 5))


def overconfident(n: int, seed: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.normal(size=n)
    return expit(factor * true + 0.5 * (factor != 1)), (rng.random(n) < expit(true)).astype(float)


def test_the_line_is_that_of_logistic_regression() -> None:
    told, y = overconfident(800, 0, 2.5)
    found = Recalibration.learned(EVENT, told, y, np.ones(800), folds(800))
    expected = LogisticRegression(C=np.inf).fit(logit(told)[:, None], y)
    assert found.applied
    assert found.slope == pytest.approx(expected.coef_[0, 0], abs=2e-3)
    assert found.intercept == pytest.approx(expected.intercept_[0], abs=2e-3)
    moved = found.of(told, EVENT)
    assert moved.mean() == pytest.approx(y.mean(), abs=1e-3)
    assert (np.argsort(moved) == np.argsort(told)).all()


def test_it_is_not_applied_to_predictions_that_are_right() -> None:
    applied = 0
    for seed in range(40):
        told, y = overconfident(300, seed, 1.0)
        found = Recalibration.learned(EVENT, told, y, np.ones(300), folds(300))
        applied += found.applied
        if not found.applied:
            assert (found.of(told, EVENT) == told).all()
            assert "own number" in found.sentence
    assert applied <= 2  # 2.5 % are due by chance


def test_a_value_is_moved_by_least_squares() -> None:
    rng = np.random.default_rng(1)
    told = 1000 * rng.normal(size=300)
    y = 0.4 * told + 500 + 50 * rng.normal(size=300)
    found = Recalibration.learned(PredictedValue("x"), told, y, np.ones(300), folds(300))
    slope, intercept = np.polyfit(told, y, 1)
    assert found.applied
    assert found.slope == pytest.approx(slope, rel=1e-3)
    assert found.intercept == pytest.approx(intercept, rel=1e-2)


def test_survival_is_moved_at_the_horizon_as_if_nobody_were_censored() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=6000)
    true = rng.exponential(np.exp(-x))
    end = rng.exponential(2.0, size=6000)
    number = EventWithin("probability of death within 1", 1.0)
    told = number.unlinked(0.8 + 2.0 * x)
    whole = np.empty(6000, dtype=SURVIVAL_DTYPE)
    whole["event"], whole["time"] = True, true
    seen = whole.copy()
    seen["event"], seen["time"] = true <= end, np.minimum(true, end)
    lines = [
        Recalibration.learned(number, told, *came_about(number, y), folds(6000))
        for y in (whole, seen)
    ]
    assert all(line.applied for line in lines)
    # The cumulative hazard at 1 is exp(x): slope 1/2, intercept -0.4.
    for line, near in zip(lines, (0.05, 0.1), strict=True):
        assert abs(line.slope - 0.5) < near
        assert abs(line.intercept + 0.4) < near


def test_of_too_few_events_nothing_is_learned() -> None:
    told, y = np.full(60, 0.1), np.zeros(60)
    y[:9] = 1
    found = Recalibration.learned(EVENT, told, y, np.ones(60), folds(60))
    assert not found.applied
    assert "Too few" in found.sentence


def test_what_came_about_counts_everybody_once_on_average() -> None:
    rng = np.random.default_rng(3)
    true, end = rng.exponential(size=20_000), rng.exponential(1.5, size=20_000)
    y = np.empty(20_000, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = true <= end, np.minimum(true, end)
    outcome, weights = came_about(EventWithin("by 1", 1.0), y)
    assert weights.sum() == pytest.approx(20_000, rel=0.02)
    assert np.average(outcome, weights=weights) == pytest.approx(1 - np.exp(-1), abs=0.015)
    assert (weights[~y["event"] & (y["time"] < 1)] == 0).all()
