"""Patients put into small groups of those who are alike.

MDAV, maximum distance to average vector (Domingo-Ferrer and Mateo-Sanz, IEEE TKDE 2002,
14:189; Domingo-Ferrer and Torra, Data Mining and Knowledge Discovery 2005, 11:195): the
patient furthest from the mean and those nearest to him are a group, then the one furthest
from him and those nearest to that one, and so on. It keeps the groups tight, so that means
of groups say nearly what patients would.
"""

from __future__ import annotations

import numpy as np

from consilience.cohort.modality import FloatArray, Positions


def alike(matrix: FloatArray, size: int) -> list[Positions]:
    """Return groups of at least `size` rows that are near to one another.

    Parameters
    ----------
    matrix : ndarray of shape (n, n_columns)
        Without gaps.
    size : int
        The smallest group; the largest has fewer than twice as many.

    Returns
    -------
    list of ndarray of int
        Every row is in one group. Ties go to the row that comes first.
    """
    squares = (matrix**2).sum(axis=1)
    left = np.arange(len(matrix), dtype=np.intp)
    groups: list[Positions] = []
    while len(left) >= 3 * size:
        first = left[np.argmax(_distances(matrix, squares, left, matrix[left].mean(axis=0)))]
        near, left = _taken(matrix, squares, left, matrix[first], size)
        second = left[np.argmax(_distances(matrix, squares, left, matrix[first]))]
        other, left = _taken(matrix, squares, left, matrix[second], size)
        groups += [near, other]
    if len(left) >= 2 * size:
        first = left[np.argmax(_distances(matrix, squares, left, matrix[left].mean(axis=0)))]
        near, left = _taken(matrix, squares, left, matrix[first], size)
        groups.append(near)
    return [*groups, left] if len(left) else groups


def _distances(
    matrix: FloatArray, squares: FloatArray, rows: Positions, centre: FloatArray
) -> FloatArray:
    """Return squared distances of rows to a point, less what is the same for all of them."""
    return np.asarray(squares[rows] - 2 * (matrix[rows] @ centre))


def _taken(
    matrix: FloatArray, squares: FloatArray, left: Positions, centre: FloatArray, size: int
) -> tuple[Positions, Positions]:
    """Return the nearest rows, and those left without them."""
    order = np.argsort(_distances(matrix, squares, left, centre), kind="stable")
    return np.sort(left[order[:size]]), np.sort(left[order[size:]])
