"""What an expert says of patients it has not seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.fusion.expert import Expert
from consilience.fusion.task import Task, Y


def out_of_fold(
    expert: Expert, cohort: Cohort, y: Y, task: Task, *, folds: int, seed: int | None
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return each patient's values from an expert fitted without his fold.

    Returns
    -------
    values : ndarray of shape (n_patients, n_columns)
        The prior where the expert had nothing to say.
    informed : ndarray of bool, shape (n_patients,)
        Where it had.
    """
    values = np.tile(task.prior, (len(y), 1))
    informed = np.zeros(len(y), dtype=bool)
    for train, test in task.folds(y, folds, seed):
        fitted = clone(expert).fit(cohort[train], y[train], task)
        values[test] = fitted.values(cohort[test], task)
        informed[test] = fitted.informed(cohort[test])
    return values, informed
