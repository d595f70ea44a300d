"""The threshold that meets an L1 bound: against bisection, as PMA and cca-zoo find it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from consilience.fusion.numerics.bounded_norm import bounded


def by_bisection(target: np.ndarray, bound: float) -> np.ndarray:
    """Return the soft-thresholded target whose norms have the ratio asked for."""

    def shrunk(threshold: float) -> np.ndarray:
        kept = np.sign(target) * np.maximum(np.abs(target) - threshold, 0.0)
        return kept / np.linalg.norm(kept)

    if np.abs(shrunk(0.0)).sum() <= bound:
        return shrunk(0.0)
    top = np.abs(target).max()
    root = brentq(lambda t: np.abs(shrunk(t)).sum() - bound, 0.0, top * (1 - 1e-9), xtol=1e-15)
    return shrunk(root)


@pytest.mark.parametrize("size", [2, 5, 40, 3000])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_threshold_is_that_of_bisection(size, scale):
    rng = np.random.default_rng(size)
    for share in (0.05, 0.3, 0.6, 0.9, 1.0):
        target = scale * rng.standard_normal(size)
        bound = max(1.02, share * np.sqrt(size))
        found = bounded(target, np.sort(np.abs(target)), bound)
        np.testing.assert_allclose(found, by_bisection(target, bound), atol=1e-7)
        assert np.linalg.norm(found) == pytest.approx(1)
        assert np.abs(found).sum() <= bound + 1e-9


def test_nothing_stays_nothing_and_ties_share():
    assert not bounded(np.zeros(3), np.zeros(3), 1.5).any()
    tied = np.array([-3.0, 3.0, 3.0, 1.0])
    expected = np.array([-1, 1, 1, 0]) / np.sqrt(3)
    np.testing.assert_allclose(bounded(tied, np.sort(np.abs(tied)), 1.2), expected)
