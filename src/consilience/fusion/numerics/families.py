"""Kinds of outcome as likelihoods: what they hold, and what a linear predictor means in them.

A family is a small tuple of arrays with the outcome in it, which compiled code reads;
the loss and its derivatives are in `family_losses`.

Linear predictors are called ``eta``, shape (n_responses, n_patients): one response
for all families but the multinomial, which has one a class.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, log_softmax, softmax, xlogy

from consilience.cohort.modality import FloatArray, Positions
from consilience.errors import InputError

Y = Any


class Gaussian(NamedTuple):
    """A number with normal errors: loss ``(y - eta)² / 2``."""

    y: FloatArray

    @classmethod
    def of(cls, y: Y) -> Gaussian:
        """Return the family of an outcome, numbers of shape (n,)."""
        return cls(np.ascontiguousarray(y, dtype=float))

    def part(self, rows: Positions) -> Gaussian:
        """Return the family of some of the patients."""
        return Gaussian(self.y[rows])

    def null(self) -> FloatArray:
        """Return the intercepts of the model without features, (n_responses,)."""
        return np.array([self.y.mean()])

    def least(self) -> float:
        """Return the mean loss of a model that fits every patient as well as can be."""
        return 0.0

    @staticmethod
    def values(eta: FloatArray) -> FloatArray:
        """Return the expected outcome, (n, 1)."""
        return eta.T

    def deviance(self, eta: FloatArray, rows: Positions) -> float:
        """Return the mean squared error of the patients in `rows`; `eta` is of all patients."""
        return float(np.mean((self.y[rows] - eta[0, rows]) ** 2))


class Binomial(NamedTuple):
    """One of two classes, 0 or 1, by logistic regression."""

    y: FloatArray

    @classmethod
    def of(cls, y: Y) -> Binomial:
        """Return the family of an outcome of zeros and ones, (n,)."""
        return cls(np.ascontiguousarray(y, dtype=float))

    def part(self, rows: Positions) -> Binomial:
        """Return the family of some of the patients."""
        return Binomial(self.y[rows])

    def null(self) -> FloatArray:
        """Return the log odds of the share of ones, (1,)."""
        share = np.clip(self.y.mean(), 0.5 / len(self.y), 1 - 0.5 / len(self.y))
        return np.array([np.log(share / (1 - share))])

    def least(self) -> float:
        """Return the loss of a model that fits every patient as well as can be."""
        return 0.0

    @staticmethod
    def values(eta: FloatArray) -> FloatArray:
        """Return the probabilities of both classes, (n, 2)."""
        one = expit(eta[0])
        return np.column_stack([1 - one, one])

    def deviance(self, eta: FloatArray, rows: Positions) -> float:
        """Return -2 times the mean log-likelihood of the patients in `rows`."""
        part, y = eta[0, rows], self.y[rows]
        return float(2 * np.mean(np.logaddexp(0, part) - y * part))


class Multinomial(NamedTuple):
    """One of several classes, coded 0, 1, ..., by the symmetric softmax of glmnet."""

    y: Positions
    classes: int

    @classmethod
    def of(cls, y: Y) -> Multinomial:
        """Return the family of an outcome of class numbers from 0, (n,)."""
        codes = np.ascontiguousarray(y, dtype=np.intp)
        return cls(codes, int(codes.max()) + 1)

    def part(self, rows: Positions) -> Multinomial:
        """Return the family of some of the patients, of as many classes."""
        return Multinomial(self.y[rows], self.classes)

    def null(self) -> FloatArray:
        """Return the centred logs of the classes' shares, (n_classes,)."""
        counts = np.maximum(np.bincount(self.y, minlength=self.classes), 0.5)
        logs = np.log(counts / counts.sum())
        return np.asarray(logs - logs.mean())

    def least(self) -> float:
        """Return the loss of a model that fits every patient as well as can be."""
        return 0.0

    @staticmethod
    def values(eta: FloatArray) -> FloatArray:
        """Return the probabilities of the classes, (n, n_classes)."""
        return np.asarray(softmax(eta.T, axis=1))

    def deviance(self, eta: FloatArray, rows: Positions) -> float:
        """Return -2 times the mean log-likelihood of the patients in `rows`."""
        logs = log_softmax(eta[:, rows], axis=0)
        return float(-2 * np.mean(logs[self.y[rows], np.arange(len(rows))]))


class Poisson(NamedTuple):
    """A count with a log link: loss ``exp(eta) - y eta``."""

    y: FloatArray

    @classmethod
    def of(cls, y: Y) -> Poisson:
        """Return the family of counts, (n,).

        Raises
        ------
        InputError
            If a count is negative, or all of them are zero.
        """
        counts = np.ascontiguousarray(y, dtype=float)
        if (counts < 0).any():
            place = int(np.argmax(counts < 0))
            raise InputError(
                f"the poisson family needs counts of at least 0, but entry {place} of y is "
                f"{counts[place]:g}; use the gaussian family for numbers of both signs."
            )
        if not counts.any():
            raise InputError("the poisson family needs at least one count above 0; all are 0.")
        return cls(counts)

    def part(self, rows: Positions) -> Poisson:
        """Return the family of some of the patients."""
        return Poisson(self.y[rows])

    def null(self) -> FloatArray:
        """Return the log of the mean count, (1,)."""
        return np.array([np.log(max(self.y.mean(), 0.5 / len(self.y)))])

    def least(self) -> float:
        """Return the loss where every expected count is the count."""
        return float(np.mean(self.y - xlogy(self.y, self.y)))

    @staticmethod
    def values(eta: FloatArray) -> FloatArray:
        """Return the expected count, (n, 1)."""
        return np.exp(eta.T)

    def deviance(self, eta: FloatArray, rows: Positions) -> float:
        """Return the mean Poisson deviance of the patients in `rows`."""
        y, part = self.y[rows], eta[0, rows]
        with np.errstate(over="ignore"):
            return float(2 * np.mean(np.exp(part) - y * part - y + xlogy(y, y)))


class Cox(NamedTuple):
    """A time to an event: the partial likelihood, tied event times by Breslow's formula.

    `order` sorts patients by time; `bounds` are the ends of the groups of equal times
    in that order.
    """

    time: FloatArray
    event: FloatArray
    order: Positions
    bounds: Positions

    @classmethod
    def of(cls, y: Y) -> Cox:
        """Return the family of a structured array (event, time), (n,)."""
        return cls._from(
            np.ascontiguousarray(y["time"], dtype=float),
            np.ascontiguousarray(y["event"], dtype=float),
        )

    @classmethod
    def _from(cls, time: FloatArray, event: FloatArray) -> Cox:
        order = np.argsort(time, kind="stable")
        new = np.flatnonzero(np.diff(time[order])) + 1
        return cls(time, event, order, np.concatenate([new, [len(time)]]).astype(np.intp))

    def part(self, rows: Positions) -> Cox:
        """Return the family of some of the patients."""
        return Cox._from(self.time[rows], self.event[rows])

    def null(self) -> FloatArray:
        """Return 0: the baseline hazard takes the place of an intercept."""
        return np.zeros(1)

    @staticmethod
    def values(eta: FloatArray) -> FloatArray:
        """Return the hazard relative to that of a linear predictor of 0, (n, 1)."""
        return np.exp(eta.T)

    def least(self) -> float:
        """Return the loss of a model that fits every patient as well as can be."""
        ends = np.cumsum(self.event[self.order])[self.bounds - 1]
        tied = np.diff(ends, prepend=0.0)
        return float(xlogy(tied, tied).sum() / len(self.time))

    def deviance(self, eta: FloatArray, rows: Positions) -> float:
        """Return -2 times what the patients in `rows` add to the partial log-likelihood.

        It is the likelihood of all patients less that of the others, per event held
        out (Verweij and van Houwelingen 1993), since few patients held out make poor
        risk sets of their own.
        """
        rest = np.delete(np.arange(len(self.time)), rows)
        others = self.part(rest)
        held = self._log_likelihood(eta) - others._log_likelihood(eta[:, rest])
        return float(-2 * held / max(self.event[rows].sum(), 1.0))

    def _log_likelihood(self, eta: FloatArray) -> float:
        shifted = eta[0, self.order] - eta[0].max()
        at_risk = np.cumsum(np.exp(shifted)[::-1])[::-1]
        starts = np.concatenate([[0], self.bounds[:-1]])
        group = np.repeat(starts, np.diff(self.bounds, prepend=0))
        return float((self.event[self.order] * (shifted - np.log(at_risk[group]))).sum())


Family = Gaussian | Binomial | Multinomial | Poisson | Cox
