"""Compiled sweeps of non-negative coordinate descent: the hot loops of `masked_nmf`.

Imported where it is used, for numba takes half a second to import.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from consilience.cohort.modality import FloatArray

Integers = npt.NDArray[np.int64]

NEVER = 1e-300  # a curvature below it: the coordinate does not enter the objective


@njit(cache=True)
def sweep_rows(factor: FloatArray, linear: FloatArray, grams: FloatArray, which: Integers) -> None:
    """Minimise, one coordinate after the other, ½ f'G f − l'f over f ≥ 0 for each row f, in place.

    Parameters
    ----------
    factor : ndarray of shape (n_rows, k)
        Where to start; overwritten.
    linear : ndarray of shape (n_rows, k)
        The rows l.
    grams : ndarray of shape (n_grams, k, k)
        The symmetric matrices G.
    which : ndarray of int, shape (n_rows,)
        Which of them is a row's own.
    """
    n, width = factor.shape
    for k in range(width):
        for i in range(n):
            gram = grams[which[i], k]
            curvature = gram[k]
            if curvature <= NEVER:
                factor[i, k] = 0.0
                continue
            slope = -linear[i, k]
            for r in range(width):
                slope += gram[r] * factor[i, r]
            factor[i, k] = max(0.0, factor[i, k] - slope / curvature)


@njit(cache=True)
def sweep_bounded(
    factor: FloatArray,
    linear: FloatArray,
    grams: FloatArray,
    which: Integers,
    bound: float,
    multipliers: FloatArray,
) -> None:
    """As `sweep_rows`, each column kept within a ball: Σᵢ f² ≤ bound.

    A column's minimum on the ball is max(0, g / (d + μ)), with g and d the slope and
    curvature of each entry and μ the least multiplier that brings it inside. It solves
    1/‖f(μ)‖ = 1/√bound, which is nearly a straight line in μ (exactly one where all d
    agree), by Newton's method.

    Parameters
    ----------
    bound : float
        The squared radius.
    multipliers : ndarray of shape (k,)
        μ of each column; overwritten.
    """
    n, width = factor.shape
    wanted = np.empty(n)
    own = np.empty(n)
    for k in range(width):
        for i in range(n):
            gram = grams[which[i], k]
            slope = linear[i, k]
            for r in range(width):
                slope -= gram[r] * factor[i, r]
            own[i] = gram[k]
            wanted[i] = max(0.0, slope + gram[k] * factor[i, k]) if gram[k] > NEVER else 0.0
        multiplier = 0.0
        for _ in range(100):
            square, change = 0.0, 0.0
            for i in range(n):
                if wanted[i] > 0.0:
                    value = wanted[i] / (own[i] + multiplier)
                    square += value * value
                    change += value * value / (own[i] + multiplier)
            if square <= bound * (1.0 + 1e-12):
                break
            multiplier += (np.sqrt(square / bound) - 1.0) * square / change
        multipliers[k] = multiplier
        for i in range(n):
            factor[i, k] = wanted[i] / (own[i] + multiplier) if wanted[i] > 0.0 else 0.0


@njit(cache=True)
def sweep_on_graph(
    factor: FloatArray,
    linear: FloatArray,
    grams: FloatArray,
    which: Integers,
    diagonal: FloatArray,
    edges: tuple[Integers, Integers, FloatArray],
) -> None:
    """As `sweep_rows`, the rows tied to each other by ½ Σ_k f_k'(D − B) f_k.

    Parameters
    ----------
    diagonal : ndarray of shape (n_rows,)
        D.
    edges : tuple of ndarray
        B, symmetric, as the starts, columns and values of its rows (CSR).
    """
    n, width = factor.shape
    starts, columns, values = edges
    for k in range(width):
        for i in range(n):
            gram = grams[which[i], k]
            curvature = gram[k] + diagonal[i]
            if curvature <= NEVER:
                factor[i, k] = 0.0
                continue
            slope = -linear[i, k] + diagonal[i] * factor[i, k]
            for r in range(width):
                slope += gram[r] * factor[i, r]
            for at in range(starts[i], starts[i + 1]):
                slope -= values[at] * factor[columns[at], k]
            factor[i, k] = max(0.0, factor[i, k] - slope / curvature)


@njit(cache=True)
def add_grams(
    total: FloatArray,
    whole: FloatArray,
    lists: tuple[npt.NDArray[np.bool_], Integers, Integers],
    other: FloatArray,
) -> None:
    """Add to each row's G the sum of h h' over the entries that the row has, in place.

    A row lists either what it lacks, and is given `whole` less those, or what it has,
    whichever is shorter: so no digit is lost to cancellation in a row with little.

    Parameters
    ----------
    total : ndarray of shape (n_rows, k, k)
        Added to.
    whole : ndarray of shape (k, k)
        The sum over all entries.
    lists : tuple of ndarray
        Per row, whether it lists what it lacks; then the starts and the entries (CSR).
    other : ndarray of shape (n_entries, k)
        The rows h of the other factor.
    """
    lacking, starts, entries = lists
    width = whole.shape[0]
    own = np.empty((width, width))
    for i in range(total.shape[0]):
        own[:] = 0.0
        at, end = starts[i], starts[i + 1]
        while at + 4 <= end:  # four at a time: a quarter of the traffic to `own`
            p, q = other[entries[at]], other[entries[at + 1]]
            r, s = other[entries[at + 2]], other[entries[at + 3]]
            for a in range(width):
                row = own[a]
                for b in range(width):
                    row[b] += p[a] * p[b] + q[a] * q[b] + r[a] * r[b] + s[a] * s[b]
            at += 4
        while at < end:
            p = other[entries[at]]
            for a in range(width):
                for b in range(width):
                    own[a, b] += p[a] * p[b]
            at += 1
        for a in range(width):
            for b in range(width):
                total[i, a, b] += whole[a, b] - own[a, b] if lacking[i] else own[a, b]


@njit(cache=True)
def quadratic(factor: FloatArray, linear: FloatArray, grams: FloatArray, which: Integers) -> float:
    """Return Σ over rows of ½ f'G f − l'f."""
    n, width = factor.shape
    total = 0.0
    for i in range(n):
        gram = grams[which[i]]
        for a in range(width):
            if factor[i, a] != 0.0:
                half = 0.0
                for b in range(width):
                    half += gram[a, b] * factor[i, b]
                total += factor[i, a] * (0.5 * half - linear[i, a])
    return total


@njit(cache=True)
def project(
    X: FloatArray,
    basis: FloatArray,
    grams: FloatArray,
    which: Integers,
    ridge: FloatArray,
    most: int,
) -> FloatArray:
    """Return the w ≥ 0 that minimises ½ w'G w − x'basis·w + ½ Σ ridge·w², for each row x.

    Each row is worked out by itself, in the same order of operations, so that its
    answer does not depend on who else is asked. Sweeps end when no coordinate moves by
    more than 1e-13 of the largest.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        0 where nothing was measured.
    basis : ndarray of shape (p, k)
    grams : ndarray of shape (n_grams, k, k)
    which : ndarray of int, shape (n,)
        Which of them is a row's G.
    ridge : ndarray of shape (k,)
        Positive: it makes the answer unique.
    most : int
        The most sweeps.
    """
    n, p = X.shape
    width = basis.shape[1]
    answer = np.zeros((n, width))
    linear = np.empty(width)
    for i in range(n):
        linear[:] = 0.0
        for j in range(p):
            x = X[i, j]
            if x != 0.0:
                for a in range(width):
                    linear[a] += x * basis[j, a]
        gram = grams[which[i]]
        w = answer[i]
        for _ in range(most):
            moved, largest = 0.0, 0.0
            for a in range(width):
                slope = ridge[a] * w[a] - linear[a]
                for b in range(width):
                    slope += gram[a, b] * w[b]
                new = max(0.0, w[a] - slope / (gram[a, a] + ridge[a]))
                moved = max(moved, abs(new - w[a]))
                largest = max(largest, new)
                w[a] = new
            if moved <= 1e-13 * largest:
                break
    return answer
