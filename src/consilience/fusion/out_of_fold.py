"""What an expert says of patients it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.fusion.expert import Expert
from consilience.fusion.task import Task, Y


def out_of_fold(
    expert: Expert, cohort: Cohort, y: Y, task: Task, *, folds: int, seed: int | None
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return each patient's values from an expert fitted without his fold.

    A patient who stands in several rows, as in a bootstrap sample, is in one fold.

    Returns
    -------
    values : ndarray of shape (n_patients, n_columns)
        The prior where the expert had nothing to say.
    informed : ndarray of bool, shape (n_patients,)
        Where it had.
    """
    values = np.tile(task.prior, (len(y), 1))
    informed = np.zeros(len(y), dtype=bool)
    for train, test in _folds_of_patients(cohort, y, task, folds, seed):
        fitted = clone(expert).fit(cohort[train], y[train], task)
        values[test] = fitted.values(cohort[test], task)
        informed[test] = fitted.informed(cohort[test])
    return values, informed


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
