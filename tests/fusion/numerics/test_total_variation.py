"""Smoothing by the price of jumps, against its optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.fusion.numerics.total_variation import smoothed


@pytest.mark.parametrize("size", [1, 2, 3, 10, 200])
def test_optimality_conditions(size):
    rng = np.random.default_rng(size)
    for price in (0.0, 0.05, 0.7, 5.0, 1e3):
        values = np.cumsum(rng.standard_normal(size)) + rng.standard_normal(size)
        best = smoothed(values, price)
        # The dual path, running sums of the residual: within the price, at it at a jump.
        dual = np.cumsum(values - best)
        scale = 1 + np.abs(values).sum()
        assert abs(dual[-1]) < 1e-9 * scale
        assert (np.abs(dual[:-1]) <= price + 1e-9 * scale).all()
        jumps = np.diff(best)
        real = np.abs(jumps) > 1e-9
        np.testing.assert_allclose(
            dual[:-1][real], -price * np.sign(jumps[real]), atol=1e-9 * scale
        )


def test_known_limits():
    values = np.array([3.0, -1.0, 2.0, 2.0])
    np.testing.assert_allclose(smoothed(values, 0.0), values)
    np.testing.assert_allclose(smoothed(values, 100.0), np.full(4, 1.5))
