"""What components say of an outcome: the evidence of each block, and how it adds up.

Each block speaks for itself, through its own variates, so that a patient's missing block
takes only its own evidence away. The evidence of the blocks is added up with the weights
of the vote, times a strength that says how far it is to be believed. Strengths are fitted
on patients whom the components had not seen, one for each number of blocks that a patient
may have: blocks repeat each other, and two of them are not twice as much as one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator

from consilience.cohort.modality import FloatArray

Rows = npt.NDArray[np.bool_]
Codes = npt.NDArray[Any]
MOST_STRENGTH = 1e6


class Evidence(BaseEstimator):  # type: ignore[misc]
    """What each block's variates say of the outcome.

    Parameters
    ----------
    prior : ndarray of shape (n_columns,)
        The task's values of a patient of whom nothing is known.
    """

    def __init__(self, prior: FloatArray) -> None:
        self.prior = prior

    @abstractmethod
    def outcome(self, y: Codes) -> FloatArray:
        """Return the outcome as the matrix that shares the components, (n, q)."""

    @abstractmethod
    def fit(self, variates: Sequence[FloatArray], had: Sequence[Rows], y: Codes) -> Self:
        """Learn from variates, (n, h) a block, and who has the block, (n,) each."""

    @abstractmethod
    def of_block(self, place: int, variates: FloatArray) -> FloatArray:
        """Return the evidence of one block, (n, n_columns), about 0 where it is undecided."""

    @abstractmethod
    def strength(self, total: FloatArray, y: Codes) -> float:
        """Return the factor, 0 or more, under which evidence fits the outcome best."""

    @abstractmethod
    def values(self, total: FloatArray) -> FloatArray:
        """Return the task's values under evidence added up, (n, n_columns)."""


class ClassEvidence(Evidence):
    """Classes: linear discriminants of each block's variates, without the prior.

    For class k with centroid c_k and the within-class covariance S of the block's
    variates, the evidence of variates t is ``t' S^-1 c_k - c_k' S^-1 c_k / 2``, less its
    mean over the classes. The probabilities are the softmax of the log prior and the
    evidence added up. S holds one pseudo-patient with the total variance, so that a
    handful of patients cannot make it singular.

    Attributes
    ----------
    centroids_ : list of ndarray of shape (n_classes, h)
        NaN for a class of which no patient has the block.
    within_ : list of ndarray of shape (h, h)
        Within-class covariance (with 1/n, as mixOmics).
    slopes_ : list of ndarray of shape (h, n_classes)
        Of the classes' indicators on the variates.
    precision_ : list of ndarray of shape (h, h)
    """

    def outcome(self, y: Codes) -> FloatArray:
        return np.asarray(y[:, None] == np.arange(len(self.prior)), dtype=float)

    def fit(self, variates: Sequence[FloatArray], had: Sequence[Rows], y: Codes) -> Self:
        self.centroids_: list[FloatArray] = []
        self.within_: list[FloatArray] = []
        self.slopes_: list[FloatArray] = []
        self.precision_: list[FloatArray] = []
        for whole, rows in zip(variates, had, strict=True):
            self._fit_block(whole[rows], self.outcome(y[rows]))
        return self

    def _fit_block(self, variates: FloatArray, indicators: FloatArray) -> None:
        count = indicators.sum(axis=0)
        sums = indicators.T @ variates
        centroids = sums / np.where(count > 0, count, np.nan)[:, None]
        residuals = variates - indicators @ np.nan_to_num(centroids)
        scatter = residuals.T @ residuals
        n, total = max(len(variates), 1), (variates**2).mean(axis=0) if len(variates) else 0.0
        shrunk = scatter + np.diag(np.broadcast_to(total, len(scatter)))
        spared = indicators - count / n
        self.centroids_.append(centroids)
        self.within_.append(scatter / n)
        self.slopes_.append(np.linalg.pinv(variates) @ spared)
        self.precision_.append(
            np.linalg.pinv(shrunk / max(n - int((count > 0).sum()) + 1, 1), hermitian=True)
        )

    def of_block(self, place: int, variates: FloatArray) -> FloatArray:
        seen = np.isfinite(self.centroids_[place]).all(axis=1)
        centroids = np.nan_to_num(self.centroids_[place])
        pulled = centroids @ self.precision_[place]
        raw = variates @ pulled.T - 0.5 * (pulled * centroids).sum(axis=1)
        share = self.prior * seen
        centre = raw @ (share / max(share.sum(), np.finfo(float).tiny))
        return np.where(seen, raw - centre[:, None], 0.0)

    def strength(self, total: FloatArray, y: Codes) -> float:
        indicators = self.outcome(y)
        # Platt's targets: with bare ones, evidence that errs nowhere would have no best strength.
        sure = indicators.sum(axis=0) + 1.0
        hold = (1.0 / (sure + 1.0))[y][:, None]
        target = indicators * (1 - hold) + (1 - indicators) * hold / (len(self.prior) - 1)
        prior = np.log(self.prior)

        def slope(strength: float) -> float:
            return float(((softmax(prior + strength * total, axis=1) - target) * total).sum())

        return _root(slope)

    def values(self, total: FloatArray) -> FloatArray:
        return np.asarray(np.exp(log_softmax(np.log(self.prior) + total, axis=1)))


class NumberEvidence(Evidence):
    """A number: the regression of each block, as a departure from the mean.

    Attributes
    ----------
    slopes_ : list of ndarray of shape (h, 1)
        Of the outcome on a block's variates, by least squares.
    """

    def outcome(self, y: Codes) -> FloatArray:
        return np.asarray(y, dtype=float)[:, None]

    def fit(self, variates: Sequence[FloatArray], had: Sequence[Rows], y: Codes) -> Self:
        self.slopes_: list[FloatArray] = []
        for whole, rows in zip(variates, had, strict=True):
            own = y[rows] - y[rows].mean() if rows.any() else y[rows]
            self.slopes_.append(np.linalg.pinv(whole[rows]) @ own[:, None])
        return self

    def of_block(self, place: int, variates: FloatArray) -> FloatArray:
        return np.asarray(variates @ self.slopes_[place])

    def strength(self, total: FloatArray, y: Codes) -> float:
        square = float((total**2).sum())
        agreed = float(total[:, 0] @ (y - self.prior[0]))
        return max(agreed / square, 0.0) if square > 0 else 0.0

    def values(self, total: FloatArray) -> FloatArray:
        return self.prior + total


class Pool(BaseEstimator):  # type: ignore[misc]
    """How the evidence of the blocks adds up.

    Attributes
    ----------
    strengths_ : ndarray of shape (n_blocks,)
        By the number of blocks that a patient has, from one to all.
    """

    def fit(self, evidence: FloatArray, had: Rows, y: Codes, of: Evidence) -> Self:
        """Fit the strengths on patients whom the components had not seen.

        Parameters
        ----------
        evidence : ndarray of shape (n_blocks, n_patients, n_columns)
            Times the weights; 0 where a patient lacks the block.
        had : ndarray of shape (n_blocks, n_patients)
        y : ndarray of shape (n_patients,)
        of : Evidence

        Notes
        -----
        For k blocks, they are fitted on every patient under each run of k blocks in a ring
        of all, of which he has every one: as many as there are blocks, each equally often.
        """
        n_blocks = len(evidence)
        fitted = np.full(n_blocks, np.nan)
        for size in range(1, n_blocks + 1):
            runs = (
                np.arange(n_blocks if size < n_blocks else 1)[:, None] + np.arange(size)
            ) % n_blocks
            whole = [had[run].all(axis=0) for run in runs]
            if any(rows.any() for rows in whole):
                total = np.vstack(
                    [
                        evidence[run][:, rows].sum(axis=0)
                        for run, rows in zip(runs, whole, strict=True)
                    ]
                )
                fitted[size - 1] = of.strength(total, np.concatenate([y[rows] for rows in whole]))
        known = np.flatnonzero(np.isfinite(fitted))
        nearest = np.abs(np.arange(n_blocks)[:, None] - known).argmin(axis=1)
        self.strengths_: FloatArray = fitted[known[nearest]]
        return self

    def total(self, evidence: FloatArray, had: Rows) -> FloatArray:
        """Return the evidence added up, (n_patients, n_columns)."""
        count = had.sum(axis=0)
        strength = np.concatenate([[0.0], self.strengths_])[count]
        return np.asarray(strength[:, None] * evidence.sum(axis=0))


def _root(slope: Callable[[float], float]) -> float:
    """Return where an increasing function is 0, at 0 or above."""
    if slope(0.0) >= 0:
        return 0.0
    upper = 1.0
    while slope(upper) < 0:
        upper *= 4.0
        if upper > MOST_STRENGTH:
            return MOST_STRENGTH
    return float(brentq(slope, 0.0, upper, xtol=1e-12, rtol=1e-12))
