"""Components that blocks of features share with each other and with an outcome.

Sparse generalised canonical correlation in its PLS form (mode A): Tenenhaus et al. 2014,
*Variable selection for generalized canonical correlation analysis*, as the R package
mixOmics runs it for DIABLO (Singh et al. 2019). With loadings a_m of length 1 and
variates t_m = X_m a_m, one component maximises

    sum over m, l of  c_ml g(cov(t_m, t_l))

over all blocks and the outcome, where c is the design, g the scheme, and a_m has as many
entries other than 0 as it may keep. A missing value takes no part: a loading is the sum
over the values observed, and a variate is divided by the share of the loadings' square
that was observed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import svds

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError

# A patient in whom less than this share of a component's loadings (squared) is observed is
# drawn to the mean: dividing by a smaller share would blow one feature's noise up.
LEAST_SHARE = 0.25
LONGEST_EXACT = 256  # a longer side's first singular vector is found by Lanczos steps
EXHAUSTED = 1e-10  # share of a block's sum of squares that rounding may leave

SCHEMES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "horst": np.ones_like,
    "centroid": np.sign,
    "factorial": lambda covariance: covariance,
}


class Block:
    """A matrix with gaps: values with 0 where missing, and where they were observed."""

    def __init__(self, values: FloatArray, observed: FloatArray | None) -> None:
        self.values = values
        self.observed = observed  # 1 and 0; None where nothing is missing

    @classmethod
    def of(cls, matrix: FloatArray) -> Block:
        """Return the block of a matrix with NaN where a value is missing."""
        missing = np.isnan(matrix)
        if not missing.any():
            return cls(np.ascontiguousarray(matrix, dtype=float), None)
        return cls(np.where(missing, 0.0, matrix), (~missing).astype(float))

    def variate(self, loading: FloatArray) -> FloatArray:
        """Return the score of each row, (n,); 0 for a row with nothing observed."""
        kept = np.flatnonzero(loading)
        few = 4 * len(kept) < len(loading)  # then gathering columns costs less than reading all
        values, loading = (self.values[:, kept], loading[kept]) if few else (self.values, loading)
        score = values @ loading
        if self.observed is None:
            return score
        total = loading @ loading
        observed = self.observed[:, kept] if few else self.observed
        share = observed @ loading**2 / (total if total > 0 else 1.0)
        return np.asarray(score / np.maximum(share, LEAST_SHARE))

    def regression(self, variate: FloatArray) -> FloatArray:
        """Return the slope of each column on a variate, (p,), over the rows observed."""
        square = variate @ variate if self.observed is None else variate**2 @ self.observed
        return np.asarray(variate @ self.values / np.maximum(square, np.finfo(float).tiny))

    def without(self, variate: FloatArray, regression: FloatArray) -> Block:
        """Return what a variate leaves of the block."""
        left = self.values - np.outer(variate, regression)
        if self.observed is not None:
            left *= self.observed
        return Block(left, self.observed)

    def rows(self) -> np.ndarray:
        """Return which rows have anything observed, (n,)."""
        if self.observed is None:
            return np.ones(len(self.values), dtype=bool)
        return np.asarray(self.observed.any(axis=1))

    def first_direction(self) -> FloatArray:
        """Return the first right singular vector of the values, (p,).

        Nearly so where both sides are long: it is but a place to start from.
        """
        n, p = self.values.shape
        side = min(n, p)
        if side > LONGEST_EXACT:
            begin = np.random.default_rng(0).normal(size=side)
            found = svds(self.values, k=1, v0=begin, tol=1e-3)
            return unit(found[2][0])
        gram = self.values.T @ self.values if p <= n else self.values @ self.values.T
        vector = _leading(gram)
        return unit(vector if p <= n else self.values.T @ vector)


def _leading(gram: FloatArray) -> FloatArray:
    """Return the eigenvector of the largest eigenvalue, of equal ones any."""
    side = len(gram)
    found = scipy.linalg.eigh(gram, subset_by_index=[side - 1, side - 1])[1]
    # LAPACK may find none where all eigenvalues are the same; the whole decomposition does.
    return np.asarray((found if found.size else scipy.linalg.eigh(gram)[1])[:, -1])


@dataclass(frozen=True)
class Settings:
    """How components are sought.

    Attributes
    ----------
    design : ndarray of shape (n_blocks + 1, n_blocks + 1)
        Which pairs shall agree, the outcome last.
    scheme : str
        A key of `SCHEMES`.
    tol : float
        The iteration ends when no loading moved by more than its square root.
    max_iter : int
    """

    design: FloatArray
    scheme: str = "horst"
    tol: float = 1e-6
    max_iter: int = 100


@dataclass(frozen=True)
class Component:
    """One component of all blocks, the outcome last.

    Attributes
    ----------
    loadings : tuple of ndarray of shape (p_m,)
        Of length 1; all 0 for a block of which nothing is left.
    variates : tuple of ndarray of shape (n,)
    regressions : tuple of ndarray of shape (p_m,)
        By which a block's variate is taken out of it; not for the outcome.
    steps : int
        Rounds over the blocks.
    settled : bool
        Whether the iteration ended before `max_iter`.
    """

    loadings: tuple[FloatArray, ...]
    variates: tuple[FloatArray, ...]
    regressions: tuple[FloatArray, ...]
    steps: int
    settled: bool


@dataclass(frozen=True)
class Remainder:
    """What the components found so far leave of the blocks and of the outcome.

    Frozen, so that a search over settings can go on from the same remainder many times.

    Attributes
    ----------
    blocks : tuple of Block
    outcome : Block
    live : tuple of bool
        Whether anything is left of each block.
    found : int
        Components taken out.
    """

    blocks: tuple[Block, ...]
    outcome: Block
    sizes: tuple[float, ...]
    found: int = 0

    @classmethod
    def of(cls, matrices: Sequence[FloatArray], outcome: FloatArray) -> Remainder:
        """Return the beginning: (n, p_m) matrices with NaN where missing, and (n, q)."""
        blocks = tuple(Block.of(matrix) for matrix in matrices)
        return cls(blocks, Block.of(outcome), tuple(_size(block) for block in blocks))

    @cached_property
    def live(self) -> tuple[bool, ...]:
        """Whether anything is left of each block."""
        return tuple(
            _size(block) > EXHAUSTED * size
            for block, size in zip(self.blocks, self.sizes, strict=True)
        )

    @cached_property
    def start(self) -> tuple[FloatArray, ...]:
        """Loadings to start from, the outcome's last: first directions, of like sign."""
        last = self.outcome.first_direction()
        said = self.outcome.variate(last)
        loadings = []
        for block, live in zip(self.blocks, self.live, strict=True):
            first = block.first_direction() if live else np.zeros(block.values.shape[1])
            loadings.append(-first if block.variate(first) @ said < 0 else first)
        return (*loadings, last)

    def component(self, keep: Sequence[int], settings: Settings) -> Component:
        """Return the next component.

        Parameters
        ----------
        keep : sequence of int
            How many loadings of each block may be other than 0.
        settings : Settings

        Raises
        ------
        InputError
            If nothing is left of any block.
        """
        if not any(self.live):
            raise InputError(
                f"there are only {self.found} components in these modalities; ask for fewer."
            )
        everything = (*self.blocks, self.outcome)
        kept = (*keep, self.outcome.values.shape[1])
        loadings = list(self.start)
        variates = np.stack([b.variate(a) for b, a in zip(everything, loadings, strict=True)])
        moved, steps = np.inf, 0
        while moved >= settings.tol and steps < settings.max_iter:
            moved, steps = 0.0, steps + 1
            for place, block in enumerate(everything):
                inner = _inner(variates, place, settings) @ variates
                loading = unit(soft_keep(inner @ block.values, kept[place]))
                moved = max(moved, float(((loading - loadings[place]) ** 2).sum()))
                loadings[place], variates[place] = loading, block.variate(loading)
        return self._finished(loadings, variates, steps, moved < settings.tol)

    def _finished(
        self, loadings: list[FloatArray], variates: FloatArray, steps: int, settled: bool
    ) -> Component:
        sign = _sign(loadings[-1])
        turned = variates * sign
        regressions = tuple(b.regression(t) for b, t in zip(self.blocks, turned, strict=False))
        return Component(
            tuple(sign * a for a in loadings), tuple(turned), regressions, steps, settled
        )

    def without(self, component: Component) -> Remainder:
        """Return what is left when a component is taken out.

        Each block loses its own variate. The outcome loses the mean over the blocks of
        what their variates tell of it, for each patient over the blocks that he has.
        """
        pairs = list(zip(self.blocks, component.variates, component.regressions, strict=False))
        told = np.zeros_like(self.outcome.values)
        blocks_of = np.zeros(len(told))
        for (block, variate, _), live in zip(pairs, self.live, strict=True):
            if live:
                told += np.outer(variate, self.outcome.regression(variate))
                blocks_of += block.rows()
        left = self.outcome.values - told / np.maximum(blocks_of, 1.0)[:, None]
        return replace(
            self,
            blocks=tuple(block.without(t, c) for block, t, c in pairs),
            outcome=Block(left, None),
            found=self.found + 1,
        )


def scores(matrix: FloatArray, loadings: FloatArray, regressions: FloatArray) -> FloatArray:
    """Return the variates of patients, (n, h): those of training for training patients.

    Parameters
    ----------
    matrix : ndarray of shape (n, p)
        NaN where missing.
    loadings, regressions : ndarray of shape (p, h)
        As found in training.
    """
    block = Block.of(matrix)
    variates = np.zeros((len(matrix), loadings.shape[1]))
    for place in range(loadings.shape[1]):
        variates[:, place] = block.variate(loadings[:, place])
        block = block.without(variates[:, place], regressions[:, place])
    return variates


def soft_keep(vector: FloatArray, keep: int) -> FloatArray:
    """Return a vector moved towards 0 by the least that leaves `keep` entries.

    The step is the largest of the absolute values that are dropped. Where several are
    equal at the border all of them stay, as in mixOmics.
    """
    drop = len(vector) - keep
    if drop <= 0:
        return vector
    size = np.abs(vector)
    border = np.partition(size, (drop - 1, drop))[[drop - 1, drop]]
    step = border[0]
    if border[0] == border[1]:
        smaller = size[size < step]
        step = smaller.max() if len(smaller) else 0.0
    return np.asarray(np.sign(vector) * np.maximum(size - step, 0.0))


def unit(vector: FloatArray) -> FloatArray:
    """Return a vector at length 1; one of zeros as it is."""
    length = float(np.sqrt(vector @ vector))
    return vector / length if length > 0 else vector


def _inner(variates: FloatArray, place: int, settings: Settings) -> FloatArray:
    """Return the weights with which the other variates make up the inner component."""
    return np.asarray(settings.design[place] * SCHEMES[settings.scheme](variates @ variates[place]))


def _size(block: Block) -> float:
    return float((block.values**2).sum())


def _sign(loading: FloatArray) -> float:
    """Return the sign that makes the outcome's largest loading positive, the last of equals."""
    size = np.abs(loading)
    largest = np.flatnonzero(size >= size.max() * (1 - 1e-6))[-1]
    return -1.0 if loading[largest] < 0 else 1.0
