"""One learner on some modalities: the piece that all four first methods are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import listing
from consilience.fusion.stack import Stack, _has
from consilience.fusion.task import Task, Y
from consilience.fusion.tuned import Tuned


@dataclass(frozen=True)
class Inside:
    """Patients as a learner sees them.

    Attributes
    ----------
    learner : fitted estimator
    matrix : ndarray of shape (n_patients, n_columns)
    owners : list of (str, str or None)
        The modality and feature of which each column is; None for the modality as a whole.
    """

    learner: Any
    matrix: FloatArray
    owners: list[tuple[str, str | None]]


class Expert(BaseEstimator):  # type: ignore[misc]
    """A stack of modalities and a learner on it.

    It learns from, and answers for, the patients whom at least one of its modalities
    measured. For the others it says what is known of everybody: the prior. So it does
    where the patients measured are too few or too alike for the learner to be fitted;
    `silent_` tells.

    Parameters
    ----------
    names : sequence of str
        Its modalities.
    learner : estimator
        A scikit-learn or scikit-survival estimator; cloned.
    encoders : mapping of str to Encoder or transformer
        Encoders other than the kind's own.
    """

    def __init__(self, names: Sequence[str], learner: Any, encoders: Mapping[str, Any]) -> None:
        self.names = names
        self.learner = learner
        self.encoders = encoders

    def fit(self, cohort: Cohort, y: Y, task: Task, weight: FloatArray | None = None) -> Self:
        """Fit encoders and learner on the patients measured, who may count by a weight."""
        informed = measured_by_any(cohort, self.names)
        self.silent_ = not task.learnable(y[informed])
        if self.silent_:
            return self
        cohort, y = cohort[informed], y[informed]
        present = [name for name in self.names if cohort.has(name).any()]
        self.stack_ = Stack(present, self.encoders).fit(cohort, y)
        learner = task.prepared(self.learner)
        counting = {} if weight is None else {"sample_weight": weight[informed]}
        try:
            self.learner_ = learner.fit(self.stack_.transform(cohort), y, **counting)
        except Exception as reason:
            reason.add_note(f"while {type(self.learner).__name__} learned from {listing(present)}")
            raise
        return self

    def values(self, cohort: Cohort, task: Task) -> FloatArray:
        """Return values, (n_patients, n_columns); the prior for patients not measured."""
        informed = self.informed(cohort)
        values = np.tile(task.prior, (len(cohort), 1))
        if informed.any():
            values[informed] = task.ask(self.learner_, self.stack_.transform(cohort[informed]))
        return values

    def informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        """Return for which patients it says more than the prior."""
        if self.silent_:
            return np.zeros(len(cohort), dtype=bool)
        return measured_by_any(cohort, self.stack_.names)

    def inside(self, cohort: Cohort) -> Inside | None:
        """Return the learner and what it sees of patients; None if it could learn nothing."""
        if self.silent_:
            return None
        tuned = isinstance(self.learner_, Tuned)
        learner = self.learner_.best_ if tuned else self.learner_
        return Inside(learner, self.stack_.transform(cohort), self.stack_.owners)


def measured_by_any(cohort: Cohort, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which patients at least one of the modalities measured."""
    measured = [_has(cohort, name) for name in names]
    return np.logical_or.reduce(measured) if measured else np.zeros(len(cohort), dtype=bool)
