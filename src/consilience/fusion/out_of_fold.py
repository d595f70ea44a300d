"""What an expert says of patients it has not seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.fusion.expert import Expert, measured_by_any
from consilience.fusion.task import Task, Y


class Unseen(NamedTuple):
    """What was said of each patient by an expert that had not seen him.

    Attributes
    ----------
    values : ndarray of shape (n_patients, n_columns)
        The prior where the expert had nothing to say.
    informed : ndarray of bool, shape (n_patients,)
        Where it had something.
    prior : ndarray of shape (n_patients, n_columns)
        What the outcome alone of the patients that the expert learned from says.
    """

    values: FloatArray
    informed: npt.NDArray[np.bool_]
    prior: FloatArray


def out_of_fold(
    expert: Expert, cohort: Cohort, y: Y, task: Task, *, folds: int, seed: int | None
) -> Unseen:
    """Return each patient's values from an expert fitted without his fold.

    A patient who stands in several rows, as in a bootstrap sample, is in one fold.
    """
    values = np.tile(task.prior, (len(y), 1))
    found = Unseen(values, np.zeros(len(y), dtype=bool), values.copy())
    for train, test in _folds_of_patients(cohort, y, task, folds, seed):
        fitted = clone(expert).fit(cohort[train], y[train], task)
        found.values[test] = fitted.values(cohort[test], task)
        found.informed[test] = fitted.informed(cohort[test])
        seen = y[train][measured_by_any(cohort[train], expert.names)]
        if len(seen):
            found.prior[test] = task.prior_of(seen)
    return found


def _folds_of_patients(
    cohort: Cohort, y: Y, task: Task, folds: int, seed: int | None
) -> list[tuple[Any, Any]]:
    if cohort.index.is_unique:
        return task.folds(y, folds, seed)
    patient, _ = pd.factorize(cohort.index)
    first = np.unique(patient, return_index=True)[1]
    return [
        (np.flatnonzero(np.isin(patient, train)), np.flatnonzero(np.isin(patient, test)))
        for train, test in task.folds(y[first], folds, seed)
    ]
