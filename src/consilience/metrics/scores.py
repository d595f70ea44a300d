"""What a model says of patients, one form per kind of outcome.

Fusion methods return these, metrics read them, and a study writes them to disk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Scores(ABC):
    """A row of numbers a patient, with the names of the columns.

    Attributes
    ----------
    values : ndarray of shape (n_patients, n_columns)
    """

    values: FloatArray
    prefix: ClassVar[str]

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the columns of `values`, as they stand in a file."""

    def take(self, rows: Any) -> Self:
        """Return the scores of some patients."""
        return replace(self, values=self.values[rows])

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Probabilities(Scores):
    """Probability of each class.

    Attributes
    ----------
    values : ndarray of shape (n_patients, n_classes)
        Rows add up to 1.
    classes : ndarray of shape (n_classes,)
        What y holds, sorted.
    """

    classes: npt.NDArray[Any]
    prefix: ClassVar[str] = "probability:"

    @property
    def names(self) -> tuple[str, ...]:
        """One per class."""
        return tuple(f"{self.prefix}{label}" for label in self.classes)

    @property
    def positive(self) -> FloatArray:
        """Probability of the last class: of 1 in a binary outcome."""
        return self.values[:, -1]


@dataclass(frozen=True)
class Values(Scores):
    """A number a patient, (n_patients, 1), in the outcome's unit."""

    prefix: ClassVar[str] = "value"

    @property
    def names(self) -> tuple[str, ...]:
        """The one column."""
        return (self.prefix,)


@dataclass(frozen=True)
class SurvivalCurves(Scores):
    """Probability of being event-free beyond each time.

    Attributes
    ----------
    values : ndarray of shape (n_patients, n_times)
        Never rising along a row, between 0 and 1.
    times : ndarray of shape (n_times,)
        Increasing, in the outcome's unit.
    """

    times: FloatArray
    prefix: ClassVar[str] = "survival:"

    @property
    def names(self) -> tuple[str, ...]:
        """One per time."""
        return tuple(f"{self.prefix}{time!r}" for time in self.times.tolist())

    @property
    def risk(self) -> FloatArray:
        """Expected time lost before the last time: that time less the restricted mean survival.

        In the outcome's unit; higher is worse. Any proportional-hazards model ranks
        patients by it as by its linear predictor, and it is comparable between
        models fitted on different folds, which a linear predictor is not.
        """
        widths = np.diff(self.times, prepend=0.0)
        before = np.concatenate([np.ones((len(self.values), 1)), self.values[:, :-1]], axis=1)
        return float(self.times[-1]) - before @ widths

    def at(self, times: Sequence[float] | FloatArray) -> FloatArray:
        """Return survival at any times, (n_patients, n_times): steps, 1 before the first."""
        place = np.searchsorted(self.times, np.asarray(times, dtype=float), side="right")
        padded = np.concatenate([np.ones((len(self.values), 1)), self.values], axis=1)
        return padded[:, place]
