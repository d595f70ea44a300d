"""A graph of the training patients by one modality: who resembles whom; numbers only, no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.cohort.modality import FloatArray

AT_ONCE = 1024  # rows of the similarities that are held at a time
LEAST = 1e-9  # similarities at most so far apart are the same one


class PatientGraph(BaseEstimator):  # type: ignore[misc]
    """Training patients joined where the cosine of their features passes a threshold.

    The threshold is the one at which a patient has `neighbours` on average (MOGONET,
    equation 3), so that it follows the modality. An edge weighs what the cosine is, and
    none is drawn between patients who are not alike at all (cosine 0 or less) or who
    cannot be told apart. The adjacency is normalised as in Kipf and Welling::

        A^ = D^(-1/2) (A + I) D^(-1/2),    D the row sums of A + I

    Parameters
    ----------
    neighbours : int
        Average number of neighbours; fewer where fewer are alike, more where several
        pairs are equally alike at the threshold.
    reduction : int, optional
        To how many principal components the features are brought before the cosine is
        taken; all features count by default.

    Attributes
    ----------
    nodes_ : ndarray of float32, (n_nodes, d)
        The patients' features: mean 0, variance 1 (less for rare levels).
    mean_, scale_ : ndarray of float32, (d,)
        What was subtracted, and divided by.
    axes_ : ndarray of shape (d, reduction), or None
        Principal directions.
    threshold_ : float
        Least cosine of neighbours.
    rows_, columns_ : ndarray of int, (n_entries,)
        Where the normalised adjacency, loops included, is not 0.
    values_ : ndarray of float32, (n_entries,)
        What it is there.
    degree_ : ndarray of float32, (n_nodes,)
        D: 1 and the weights of a patient's edges.

    References
    ----------
    Wang T. et al. MOGONET integrates multi-omics data using graph convolutional networks
    allowing patient classification and biomarker identification. Nature Communications 2021.

    Kipf T. N., Welling M. Semi-supervised classification with graph convolutional
    networks. ICLR 2017, equation 2.
    """

    def __init__(self, neighbours: int = 10, reduction: int | None = None) -> None:
        self.neighbours = neighbours
        self.reduction = reduction

    def fit(self, values: FloatArray) -> Self:
        """Draw the graph.

        Parameters
        ----------
        values : ndarray of shape (n_nodes, d)
            A row each patient of the modality, without gaps.
        """
        values = np.asarray(values, dtype=np.float32)
        spread = values.std(axis=0, dtype=float)
        # A level that one patient has must not outweigh all else that he is.
        spread = np.maximum(spread, 0.5 * np.median(spread))
        self.mean_ = values.mean(axis=0, dtype=float).astype(np.float32)
        self.scale_ = np.where(spread > 1e-6, spread, 1.0).astype(np.float32)
        self.nodes_ = (values - self.mean_) / self.scale_
        self.axes_ = self._axes()
        units = self.units()
        self.threshold_ = threshold(units, self.neighbours)
        self._join(units)
        return self

    def _axes(self) -> FloatArray | None:
        if self.reduction is None or self.reduction >= min(self.nodes_.shape):
            return None
        axes = np.linalg.svd(self.nodes_.astype(float), full_matrices=False)[2]
        return np.ascontiguousarray(axes[: self.reduction].T)

    def units(self) -> FloatArray:
        """Return the nodes as vectors of length 1 (0 for who is average in all), (n_nodes, r)."""
        seen = self.nodes_.astype(float)
        seen = seen if self.axes_ is None else seen @ self.axes_
        length = np.linalg.norm(seen, axis=1, keepdims=True)
        return np.asarray(seen / np.where(length > 0, length, 1.0))

    def _join(self, units: FloatArray) -> None:
        n = len(units)
        rows, columns, weights = [np.arange(n)], [np.arange(n)], [np.ones(n)]
        for start, part in _parts(units):
            row, column = np.nonzero(part >= self.threshold_)
            apart = (self.nodes_[row + start] != self.nodes_[column]).any(axis=1)
            row, column = row[apart], column[apart]
            rows.append(row + start)
            columns.append(column)
            weights.append(part[row, column])
        self.rows_, self.columns_ = np.concatenate(rows), np.concatenate(columns)
        loose = np.concatenate(weights)
        degree = np.bincount(self.rows_, loose, minlength=n)
        shared = np.sqrt(degree[self.rows_] * degree[self.columns_])
        self.values_ = (loose / shared).astype(np.float32)
        self.degree_ = degree.astype(np.float32)

    @property
    def average_degree(self) -> float:
        """How many neighbours a patient has on average."""
        return float(len(self.rows_) / len(self.nodes_) - 1.0)


def threshold(units: FloatArray, neighbours: int) -> float:
    """Return the least cosine of neighbours, so that a patient has so many on average.

    It lies halfway between the last pair inside and the first outside, so that rounding
    changes nobody's neighbours, and above 0.

    Parameters
    ----------
    units : ndarray of shape (n, r)
        Vectors of length 1.
    neighbours : int
    """
    n = len(units)
    wanted = min(neighbours * n, n * (n - 1))
    inside: FloatArray = np.empty(0)
    for _, part in _parts(units):
        inside = np.concatenate([inside, part[part > LEAST]])
        if len(inside) > wanted:
            inside = np.partition(inside, len(inside) - wanted)[len(inside) - wanted :]
    if not len(inside):
        return LEAST
    # Pairs as alike as the last one are inside too.
    last = float(inside.min())
    return max((last + _next_below(units, last)) / 2, LEAST)


def _next_below(units: FloatArray, value: float) -> float:
    """Return the largest similarity that is not `value`, but less; 0 if none is above it."""
    found = [part[(part < value - LEAST) & (part > 0)] for _, part in _parts(units)]
    return max((float(each.max()) for each in found if len(each)), default=0.0)


def _parts(units: FloatArray) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yield the first row and the similarities of some rows with all."""
    for start in range(0, len(units), AT_ONCE):
        part = units[start : start + AT_ONCE] @ units.T
        here = np.arange(len(part))
        part[here, here + start] = -np.inf  # nobody is his own neighbour
        yield start, part
