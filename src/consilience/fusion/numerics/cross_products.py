"""The cross-products between blocks of patients' columns, as an operator on vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from consilience.cohort.modality import FloatArray

FEW = 250_000  # so many cross-products are written out in a millisecond or two

Places = npt.NDArray[np.intp]


class Products(Protocol):
    """``X_i' X_j`` for every pair of blocks, without saying how it is kept."""

    sizes: list[int]

    def pull(self, block: int, weights: Sequence[FloatArray]) -> FloatArray:
        """Return the sum over the other blocks j of ``X_block' X_j w_j``, (n_features,)."""

    def between(self, i: int, j: int, weights: Sequence[FloatArray]) -> float:
        """Return ``w_i' X_i' X_j w_j``."""

    def within(self, places: Sequence[Places]) -> Products:
        """Return the cross-products of some features of each block."""


class Stored:
    """Cross-products written out: for few features, or where single values are missing.

    Parameters
    ----------
    matrices : dict of (int, int) to ndarray
        ``X_i' X_j`` for i < j.
    sizes : list of int
        Number of features of each block.
    """

    def __init__(self, matrices: Mapping[tuple[int, int], FloatArray], sizes: list[int]) -> None:
        self.matrices = matrices
        self.sizes = sizes

    def pull(self, block: int, weights: Sequence[FloatArray]) -> FloatArray:
        """Return the sum over the other blocks j of ``X_block' X_j w_j``, (n_features,)."""
        total = None
        for (i, j), matrix in self.matrices.items():
            if block in (i, j):
                part = matrix @ weights[j] if i == block else weights[i] @ matrix
                total = part if total is None else total + part
        assert total is not None  # there are at least two blocks
        return np.asarray(total)

    def between(self, i: int, j: int, weights: Sequence[FloatArray]) -> float:
        """Return ``w_i' X_i' X_j w_j``."""
        low, high = min(i, j), max(i, j)
        return float(weights[low] @ self.matrices[low, high] @ weights[high])

    def within(self, places: Sequence[Places]) -> Stored:
        """Return the cross-products of some features of each block."""
        part = {
            (i, j): np.ascontiguousarray(matrix[np.ix_(places[i], places[j])])
            for (i, j), matrix in self.matrices.items()
        }
        return Stored(part, [len(place) for place in places])


class Factored:
    """Cross-products left as factors: ``X_i' (X_j w)`` costs n (p + q) and needs no p x q matrix.

    Parameters
    ----------
    filled : list of ndarray of shape (n_patients, n_features)
        Zero in the rows of patients whom a block did not measure: they add nothing.
    """

    def __init__(self, filled: Sequence[FloatArray]) -> None:
        self.filled = filled
        self.sizes = [matrix.shape[1] for matrix in filled]

    def pull(self, block: int, weights: Sequence[FloatArray]) -> FloatArray:
        """Return the sum over the other blocks j of ``X_block' X_j w_j``, (n_features,)."""
        kind = self.filled[block].dtype
        scores = [m @ weights[j].astype(kind) for j, m in enumerate(self.filled) if j != block]
        return np.asarray(sum(scores[1:], scores[0]) @ self.filled[block], dtype=float)

    def between(self, i: int, j: int, weights: Sequence[FloatArray]) -> float:
        """Return ``w_i' X_i' X_j w_j``."""
        return float((self.filled[i] @ weights[i]) @ (self.filled[j] @ weights[j]))

    def within(self, places: Sequence[Places]) -> Products:
        """Return the cross-products of some features of each block."""
        return cheapest([m[:, place] for m, place in zip(self.filled, places, strict=True)])

    def rounded(self) -> Factored:
        """Return the same in single precision: half the cost, for finding where to start."""
        return Factored([matrix.astype(np.float32) for matrix in self.filled])


class Deflated:
    """Cross-products less what the components found so far explain.

    A component with vectors w and a value ``d_ij`` for each pair of blocks takes
    ``d_ij w_i w_j'`` away. With two blocks ``d`` is the value in what was left when the
    component was found (R package PMA, `CCA`); with more, that in the original
    cross-products (`MultiCCA`).
    """

    def __init__(self, products: Products) -> None:
        self.products = products
        self.sizes = products.sizes
        self.found: list[tuple[list[FloatArray], npt.NDArray[np.float64]]] = []

    def pull(self, block: int, weights: Sequence[FloatArray]) -> FloatArray:
        """Return the sum over the other blocks j of their products with w_j, (n_features,)."""
        target = self.products.pull(block, weights)
        for vectors, values in self.found:
            shares = [
                values[block, j] * (v @ weights[j]) for j, v in enumerate(vectors) if j != block
            ]
            target -= vectors[block] * sum(shares)
        return target

    def value(self, weights: Sequence[FloatArray]) -> float:
        """Return the sum over pairs of blocks of what is left of ``w_i' X_i' X_j w_j``."""
        if len(self.sizes) == 2:
            return float(self.pull(0, weights) @ weights[0])
        pulls = [self.pull(i, weights) @ weights[i] for i in range(len(self.sizes))]
        return float(sum(pulls) / 2)

    def explain(self, weights: list[FloatArray], value: float | None = None) -> None:
        """Take a component away, whose value need not be computed if it is known."""
        blocks = len(self.sizes)
        values = np.zeros((blocks, blocks))
        if blocks == 2:
            values[0, 1] = values[1, 0] = self.value(weights) if value is None else value
        else:
            for i in range(blocks):
                for j in range(i):
                    values[i, j] = values[j, i] = self.products.between(i, j, weights)
        self.found.append((weights, values))

    def within(self, places: Sequence[Places]) -> Deflated:
        """Return what is left of the cross-products of some features of each block."""
        part = Deflated(self.products.within(places))
        for vectors, values in self.found:
            cut = [v[place] for v, place in zip(vectors, places, strict=True)]
            part.found.append((cut, values))
        return part


def cross_products(blocks: Sequence[FloatArray]) -> Products:
    """Return the cross-products of blocks, over the patients in whom both values are known.

    A patient whom one of two blocks did not measure adds nothing to that pair. Where
    single values are missing, a product summed over fewer patients than the two
    blocks share is scaled up to as many.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_patients, n_features)
        Standardised; NaN where missing.
    """
    known = [~np.isnan(matrix) for matrix in blocks]
    if all(k.all() for k in known):
        return cheapest(blocks)
    filled = [np.where(k, m, 0.0) for k, m in zip(known, blocks, strict=True)]
    rows = [k.any(axis=1) for k in known]
    if all((k.all(axis=1) == row).all() for k, row in zip(known, rows, strict=True)):
        return cheapest(filled)
    matrices = {}
    for j in range(len(blocks)):
        for i in range(j):
            counts = known[i].T.astype(float) @ known[j].astype(float)
            shared = float(np.count_nonzero(rows[i] & rows[j]))
            matrices[i, j] = filled[i].T @ filled[j] * (shared / np.maximum(counts, 1.0))
    return Stored(matrices, [matrix.shape[1] for matrix in blocks])


def cheapest(filled: Sequence[FloatArray]) -> Products:
    """Return the products written out where they are few, and else as factors."""
    sizes = [matrix.shape[1] for matrix in filled]
    entries = (sum(sizes) ** 2 - sum(size**2 for size in sizes)) / 2
    if entries > max(FEW, len(filled[0]) * sum(sizes) / 2):
        return Factored(filled)
    matrices = {(i, j): filled[i].T @ filled[j] for j in range(len(filled)) for i in range(j)}
    return Stored(matrices, sizes)


class Compressed:
    """The same cross-products with no more columns than patients.

    Where a block has more columns than patients, its rows span at most n directions: in an
    orthonormal basis of those, from a Cholesky factor of ``X X'``, it is an n x n matrix.
    Exact for the cross-products; a vector outside of the span loses that part.
    """

    def __init__(self, products: Factored) -> None:
        self.roots: list[Any] = []
        self.filled = products.filled
        columns = []
        for matrix in self.filled:
            root = None
            if matrix.shape[1] > len(matrix):
                gram = matrix @ matrix.T
                # Centred columns make the Gram matrix singular; the ridge is rounding.
                ridge = 100 * np.finfo(gram.dtype).eps * np.trace(gram)
                gram[np.diag_indices_from(gram)] += ridge + np.finfo(gram.dtype).tiny
                root = np.linalg.cholesky(gram)
            self.roots.append(root)
            columns.append(np.asarray(matrix if root is None else root, dtype=float))
        pairs = {(i, j): columns[i].T @ columns[j] for j in range(len(columns)) for i in range(j)}
        self.products = Stored(pairs, [matrix.shape[1] for matrix in columns])

    def inward(self, weights: Sequence[FloatArray]) -> list[FloatArray]:
        """Return vectors over features as vectors over the directions."""
        return [
            w
            if root is None
            else solve_triangular(root, matrix @ w.astype(matrix.dtype), lower=True)
            for matrix, root, w in zip(self.filled, self.roots, weights, strict=True)
        ]

    def outward(self, weights: Sequence[FloatArray]) -> list[FloatArray]:
        """Return vectors over the directions as vectors over features."""
        return [
            w
            if root is None
            else np.asarray(_outward(root, w.astype(root.dtype)) @ matrix, dtype=float)
            for matrix, root, w in zip(self.filled, self.roots, weights, strict=True)
        ]


def _outward(root: FloatArray, directions: FloatArray) -> FloatArray:
    return np.asarray(solve_triangular(root, directions, lower=True, trans="T"))
