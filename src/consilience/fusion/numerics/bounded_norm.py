"""The unit vector of bounded L1 norm nearest to a target: the hot loop of sparse CCA.

Imported where it is used, for numba takes long to import.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from consilience.cohort.modality import FloatArray

TIED = 1e-9  # relative distance below which two features cannot be told apart


@njit(cache=True)
def bounded(target: FloatArray, order: FloatArray, bound: float) -> FloatArray:
    """Return the vector of unit length, L1 norm within the bound, closest to a target.

    The target soft-thresholded (Witten, Tibshirani and Hastie 2009, Lemma 2.2). Where
    more features are tied for the largest magnitude than the bound can hold, they share the
    weight equally.

    Parameters
    ----------
    target : ndarray of shape (n_features,)
    order : ndarray of shape (n_features,)
        Its magnitudes, smallest first.
    bound : float
        1 or more.
    """
    top = order[-1]
    new: FloatArray = np.zeros_like(target)
    if top == 0.0:
        return new
    length = np.sqrt((target * target).sum())
    if order.sum() <= bound * length:
        new[:] = target / length
        return new
    tied = 0
    while tied < len(order) and order[len(order) - 1 - tied] >= top * (1 - TIED):
        tied += 1
    if bound * bound <= tied:
        for i, value in enumerate(target):
            if abs(value) >= top * (1 - TIED):
                new[i] = np.sign(value) / np.sqrt(tied)
        return new
    threshold, square = depth(order, bound), 0.0
    for i, value in enumerate(target):
        kept = threshold - (top - abs(value))
        if kept > 0.0:
            new[i] = kept if value > 0.0 else -kept
            square += kept * kept
    new /= np.sqrt(square)
    return new


@njit(cache=True)
def depth(order: FloatArray, bound: float) -> float:
    """Return how far below the largest magnitude the threshold lies.

    Above a threshold ``top - t`` with k magnitudes over it, the L1 norm is ``k t - D1`` and
    the squared L2 norm ``k t^2 - 2 t D1 + D2``, with D1 and D2 the sums of their distances
    from the top and of the squares of these. Their ratio grows with t; between two
    neighbours, that it equals the bound is a quadratic in t. Distances, not
    magnitudes: of nearly tied features no digits are lost.

    Parameters
    ----------
    order : ndarray of shape (n_features,)
        Magnitudes, smallest first. All together exceed the bound.
    bound : float
        More than the root of the number of features tied for the largest.
    """
    size, top = len(order), order[-1]
    k, d1, d2, last = 0, 0.0, 0.0, 0.0
    for i in range(size):
        last = top - order[size - 1 - i]
        k, d1, d2 = k + 1, d1 + last, d2 + last * last
        if k < size and k > bound * bound:  # no k features have a ratio above the root of k
            t = top - order[size - 2 - i]
            norm1 = k * t - d1
            if norm1 * norm1 > bound * bound * (t * (norm1 - d1) + d2):
                break
    spread = max(k * d2 - d1 * d1, 0.0) / (k - bound * bound)
    return float(max(d1 / k + bound / k * np.sqrt(spread), last))
