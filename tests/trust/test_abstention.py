"""Being silent: the curve of what it buys, and reasons in words."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.errors import InputError
from consilience.records import Interval
from consilience.trust.abstention import SHARES, Silence, risk_coverage


def test_who_is_calibrated_errs_less_the_fewer_he_answers() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, size=5000)
    wrong = (rng.random(5000) > sure).astype(float)
    curve = risk_coverage(wrong, sure)
    assert [point.share for point in curve] == pytest.approx(SHARES)
    errors = [point.error for point in curve]
    assert errors == sorted(errors)
    for point in curve:  # among the surest share s, the mean of 1 - sureness is s / 4
        assert point.low <= point.share / 4 <= point.high


def test_sureness_that_says_nothing_buys_nothing() -> None:
    rng = np.random.default_rng(1)
    wrong = (rng.random(4000) < 0.3).astype(float)
    curve = risk_coverage(wrong, rng.random(4000))
    assert all(point.low < wrong.mean() < point.high for point in curve)


def test_those_who_tie_are_answered_together() -> None:
    curve = risk_coverage(np.array([0.0, 1, 0, 1]), np.array([2.0, 1, 1, 1]))
    assert [(point.share, point.error) for point in curve] == [(0.25, 0.0), (1.0, 0.5)]
    assert curve[0].high > 0.5  # no error in one patient proves little


def test_weights_are_those_of_the_mean() -> None:
    losses, weights = np.array([1.0, 3.0, 9.0]), np.array([1.0, 3.0, 0.0])
    last = risk_coverage(losses, np.zeros(3), weights)[-1]
    assert last.error == 2.5
    with pytest.raises(InputError, match="outcome is known"):
        risk_coverage(losses, np.zeros(3), np.zeros(3))


def test_reasons_say_what_is_uncertain() -> None:
    rule = Silence(zone=(0.1, 0.2))
    assert "0.15" in rule.of_number(0.15)[0]
    assert rule.of_number(0.05) == rule.of_number(0.25) == Silence().of_number(0.15) == []
    assert rule.of_set(("a",), 2, 0.8) == []
    assert "none of the 2 classes" in rule.of_set(("a", "b"), 2, 0.8)[0]
    wide = Interval(low=0.0, high=30.0, level=0.8)
    assert "30 days wide" in rule.of_interval(wide, 20.0, "days")[0]
    assert rule.of_interval(wide, 40.0, "days") == []
    assert "no interval" in rule.of_interval(Interval(level=0.8), 40.0, "days")[0]
