"""R², mean absolute error and Spearman at their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from consilience.metrics.regression import mae, r2, spearman, weighted_r2, weighted_spearman

Y = np.array([1.0, 2.0, 4.0, 8.0])


def test_limits():
    assert r2(Y, Y) == 1
    assert r2(Y, np.full(4, Y.mean())) == 0
    assert mae(Y, Y + 3) == 3
    assert spearman(Y, np.exp(Y)) == pytest.approx(1)
    assert spearman(Y, -(Y**3)) == pytest.approx(-1)


def test_constant_outcomes_and_predictions():
    same = np.full(4, 0.1)
    assert math.isnan(r2(same, Y))
    assert math.isnan(spearman(Y, same))
    counts = np.array([[3.0, 0, 0, 0], [1, 1, 1, 1]])
    # a resample of one patient repeated is constant, however it is rounded
    assert math.isnan(weighted_r2(Y * 0.1, Y, counts)[0])
    assert math.isnan(weighted_spearman(Y * 0.1, Y, counts)[0])
    assert np.isnan(weighted_r2(same, Y, counts)).all()
