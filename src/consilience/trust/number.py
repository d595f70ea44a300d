"""The one number of a model's answer that is told of a patient, and where effects add up.

A clinician is told one number: the probability of an event, or a value. Effects are added
on the scale on which such models are linear: log odds of a probability, the logarithm of
the cumulative hazard of survival (Cox, JRSS B 1972, 34:187), the value itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import special

from consilience.errors import InputError, listing
from consilience.metrics.scores import FloatArray, Probabilities, Scores, SurvivalCurves, Values

LEAST = 1e-9  # probabilities nearer to 0 or 1 stand there, for a scale without end


@dataclass(frozen=True)
class Number(ABC):
    """What is read off a model's scores, and how it is brought on its scale and back.

    Attributes
    ----------
    says : str
        What the number is, such as "probability of death within 1095 days".
    slope, intercept : float
        Of a recalibration on the scale (see `Recalibration`); 1 and 0 tell the model's own.
    """

    says: str
    slope: float = field(default=1.0, kw_only=True)
    intercept: float = field(default=0.0, kw_only=True)
    scale: ClassVar[str]

    def of(self, scores: Scores) -> FloatArray:
        """Return the number told of each patient, (n_patients,).

        Raises
        ------
        InputError
            If the scores are of a model that gives no such number.
        """
        own = self._read(scores)
        if (self.slope, self.intercept) == (1.0, 0.0):
            return own
        return self.unlinked(self.intercept + self.slope * self.linked(own))

    @abstractmethod
    def _read(self, scores: Scores) -> FloatArray:
        """Return the model's own number of each patient."""

    @abstractmethod
    def linked(self, numbers: FloatArray) -> FloatArray:
        """Return numbers on the scale on which effects add up."""

    @abstractmethod
    def unlinked(self, values: FloatArray) -> FloatArray:
        """Return numbers from values of that scale."""


@dataclass(frozen=True)
class ProbabilityOf(Number):
    """The probability of a class.

    Attributes
    ----------
    label : str
        The class, as text.
    """

    label: str
    scale: ClassVar[str] = "log odds"

    def _read(self, scores: Scores) -> FloatArray:
        if not isinstance(scores, Probabilities):
            raise InputError(f"{self.says}: the model gives no probabilities of classes.")
        labels = [str(label) for label in scores.classes]
        if self.label not in labels:
            raise InputError(f"there is no class {self.label!r}; there are {listing(labels)}.")
        return np.asarray(scores.values[:, labels.index(self.label)])

    def linked(self, numbers: FloatArray) -> FloatArray:
        return _array(special.logit(np.clip(numbers, LEAST, 1 - LEAST)))

    def unlinked(self, values: FloatArray) -> FloatArray:
        return _array(special.expit(values))


@dataclass(frozen=True)
class EventWithin(Number):
    """The probability of the event by a time.

    Attributes
    ----------
    horizon : float
        In the outcome's unit.
    """

    horizon: float
    scale: ClassVar[str] = "log cumulative hazard"

    def _read(self, scores: Scores) -> FloatArray:
        if not isinstance(scores, SurvivalCurves):
            raise InputError(f"{self.says}: the model gives no survival curves.")
        return _array(1.0 - scores.at([self.horizon])[:, 0])

    def linked(self, numbers: FloatArray) -> FloatArray:
        return _array(np.log(-np.log1p(-np.clip(numbers, LEAST, 1 - LEAST))))

    def unlinked(self, values: FloatArray) -> FloatArray:
        return _array(-np.expm1(-np.exp(values)))


@dataclass(frozen=True)
class PredictedValue(Number):
    """A value, in the outcome's unit.

    Attributes
    ----------
    unit : str
    """

    unit: str = ""
    scale: ClassVar[str] = "the outcome's own"

    def _read(self, scores: Scores) -> FloatArray:
        if not isinstance(scores, Values):
            raise InputError(f"{self.says}: the model gives no values.")
        return np.asarray(scores.values[:, 0])

    def linked(self, numbers: FloatArray) -> FloatArray:
        return np.asarray(numbers, dtype=float)

    def unlinked(self, values: FloatArray) -> FloatArray:
        return np.asarray(values, dtype=float)


def _array(values: Any) -> FloatArray:
    return np.asarray(values, dtype=float)
