"""Continuous outcomes.

y and p (n_patients,) in the outcome's unit; counts (n_replicates, n_patients).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from consilience.metrics.calibration import weighted_mean
from consilience.metrics.metric import Y, ratio
from consilience.metrics.scores import FloatArray


def r2(y: Y, p: FloatArray) -> float:
    """Return 1 - squared error / squared error of the mean; NaN if y is constant."""
    return float(r2_score(y, p)) if _varies(y) else math.nan


def mae(y: Y, p: FloatArray) -> float:
    """Return the mean absolute error, in the outcome's unit."""
    return float(mean_absolute_error(y, p))


def spearman(y: Y, p: FloatArray) -> float:
    """Return Spearman's rank correlation, ties by mid-ranks; NaN if y or p is constant."""
    return float(spearmanr(y, p).statistic) if _varies(y) and _varies(p) else math.nan


def weighted_r2(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `r2` of each replicate."""
    errors = counts @ (y - p) ** 2
    return 1 - ratio(errors, _spread(np.broadcast_to(y, counts.shape), counts, _several(y, counts)))


def weighted_mae(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `mae` of each replicate."""
    return weighted_mean(np.abs(y - p), counts)


def weighted_spearman(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `spearman` of each replicate: Pearson's correlation of weighted mid-ranks."""
    n = counts.sum(axis=1, keepdims=True)
    several = _several(y, counts) & _several(p, counts)
    # the mean mid-rank is (n + 1) / 2 whatever the ties
    a = _mid_ranks(y, counts) - (n + 1) / 2
    b = _mid_ranks(p, counts) - (n + 1) / 2
    together = np.einsum("bi,bi,bi->b", counts, a, b)
    spreads = np.einsum("bi,bi,bi->b", counts, a, a) * np.einsum("bi,bi,bi->b", counts, b, b)
    return ratio(together, np.sqrt(np.where(several, spreads, 0.0)))


def _spread(values: FloatArray, counts: FloatArray, several: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the squares about the mean, summed; exactly 0 where all values are equal."""
    centred = values - weighted_mean(values[0], counts)[:, None]
    return np.where(several, np.einsum("bi,bi->b", counts, centred**2), 0.0)


def _several(values: FloatArray, counts: FloatArray) -> npt.NDArray[np.bool_]:
    """Return whether a replicate holds more than one distinct value."""
    there = counts > 0
    low = np.where(there, values, np.inf).min(axis=1)
    several: npt.NDArray[np.bool_] = low < np.where(there, values, -np.inf).max(axis=1)
    return several


def _mid_ranks(values: FloatArray, counts: FloatArray) -> FloatArray:
    """Return the mid-rank of each patient among the rows repeated by the counts."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.add.reduceat(counts[:, order], starts, axis=1)
    middle = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    return np.take(middle, group, axis=1)


def _varies(values: FloatArray) -> bool:
    return bool(len(values) > 1 and np.ptp(values) > 0)
