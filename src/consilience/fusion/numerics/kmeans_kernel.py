"""k-means on many resamples, compiled: the inner loop of consensus clustering."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from consilience.cohort.modality import FloatArray

MOST_ROUNDS = 50


@njit(cache=True)
def together(
    points: FloatArray, draws: npt.NDArray[np.intp], chances: FloatArray, k: int
) -> FloatArray:
    """Return how often each pair of patients fell into one cluster.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    draws : ndarray of int of shape (n_resamples, n_drawn)
        Rows of each resample.
    chances : ndarray of shape (n_resamples, n_starts, at least k)
        Uniform numbers for the choice of the first centres (k-means++); of the starts
        the tightest clustering counts.
    k : int
        Clusters.

    Returns
    -------
    ndarray of shape (n, n)
    """
    n = points.shape[0]
    counts = np.zeros((n, n))
    for draw in range(draws.shape[0]):
        rows = draws[draw]
        labels = best_labels(points[rows], chances[draw], k)
        for a in range(len(rows)):
            for b in range(len(rows)):
                if labels[a] == labels[b]:
                    counts[rows[a], rows[b]] += 1.0
    return counts


@njit(cache=True)
def best_labels(points: FloatArray, chances: FloatArray, k: int) -> npt.NDArray[np.intp]:
    """Return the clusters of the tightest of several starts."""
    best = np.inf
    labels = np.zeros(len(points), dtype=np.intp)
    for start in range(chances.shape[0]):
        centres = first_centres(points, chances[start], k)
        found, spread = settle(points, centres)
        if spread < best:
            best, labels = spread, found
    return labels


@njit(cache=True)
def first_centres(points: FloatArray, chances: FloatArray, k: int) -> FloatArray:
    """Return centres among the points, each drawn by its squared distance to those before."""
    n, d = points.shape
    centres = np.empty((k, d))
    far = np.ones(n)
    for c in range(k):
        aim, passed, place = chances[c] * far.sum(), 0.0, n - 1
        for i in range(n):
            passed += far[i]
            if passed > aim:
                place = i
                break
        centres[c] = points[place]
        for i in range(n):
            square = 0.0
            for j in range(d):
                square += (points[i, j] - centres[c, j]) ** 2
            far[i] = square if c == 0 else min(far[i], square)
    return centres


@njit(cache=True)
def settle(points: FloatArray, centres: FloatArray) -> tuple[npt.NDArray[np.intp], float]:
    """Return clusters and their summed squares once no patient changes (Lloyd's algorithm).

    A cluster that loses all its points keeps its centre.
    """
    n, d = points.shape
    labels = np.full(n, -1, dtype=np.intp)
    spread = 0.0
    for _ in range(MOST_ROUNDS):
        moved, spread = False, 0.0
        sums, sizes = np.zeros(centres.shape), np.zeros(len(centres))
        for i in range(n):
            nearest, least = closest(points[i], centres)
            moved = moved or labels[i] != nearest
            labels[i] = nearest
            spread += least
            sizes[nearest] += 1.0
            for j in range(d):
                sums[nearest, j] += points[i, j]
        if not moved:
            break
        for c in range(len(centres)):
            if sizes[c] > 0:
                centres[c] = sums[c] / sizes[c]
    return labels, spread


@njit(cache=True)
def closest(point: FloatArray, centres: FloatArray) -> tuple[int, float]:
    """Return the nearest centre, and the squared distance to it."""
    nearest, least = 0, np.inf
    for c in range(len(centres)):
        square = 0.0
        for j in range(len(point)):
            square += (point[j] - centres[c, j]) ** 2
        if square < least:
            nearest, least = c, square
    return nearest, least
