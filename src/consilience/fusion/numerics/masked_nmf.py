"""Non-negative factorisation of blocks that share their patients, over what was measured.

With blocks X_m (n, p_m) scaled by a_m and laid side by side, X (n, P), it minimises

    ½ Σ_observed (X − W Hᵀ)²  +  Σ_j λ_j Σ_k H_jk  +  ½ Σ_k H_k'(D − B) H_k

over W (n, K) ≥ 0 and H (P, K) ≥ 0: one W for all blocks, one part of H a block. Where
something is penalised, each column of W keeps a root mean square of at most 1; without
that bound H would shrink and W grow until no penalty is left.

The algorithm is coordinate descent (HALS; Cichocki and Phan, 2009), which scikit-learn's
NMF takes too: each coordinate goes to its minimum, so the objective never rises. A missing
entry is left out of the sums, not filled in: each patient and each feature has the Gram
matrix of what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from consilience.cohort.modality import FloatArray

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Lists = tuple[Bools, Integers, Integers]

PROFILES = 3  # patients whose mean a component starts from
RIDGE = 1e-10  # of the mean curvature: makes a projection unique
SWEEPS = 100_000  # at most, of one patient's projection


@dataclass(frozen=True)
class Joined:
    """Blocks side by side, 0 where nothing was measured, and who has what.

    Attributes
    ----------
    X : ndarray of shape (n, P)
    slices : tuple of slice
        The columns of each block.
    measured : ndarray of bool, shape (n, n_blocks)
        Which patients have any entry of a block.
    patterns : ndarray of bool, shape (n_patterns, n_blocks)
        Its distinct rows.
    pattern : ndarray of int, shape (n,)
        Which of them is a patient's.
    by_row, by_column : tuple of Lists or None
        For blocks with entries missing here and there: see `nmf_sweeps.add_grams`.
    """

    X: FloatArray
    slices: tuple[slice, ...]
    measured: Bools
    patterns: Bools
    pattern: Integers
    by_row: tuple[Lists | None, ...]
    by_column: tuple[Lists | None, ...]

    @classmethod
    def of(cls, blocks: Sequence[FloatArray]) -> Self:
        """Lay blocks of shape (n, p_m) side by side; NaN marks what is missing."""
        ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
        X = np.hstack(blocks)
        slices = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
        measured = np.empty((len(X), len(blocks)), dtype=bool)
        by_row: list[Lists | None] = []
        by_column: list[Lists | None] = []
        for m, own in enumerate(slices):
            present = ~np.isnan(X[:, own])
            measured[:, m] = present.any(axis=1)
            scattered = not present[measured[:, m]].all()
            by_row.append(_shorter_lists(present) if scattered else None)
            by_column.append(_shorter_lists(present[measured[:, m]].T) if scattered else None)
        X[np.isnan(X)] = 0.0
        patterns, pattern = np.unique(measured, axis=0, return_inverse=True)
        pattern = pattern.reshape(-1).astype(np.int64)
        return cls(X, slices, measured, patterns, pattern, tuple(by_row), tuple(by_column))

    @property
    def square(self) -> float:
        """The sum of squares of all entries."""
        return float(np.vdot(self.X, self.X))

    def row_grams(self, H: FloatArray) -> tuple[FloatArray, Integers]:
        """Return the Gram matrices Σ h h' over each patient's entries, and whose is which."""
        wholes = [H[own].T @ H[own] for own in self.slices]
        if any(lists is not None for lists in self.by_row):
            return self._gram_a_row(H, wholes), np.arange(len(self.X))
        grams = np.zeros((len(self.patterns), H.shape[1], H.shape[1]))
        for m, whole in enumerate(wholes):
            grams[self.patterns[:, m]] += whole
        return grams, self.pattern

    def _gram_a_row(self, H: FloatArray, wholes: Sequence[FloatArray]) -> FloatArray:
        from consilience.fusion.numerics.nmf_sweeps import add_grams

        grams = np.zeros((len(self.X), H.shape[1], H.shape[1]))
        for m, (own, lists) in enumerate(zip(self.slices, self.by_row, strict=True)):
            if lists is None:
                grams[self.measured[:, m]] += wholes[m]
            else:
                add_grams(grams, wholes[m], lists, H[own])
        return grams

    def column_grams(self, W: FloatArray) -> tuple[FloatArray, Integers]:
        """Return the Gram matrices Σ w w' over each feature's patients, and whose is which."""
        from consilience.fusion.numerics.nmf_sweeps import add_grams

        parts, which, start = [], np.empty(self.X.shape[1], dtype=np.int64), 0
        for m, (own, lists) in enumerate(zip(self.slices, self.by_column, strict=True)):
            here = self.measured[:, m]
            patients = W if here.all() else W[here]
            grams = (patients.T @ patients)[None]
            if lists is not None:
                whole, grams = grams[0], np.zeros((own.stop - own.start, *grams.shape[1:]))
                add_grams(grams, whole, lists, patients)
            which[own] = start + (0 if len(grams) == 1 else np.arange(len(grams)))
            parts.append(grams)
            start += len(grams)
        return np.concatenate(parts), which

    def filled(self) -> FloatArray:
        """Return X with each feature's mean in place of what is missing."""
        seen = np.empty(self.X.shape, dtype=bool)
        for m, (own, lists) in enumerate(zip(self.slices, self.by_row, strict=True)):
            seen[:, own] = self.measured[:, [m]]
            if lists is not None:
                seen[:, own] = _present(lists, own.stop - own.start)
        means = self.X.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        return np.where(seen, self.X, means)


def _shorter_lists(present: Bools) -> Lists:
    """Return, per row, what it lacks or what it has, whichever is shorter."""
    lacking = 2 * present.sum(axis=1) >= present.shape[1]
    rows, entries = np.nonzero(present ^ lacking[:, None])
    starts = np.searchsorted(rows, np.arange(len(present) + 1))
    return lacking, starts.astype(np.int64), entries.astype(np.int64)


def _present(lists: Lists, width: int) -> Bools:
    lacking, starts, entries = lists
    present = np.zeros((len(lacking), width), dtype=bool)
    present[np.repeat(np.arange(len(lacking)), np.diff(starts)), entries] = True
    return present ^ lacking[:, None]


@dataclass(frozen=True)
class Penalty:
    """What is asked of H beside fitting X.

    Attributes
    ----------
    l1 : ndarray of shape (P,)
        λ_j.
    diagonal : ndarray of shape (P,)
        D of the graph.
    edges : scipy.sparse.csr_array of shape (P, P), optional
        B of the graph, symmetric.
    """

    l1: FloatArray
    diagonal: FloatArray
    edges: sparse.csr_array | None = None

    @classmethod
    def none(cls, width: int) -> Self:
        """Return no penalty, for P = width."""
        return cls(np.zeros(width), np.zeros(width))

    @classmethod
    def of(
        cls, unit: FloatArray, l1: float, edges: sparse.csr_array | None, strength: float
    ) -> Self:
        """Return penalties on H / unit, that is on the scale before the blocks were weighted.

        They are l1 · unit_j on H_jk, and half of strength · b_ij · unit_i · unit_j times
        (H_ik / unit_i − H_jk / unit_j)² on every edge b_ij: at strength n, the neighbours of
        a feature weigh as much as its own n values.

        Parameters
        ----------
        unit : ndarray of shape (P,)
            What each column was multiplied by.
        l1 : float
        edges : scipy.sparse.csr_array of shape (P, P), optional
        strength : float
        """
        if edges is None or not edges.nnz:
            return cls(l1 * unit, np.zeros(len(unit)))
        diagonal = strength * (edges @ unit) / unit
        return cls(l1 * unit, diagonal, sparse.csr_array(strength * edges))

    @property
    def binding(self) -> bool:
        """Whether anything is penalised, so that W must be bounded."""
        return bool(self.l1.any()) or self.edges is not None

    def lists(self) -> tuple[Integers, Integers, FloatArray]:
        """Return B as the starts, columns and values of its rows."""
        assert self.edges is not None
        starts, columns = (
            part.astype(np.int64) for part in (self.edges.indptr, self.edges.indices)
        )
        return starts, columns, np.asarray(self.edges.data, dtype=float)

    def on_graph(self, H: FloatArray) -> float:
        """Return ½ Σ_k H_k'(D − B) H_k."""
        if self.edges is None:
            return 0.0
        return 0.5 * float(np.vdot(H, self.diagonal[:, None] * H - self.edges @ H))


@dataclass
class Factors:
    """W and H, and how they were come by.

    Attributes
    ----------
    W : ndarray of shape (n, K)
    H : ndarray of shape (P, K)
    multipliers : ndarray of shape (K,)
        μ of the bound on each column of W: at a minimum W also minimises the objective
        with ½ Σ_k μ_k ‖W_k‖² in place of the bound. 0 without penalties.
    objective : list of float
        Before the first iteration and after each; it never rises.
    converged : bool
    """

    W: FloatArray
    H: FloatArray
    multipliers: FloatArray
    objective: list[float]
    converged: bool = False

    def shares(self) -> FloatArray:
        """Return each component's share of ‖W Hᵀ‖², (K,): its inner product with the whole."""
        shared = ((self.W.T @ self.W) * (self.H.T @ self.H)).sum(axis=0)
        whole = float(shared.sum())
        return np.asarray(shared / whole) if whole > 0 else np.zeros(len(shared))

    def normalised(self) -> Factors:
        """Return the same product, strongest component first.

        Without penalties, whose scale is free, the columns of W get a root mean square
        of 1.
        """
        W, H = self.W, self.H
        if not self.multipliers.any():
            size = np.sqrt(np.mean(W**2, axis=0))
            size[size == 0] = 1.0
            W, H = W / size, H * size
        order = np.argsort(-self.shares(), kind="stable")
        multipliers = self.multipliers[order]
        return Factors(W[:, order], H[:, order], multipliers, self.objective, self.converged)


def start(joined: Joined, k: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return a random W and H to start from.

    Each component begins as the mean profile of three patients drawn at random, missing
    entries at the feature's mean; each patient's share is in proportion to how well the
    profile fits. Only patients are drawn, so that the order of features is immaterial.

    Returns
    -------
    W : ndarray of shape (n, k)
        Columns with a root mean square of 1.
    H : ndarray of shape (P, k)
    """
    n = len(joined.X)
    filled = joined.filled()
    drawn = [rng.choice(n, size=min(PROFILES, n), replace=False) for _ in range(k)]
    H = np.stack([filled[rows].mean(axis=0) for rows in drawn], axis=1)
    W = filled @ H
    size = np.sqrt(np.mean(W**2, axis=0))
    size[size == 0] = 1.0
    W /= size
    size = float(np.vdot(W.T @ W, H.T @ H))
    return W, H * (float(np.vdot(filled.T @ W, H)) / size if size > 0 else 1.0)


def factorise(
    joined: Joined,
    begin: tuple[FloatArray, FloatArray],
    penalty: Penalty,
    *,
    max_iter: int = 500,
    tol: float = 1e-5,
    sweeps: int = 2,
) -> Factors:
    """Descend from W and H until an iteration lowers the objective by at most `tol` of itself.

    Parameters
    ----------
    joined : Joined
    begin : tuple of ndarray
        W (n, K) and H (P, K), not negative; copied.
    penalty : Penalty
    max_iter : int
        The most iterations; one updates W, then H.
    tol : float
        Negative: all `max_iter` iterations are made. A fall of 1e-12 of ½‖X‖², the digits
        that a float keeps, ends the descent too.
    sweeps : int
        How often each factor is swept before the other has its turn (accelerated HALS;
        Gillis and Glineur, 2012).

    Returns
    -------
    Factors
        As they are at the end, not normalised.
    """
    W, H = (np.array(factor, dtype=float, order="C") for factor in begin)
    multipliers = np.zeros(W.shape[1])
    half = 0.5 * joined.square
    grams = joined.column_grams(W)
    history = [_objective(half, H, joined.X.T @ W - penalty.l1[:, None], grams, penalty)]
    for _ in range(max_iter):
        _update_rows(joined, W, H, multipliers, penalty.binding, sweeps)
        history.append(half + _update_columns(joined, W, H, penalty, sweeps))
        enough = max(tol * history[-1], 1e-12 * half) if tol >= 0 else -np.inf
        if history[-2] - history[-1] <= enough:
            return Factors(W, H, multipliers, history, converged=True)
    return Factors(W, H, multipliers, history)


def _update_rows(
    joined: Joined, W: FloatArray, H: FloatArray, multipliers: FloatArray, bound: bool, sweeps: int
) -> None:
    from consilience.fusion.numerics.nmf_sweeps import sweep_bounded, sweep_rows

    grams, which = joined.row_grams(H)
    linear = joined.X @ H
    for _ in range(sweeps):
        if bound:
            sweep_bounded(W, linear, grams, which, float(len(W)), multipliers)
        else:
            sweep_rows(W, linear, grams, which)


def _update_columns(
    joined: Joined, W: FloatArray, H: FloatArray, penalty: Penalty, sweeps: int
) -> float:
    """Update H; return the objective less ½‖X‖²."""
    from consilience.fusion.numerics.nmf_sweeps import sweep_on_graph, sweep_rows

    grams = joined.column_grams(W)
    linear = joined.X.T @ W
    linear -= penalty.l1[:, None]
    for _ in range(sweeps):
        if penalty.edges is None:
            sweep_rows(H, linear, *grams)
        else:
            sweep_on_graph(H, linear, *grams, penalty.diagonal, penalty.lists())
    return _objective(0.0, H, linear, grams, penalty)


def _objective(
    half: float,
    H: FloatArray,
    linear: FloatArray,
    grams: tuple[FloatArray, Integers],
    penalty: Penalty,
) -> float:
    from consilience.fusion.numerics.nmf_sweeps import quadratic

    return half + float(quadratic(H, linear, *grams)) + penalty.on_graph(H)


def project(blocks: Sequence[FloatArray], H: FloatArray, multipliers: FloatArray) -> FloatArray:
    """Return the W, (n, K), of patients for a given H.

    It is the non-negative least squares fit to what each has. A ridge of 1e-10 of the mean
    curvature makes it unique; a row's answer depends on that row alone, to the last bit.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n, p_m)
        On the scale of the factorisation; NaN where missing.
    H : ndarray of shape (P, K)
    multipliers : ndarray of shape (K,)
        Of the bound on W: they act as a ridge, so that training patients get the W that
        they had at the minimum.
    """
    from consilience.fusion.numerics import nmf_sweeps

    joined = Joined.of(blocks)
    grams, which = joined.row_grams(H)
    ridge = multipliers + RIDGE * max(float(np.mean(np.sum(H**2, axis=0))), 1e-300)
    return np.asarray(nmf_sweeps.project(joined.X, H, grams, which, ridge, SWEEPS))
