"""How well each column alone goes with an outcome, for many columns at once.

Two things are told of a column. Its *strength*, from 0 (nothing) to 1 (perfect): for
classes the AUROC of one against the rest, for a number Spearman's correlation, for
survival Harrell's concordance with the time and the AUROC of the event, all as
distance from chance. And whether *chance* explains it: the linear rank statistic
sqrt(n - 1) corr(rank of the column, score of the outcome) is standard normal when the
column and the outcome are unrelated (Hajek, Sidak and Sen, "Theory of Rank Tests",
1999, section 6.1), with the class, the rank of the number, or the martingale residual
as score of the outcome.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import gammaln
from sksurv.metrics import concordance_index_censored
from sksurv.nonparametric import nelson_aalen_estimator

from consilience.cohort.modality import FloatArray
from consilience.trust.coincidence import some_rows

FEWEST = 5
MOST_CONCORDANCE = 2_000
MOST_CONCORDANT = 20


class Aspect(ABC):
    """A part of the outcome that a column may give away."""

    words: str
    y: npt.NDArray[Any]

    @abstractmethod
    def usable(self, y: npt.NDArray[Any]) -> bool:
        """Return whether these patients' outcomes can tell anything."""

    @abstractmethod
    def score(self, y: npt.NDArray[Any]) -> FloatArray:
        """Return what is correlated with a column's ranks, (n_patients,)."""

    @abstractmethod
    def strength(self, ranks: FloatArray, y: npt.NDArray[Any], z: FloatArray) -> FloatArray:
        """Return the signed strength of each column, (n_columns,), between -1 and 1."""

    def log_fewest(self, y: npt.NDArray[Any]) -> float:
        """Return the logarithm of the smallest p-value that so few patients allow."""
        return -float(gammaln(len(y) + 1))


@dataclass(frozen=True)
class OfClass(Aspect):
    """Whether the patient is of a class."""

    words: str
    y: npt.NDArray[Any]

    def usable(self, y: npt.NDArray[Any]) -> bool:
        return min(int(y.sum()), int((~y).sum())) >= FEWEST

    def score(self, y: npt.NDArray[Any]) -> FloatArray:
        return y.astype(float)

    def strength(self, ranks: FloatArray, y: npt.NDArray[Any], z: FloatArray) -> FloatArray:
        n, of_class = len(y), int(y.sum())
        smallest = of_class * (of_class + 1) / 2
        area = (ranks[y].sum(axis=0) - smallest) / (of_class * (n - of_class))
        signed: FloatArray = 2 * area - 1
        return signed

    def log_fewest(self, y: npt.NDArray[Any]) -> float:
        n, k = len(y), int(y.sum())
        return float(np.log(2) - gammaln(n + 1) + gammaln(k + 1) + gammaln(n - k + 1))


@dataclass(frozen=True)
class OfNumber(Aspect):
    """How large the number is."""

    words: str
    y: npt.NDArray[Any]

    def usable(self, y: npt.NDArray[Any]) -> bool:
        return len(y) >= 2 * FEWEST

    def score(self, y: npt.NDArray[Any]) -> FloatArray:
        return np.asarray(stats.rankdata(y), dtype=float)

    def strength(self, ranks: FloatArray, y: npt.NDArray[Any], z: FloatArray) -> FloatArray:
        correlation: FloatArray = z / np.sqrt(len(y) - 1)
        return correlation


@dataclass(frozen=True)
class OfTime(Aspect):
    """When the event comes; concordance is reckoned for the 20 columns with the largest z."""

    words: str
    y: npt.NDArray[Any]

    def usable(self, y: npt.NDArray[Any]) -> bool:
        return int(y["event"].sum()) >= FEWEST

    def score(self, y: npt.NDArray[Any]) -> FloatArray:
        """Return martingale residuals: events less those expected by the Nelson-Aalen estimate."""
        times, hazard = nelson_aalen_estimator(y["event"], y["time"])
        residual: FloatArray = y["event"] - hazard[np.searchsorted(times, y["time"])]
        return residual

    def strength(self, ranks: FloatArray, y: npt.NDArray[Any], z: FloatArray) -> FloatArray:
        rows = some_rows(len(y), MOST_CONCORDANCE, 0)
        strength = np.zeros(ranks.shape[1])
        for column in np.argsort(-np.abs(z), kind="stable")[:MOST_CONCORDANT]:
            of_rows = y[rows]
            concordance = concordance_index_censored(
                of_rows["event"], of_rows["time"], ranks[rows, column]
            )[0]
            strength[column] = 2 * concordance - 1
        return strength


@dataclass(frozen=True)
class Association:
    """What columns say of one aspect of the outcome.

    Attributes
    ----------
    strength : ndarray of shape (n_columns,)
        Between -1 and 1, 0 where nothing can be said.
    log_p : ndarray of shape (n_columns,)
        Logarithm of the two-sided p-value, 0 where nothing can be said.
    """

    strength: FloatArray
    log_p: FloatArray


def aspects_of(y: npt.NDArray[Any]) -> list[Aspect]:
    """Return the questions that an outcome's kind asks.

    Parameters
    ----------
    y : ndarray of shape (n_patients,)
        Classes, floats (a number), or a structured array (event, time).
    """
    if y.dtype.names:
        event = OfClass("whether the event was seen", y["event"].astype(bool))
        return [OfTime("when the event comes", y), event]
    if y.dtype.kind == "f":
        return [OfNumber("the outcome", y)]
    classes = np.unique(y)
    if len(classes) == 2:
        return [OfClass("the outcome", y == classes[1])]
    return [OfClass(f"class {label}", y == label) for label in classes]


def association(columns: FloatArray, aspect: Aspect, y: npt.NDArray[Any]) -> Association:
    """Compare columns without missing values with an aspect of the outcome.

    Parameters
    ----------
    columns : ndarray of shape (n_patients, n_columns)
    aspect : Aspect
    y : ndarray of shape (n_patients,)
        The aspect's outcome of these patients.
    """
    nothing = Association(np.zeros(columns.shape[1]), np.zeros(columns.shape[1]))
    if not columns.shape[1] or not aspect.usable(y):
        return nothing
    ranks = np.asarray(stats.rankdata(columns, axis=0), dtype=float)
    z = np.sqrt(len(y) - 1) * _correlation(ranks, aspect.score(y))
    log_p = np.log(2) + stats.norm.logsf(np.abs(z))
    return Association(
        np.where(z == 0, 0.0, aspect.strength(ranks, y, z)),
        np.minimum(0.0, np.maximum(log_p, aspect.log_fewest(y))),
    )


def gappy_association(columns: FloatArray, aspect: Aspect, y: npt.NDArray[Any]) -> Association:
    """Do the same for columns with missing values (NaN): each on the patients who have it."""
    strength, log_p = np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
    known = ~np.isnan(columns)
    together: dict[bytes, list[int]] = {}
    for place, pattern in enumerate(known.T):
        together.setdefault(np.packbits(pattern).tobytes(), []).append(place)
    for places in together.values():
        rows = known[:, places[0]]
        found = association(columns[np.ix_(rows, np.array(places))], aspect, y[rows])
        strength[places], log_p[places] = found.strength, found.log_p
    return Association(strength, log_p)


def _correlation(ranks: FloatArray, score: FloatArray) -> FloatArray:
    centred, against = ranks - ranks.mean(axis=0), score - score.mean()
    size = np.sqrt((centred**2).sum(axis=0) * (against**2).sum())
    return np.where(size > 0, against @ centred / np.where(size > 0, size, 1.0), 0.0)
