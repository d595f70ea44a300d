r"""Penalised matrix decomposition of the cross-products between blocks: the core of sparse CCA.

For blocks :math:`X_1, \dots, X_M` (patients in rows, columns standardised) one component is

.. math:: \max_w \sum_{i<j} w_i' X_i' X_j w_j
          \quad\text{with}\quad \|w_i\|_2 \le 1,\; \|w_i\|_1 \le c_i

(Witten, Tibshirani and Hastie 2009, equation 4.2, for two blocks; Witten and Tibshirani
2009, equation 8, for more). With all but one vector held fixed the best one is known in
closed form, so the vectors are taken in turn until they stand still; the value never falls.
Later components are sought in the cross-products less what the earlier ones explain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from consilience.cohort.modality import FloatArray
from consilience.fusion.numerics.cross_products import (
    Compressed,
    Deflated,
    Factored,
    Places,
    cross_products,
)

SMALL = 40  # so many columns in all: a dense eigenproblem costs less than an iterative one
NARROW = 0.5  # share of the features in play above which leaving the others out gains nothing
MANY = 2000  # so many features in all: worth looking for those in play
LEAP = 4  # sweeps between attempts to leap ahead
MARGIN = 0.9  # a feature this far below the smallest in the support may yet come in
SINGLE = 1e-5  # of the largest weight: steps this small are taken in double precision
ALIKE = 0.98  # cosine above which two starts count as one
FOLLOWED = 2  # starts followed to the end
TRIAL = 3  # sweeps after which the starts are compared


class Penalty(NamedTuple):
    """What is asked of one block's vector.

    Attributes
    ----------
    bound : float
        On the L1 norm, between 1 (one feature) and the root of the number of features (all).
    nonnegative : bool
        Whether weights may only be positive.
    smoothness : float
        Fused lasso: the price of a difference between neighbouring features.
    """

    bound: float
    nonnegative: bool = False
    smoothness: float = 0.0


@dataclass(frozen=True)
class Decomposition:
    """Components found.

    Attributes
    ----------
    weights : list of ndarray
        A block's vectors, (n_features, n_components), of unit length; zero where a
        block has nothing in common with the others.
    strengths : ndarray of shape (n_components,)
        The value reached: the sum over pairs of blocks of the (deflated) cross-product.
    sweeps : list of int
        How many times all vectors were renewed, a component.
    settled : list of bool
        Whether the vectors stood still in the end.
    """

    weights: list[FloatArray]
    strengths: FloatArray
    sweeps: list[int]
    settled: list[bool]


def unit_vector(target: FloatArray, penalty: Penalty) -> FloatArray:
    """Return the vector of unit length, L1 norm within the bound, closest to a target.

    The target is soft-thresholded at the value that gives the L1 norm asked for (Witten,
    Tibshirani and Hastie 2009, Lemma 2.2); that value is found exactly, from the
    sorted magnitudes. Where more features are tied for the largest magnitude than the
    bound can hold, they share the weight equally.

    Parameters
    ----------
    target : ndarray of shape (n_features,)
    penalty : Penalty
    """
    from consilience.fusion.numerics.bounded_norm import bounded

    if penalty.nonnegative:
        target = np.maximum(target, 0.0)
    if penalty.smoothness:
        from consilience.fusion.numerics.total_variation import smoothed

        length = float(np.linalg.norm(target))
        target = smoothed(target / length, penalty.smoothness) if length else target
    target = np.ascontiguousarray(target)
    return np.asarray(bounded(target, np.sort(np.abs(target)), float(penalty.bound)))


def decompose(
    blocks: Sequence[FloatArray],
    penalties: Sequence[Penalty],
    n_components: int,
    *,
    tolerance: float = 1e-7,
    most: int = 500,
) -> Decomposition:
    """Find components one after the other.

    Each starts at the leading singular vectors of what is left of the cross-products and at
    those of the original ones (as PMA starts); the two starts that are ahead after a few
    sweeps are followed to the end, and the higher one is taken.

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_patients, n_features)
        Two or more, standardised; NaN where missing. Missing values are left out of the
        sums over patients, see `cross_products`.
    penalties : sequence of Penalty
        One a block.
    n_components : int
    tolerance : float
        How far a vector may move in a sweep to count as standing still.
    most : int
        Sweeps allowed a component.

    Returns
    -------
    Decomposition
    """
    left = Deflated(cross_products(blocks))
    starting = Starts(left, blocks, n_components)
    found, strengths, sweeps, settled = [], [], [], []
    for k in range(n_components):
        starting.follow(left)
        ahead = starting.ahead(k, penalties)
        runs = [_arrive(starting, penalties, start, tolerance, most) for start in ahead]
        reached = max(runs, key=lambda run: run.value)
        if starting.single:
            reached = _sweep_all(left, penalties, reached, reached.weights)
            reached = _settle(left, penalties, reached, tolerance, most)
        found.append(_signed(reached.weights, penalties))
        strengths.append(reached.value)
        sweeps.append(reached.sweeps)
        settled.append(reached.moved < tolerance)
        left.explain(found[-1], reached.value)
    vectors = [np.column_stack([w[i] for w in found]) for i in range(len(blocks))]
    return Decomposition(vectors, np.array(strengths), sweeps, settled)


def _arrive(
    starting: Starts, penalties: Sequence[Penalty], start: _Reached, tolerance: float, most: int
) -> _Reached:
    """Go to the end, or, where starts are sought in single precision, as near as that allows."""
    if not starting.single:
        return _settle(starting.left, penalties, start, tolerance, most)
    near = max(tolerance, SINGLE * max(float(np.abs(w).max()) for w in start.weights))
    return _settle(starting.left, penalties, start, near, most - 1)


class _Reached(NamedTuple):
    weights: list[FloatArray]
    moved: float  # by the last sweep
    sweeps: int
    value: float
    targets: list[FloatArray]  # of which the last sweep made the vectors


def _alternate(
    left: Deflated,
    penalties: Sequence[Penalty],
    start: Sequence[FloatArray],
    most: int,
    tolerance: float,
) -> _Reached:
    """Renew one vector after the other until they stand still; every few sweeps, leap."""
    weights, moved, sweep = list(start), np.inf, 0
    targets = list(start)
    past = []
    while sweep < most and moved >= tolerance:
        moved, sweep = 0.0, sweep + 1
        for i, penalty in enumerate(penalties):
            targets[i] = left.pull(i, weights)
            new = unit_vector(targets[i], penalty)
            moved = max(moved, float(np.abs(new - weights[i]).max()))
            weights[i] = new
        past.append(np.concatenate(weights))
        if len(past) > LEAP and tolerance <= moved and sweep < most:
            value = _value(left, weights, targets)
            weights = _leap(left, penalties, weights, value, past)
            past = []
    return _Reached(weights, moved, sweep, _value(left, weights, targets), targets)


def _value(left: Deflated, weights: list[FloatArray], targets: list[FloatArray]) -> float:
    """Return the value after a sweep; of two blocks the last target holds it already."""
    return float(targets[1] @ weights[1]) if len(weights) == 2 else left.value(weights)


def _leap(
    left: Deflated,
    penalties: Sequence[Penalty],
    weights: list[FloatArray],
    value: float,
    past: list[FloatArray],
) -> list[FloatArray]:
    """Return where the last sweeps lead (Anderson 1965), if that is better than where they are.

    The combination of the last vectors whose steps cancel best, made admissible again;
    accepted only if its value is higher, so that the value still never falls.
    """
    steps = np.diff(past, axis=0)
    gram = steps @ steps.T
    gram[np.diag_indices_from(gram)] += 1e-12 * np.trace(gram)
    shares = np.linalg.solve(gram, np.ones(len(gram)))
    ahead = (shares / shares.sum()) @ np.array(past[1:])
    parts = np.split(ahead, np.cumsum(left.sizes)[:-1])
    leapt = [unit_vector(part, p) for part, p in zip(parts, penalties, strict=True)]
    return leapt if left.value(leapt) > value else weights


def _settle(
    left: Deflated,
    penalties: Sequence[Penalty],
    reached: _Reached,
    tolerance: float,
    most: int,
) -> _Reached:
    """Carry on to the end; where there are many features, among those in play.

    A feature far below the threshold stays at zero while the others settle, so the work is
    done without it; a sweep over all features then tells whether any should come back.
    """
    margin = MARGIN
    while reached.moved >= tolerance and reached.sweeps < most:
        remaining = most - reached.sweeps
        places = _in_play(reached, penalties, margin)
        if sum(map(len, places)) > NARROW * sum(left.sizes):
            later = _alternate(left, penalties, reached.weights, remaining, tolerance)
            return later._replace(sweeps=reached.sweeps + later.sweeps)
        cut = [w[place] for w, place in zip(reached.weights, places, strict=True)]
        rough = max(tolerance, min(reached.moved, 1.0) / 1000)
        inner = _alternate(left.within(places), penalties, cut, remaining, rough)
        weights: list[FloatArray] = [np.zeros(size) for size in left.sizes]
        for whole, place, part in zip(weights, places, inner.weights, strict=True):
            whole[place] = part
        reached = reached._replace(sweeps=reached.sweeps + inner.sweeps)
        reached = _sweep_all(left, penalties, reached, weights)
        margin *= MARGIN
    return reached


def _sweep_all(
    left: Deflated, penalties: Sequence[Penalty], reached: _Reached, weights: list[FloatArray]
) -> _Reached:
    """Return where one sweep over all features leads from there."""
    after = _alternate(left, penalties, weights, 1, 0.0)
    return after._replace(sweeps=reached.sweeps + 1)


def _in_play(reached: _Reached, penalties: Sequence[Penalty], margin: float) -> list[Places]:
    """Return the features of each block whose weight is not zero or may yet become so."""
    places: list[Places] = [np.arange(len(w)) for w in reached.weights]
    if sum(map(len, places)) < MANY:
        return places
    for block, penalty in enumerate(penalties):
        active = reached.weights[block] != 0
        if active.any() and not penalty.smoothness:  # with smoothness neighbours matter
            pull = np.abs(reached.targets[block])
            places[block] = np.flatnonzero(active | (pull >= margin * pull[active].min()))
    return places


def _signed(weights: list[FloatArray], penalties: Sequence[Penalty]) -> list[FloatArray]:
    """Return vectors with the free sign chosen: the first block's weights are mostly positive."""
    if any(penalty.nonnegative for penalty in penalties):
        return weights
    leaning = next((s for s in (float((w**3).sum()) for w in weights) if s != 0), 1.0)
    return [0.0 - w for w in weights] if leaning < 0 else weights


class Starts:
    """Where the search for each component begins.

    Always at the leading singular vectors of what is left. From the second component on
    also where PMA begins: for two blocks at that singular vector of the original
    cross-product (`CCA`), for more at that principal axis of each block (`MultiCCA`).
    """

    def __init__(self, left: Deflated, blocks: Sequence[FloatArray], n_components: int) -> None:
        self.compressed = None
        self.left = self.inner = left
        if isinstance(left.products, Factored):
            rough = left.products.rounded()
            self.compressed = Compressed(rough)
            self.left, self.inner = Deflated(rough), Deflated(self.compressed.products)
        self.first = leading(self.inner, n_components if len(blocks) == 2 else 1)
        self.axes = principal_axes(blocks, n_components) if len(blocks) > 2 else []

    def follow(self, left: Deflated) -> None:
        """Take away the components found since."""
        if self.compressed is not None:
            for weights, values in left.found[len(self.left.found) :]:
                self.left.found.append((weights, values))
                self.inner.found.append((self.compressed.inward(weights), values))

    @property
    def single(self) -> bool:
        """Whether the cross-products searched are those in single precision."""
        return self.compressed is not None

    def ahead(self, k: int, penalties: Sequence[Penalty]) -> list[_Reached]:
        """Return a few sweeps from the starts for component k (from 0) that lead furthest."""
        trials = [_alternate(self.left, penalties, w, TRIAL, 0.0) for w in self.at(k, penalties)]
        return sorted(trials, key=lambda trial: -trial.value)[:FOLLOWED]

    def at(self, k: int, penalties: Sequence[Penalty]) -> list[list[FloatArray]]:
        """Return all starts for component k."""
        starts = self.first[k : k + 1] + (leading(self.inner, 1) if k else [])
        if self.compressed is not None:
            starts = [self.compressed.outward(start) for start in starts]
        for axes in self.axes[k : k + 1]:
            aligned = self._aligned(axes)
            starts += [aligned, *(_turned(aligned, i) for i in range(len(aligned)))]
        if any(penalty.nonnegative for penalty in penalties):
            starts += [[-w for w in start] for start in starts]
        return _distinct(starts)

    def _aligned(self, start: list[FloatArray]) -> list[FloatArray]:
        """Return the vectors with signs that make each agree with those before it."""
        signed = [np.zeros_like(w) for w in start]
        for i, w in enumerate(start):
            signed[i] = w if i == 0 or self.left.pull(i, signed) @ w >= 0 else -w
        return signed


def _distinct(starts: list[list[FloatArray]]) -> list[list[FloatArray]]:
    """Return the starts less those beside an earlier one, which would lead to the same end."""
    kept: list[list[FloatArray]] = []
    for start in starts:
        alike = [[float(a @ b) for a, b in zip(start, one, strict=True)] for one in kept]
        if not any(min(cosines) > ALIKE for cosines in alike):
            kept.append(start)
    return kept


def _turned(start: list[FloatArray], block: int) -> list[FloatArray]:
    """Return the vectors with the sign of one changed: which signs lead furthest is not known."""
    return [-w if i == block else w for i, w in enumerate(start)]


def principal_axes(blocks: Sequence[FloatArray], count: int) -> list[list[FloatArray]]:
    """Return the first axes of each block's own variation: a list of vectors, one a block, each."""
    axes = []
    for matrix in blocks:
        filled = np.nan_to_num(matrix)
        wide = filled.shape[1] > len(filled)
        gram = filled @ filled.T if wide else filled.T @ filled
        size = len(gram)
        vectors = eigh(gram, subset_by_index=[max(0, size - count), size - 1])[1][:, ::-1]
        own = vectors.T @ filled if wide else vectors.T
        absent = np.zeros((max(0, count - len(own)), filled.shape[1]))
        axes.append([_unit(vector) for vector in np.vstack([own, absent])])
    return [list(parts) for parts in zip(*axes, strict=True)]


def leading(products: Deflated, count: int) -> list[list[FloatArray]]:
    """Return about the leading eigenvectors of all cross-products together, cut into blocks.

    With two blocks these are the leading singular vectors of the one cross-product. Each
    part has unit length, or is zero. Three digits are enough to start from.
    """
    if len(products.sizes) == 2:
        return _leading_pairs(products, count)
    cuts = np.cumsum(products.sizes)[:-1]

    def times(stacked: FloatArray) -> FloatArray:
        parts = np.split(stacked.ravel(), cuts)
        return np.concatenate([products.pull(i, parts) for i in range(len(parts))])

    vectors = _eigenvectors(times, sum(products.sizes), count)
    return [[_unit(part) for part in np.split(vector, cuts)] for vector in vectors]


def _leading_pairs(products: Deflated, count: int) -> list[list[FloatArray]]:
    """Return about the leading singular vectors of the cross-product of two blocks."""
    near = int(np.argmin(products.sizes))
    far = 1 - near

    def across(vector: FloatArray) -> FloatArray:
        return products.pull(far, [vector, vector])

    def times(vector: FloatArray) -> FloatArray:
        there = across(vector.ravel())
        return products.pull(near, [there, there])

    found = _eigenvectors(times, products.sizes[near], count)
    pairs = [(_unit(vector), _unit(across(vector))) for vector in found]
    return [[one, other] if near == 0 else [other, one] for one, other in pairs]


def _eigenvectors(
    times: Callable[[FloatArray], FloatArray], size: int, count: int
) -> list[FloatArray]:
    """Return about the eigenvectors of the largest eigenvalues of a symmetric operator."""
    if size <= SMALL:
        columns = np.column_stack([times(unit) for unit in np.eye(size)])
        return list(np.linalg.eigh((columns + columns.T) / 2)[1][:, ::-1].T[:count])
    operator = LinearOperator((size, size), matvec=times, dtype=float)
    start = np.random.default_rng(0).standard_normal(size)
    if not times(start).any():
        return [start] * count  # nothing is left: every direction is as good
    steps = min(2 * count + 8, size)
    values, vectors = eigsh(operator, k=count, which="LA", v0=start, ncv=steps, tol=1e-3)
    return list(vectors[:, np.argsort(-values, kind="stable")].T)


def _unit(vector: FloatArray) -> FloatArray:
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else vector
