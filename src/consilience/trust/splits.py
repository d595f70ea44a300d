"""One patient on both sides of a fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort
from consilience.errors import InputError
from consilience.trust.check import Check
from consilience.trust.duplicates import MOST_SHOWN, Duplicates, find_duplicates

Folds: TypeAlias = Sequence[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]


def split_leakage(
    cohort: Cohort,
    folds: Folds,
    *,
    groups: Any = None,
    duplicates: Duplicates | None = None,
    seed: int = 0,
) -> Check:
    """Check that nobody in a fold's training patients is also among its test patients.

    Parameters
    ----------
    cohort : Cohort
    folds : sequence of (train, test)
        Positions, as scikit-learn's splitters give them.
    groups : array-like of shape (n_patients,), optional
        What should stay together, such as the family or the hospital; missing entries
        are groups of their own.
    duplicates : Duplicates, optional
        What `find_duplicates` found, where it has been run before.
    seed : int
        For `find_duplicates`, where it has not.

    Returns
    -------
    Check
        "failed" if a position, a certain duplicate or a group is on both sides, "warning"
        if a pair is that may be one patient. Patients who share a placeholder in one
        modality and differ elsewhere are not taken for one.

    Raises
    ------
    InputError
        If the groups are not one a patient.
    """
    found = find_duplicates(cohort, seed=seed) if duplicates is None else duplicates
    labels = None if groups is None else np.asarray(groups, dtype=object)
    if labels is not None and len(labels) != len(cohort):
        raise InputError(f"there are {len(labels)} groups for {len(cohort)} patients.")
    across = _pairs_across(found, folds, len(cohort))
    torn = [] if labels is None else _groups_across(labels, folds)
    both = [
        {"patient": str(cohort.index[place]), "folds": [number]}
        for number, (train, test) in enumerate(folds)
        for place in np.intersect1d(train, test)
    ]
    return _verdict(both, across, torn, len(folds))


def _pairs_across(found: Duplicates, folds: Folds, n_patients: int) -> list[dict[str, Any]]:
    pairs = [pair for pair in found.pairs if pair.one_patient]
    if not pairs:
        return []
    first = np.array([pair.first for pair in pairs])
    second = np.array([pair.second for pair in pairs])
    split: list[list[int]] = [[] for _ in pairs]
    for number, (train, test) in enumerate(folds):
        side = np.zeros(n_patients, dtype=int)
        side[train], side[test] = 1, -1
        for place in np.flatnonzero(side[first] * side[second] < 0):
            split[place].append(number)
    return [
        {**pair.details(), "certain": pair.certain, "folds": numbers}
        for pair, numbers in zip(pairs, split, strict=True)
        if numbers
    ]


def _groups_across(labels: npt.NDArray[np.object_], folds: Folds) -> list[dict[str, Any]]:
    torn: dict[str, list[int]] = {}
    names = pd.Series(labels).map(str, na_action="ignore").fillna("").to_numpy(dtype=str)
    for number, (train, test) in enumerate(folds):
        for name in np.intersect1d(names[train], names[test]):
            if name:
                torn.setdefault(str(name), []).append(number)
    return [{"group": name, "folds": numbers} for name, numbers in torn.items()]


def _verdict(
    both: list[dict[str, Any]],
    across: list[dict[str, Any]],
    torn: list[dict[str, Any]],
    n_folds: int,
) -> Check:
    name = "patients on both sides of a fold"
    said = []
    if both:
        said.append(f"{len(both)} times a patient is in the training and the test part of a fold")
    if across:
        said.append(
            f"{len(across)} pairs of patients who look like one are on both sides of a fold"
        )
    if torn:
        said.append(f"{len(torn)} groups are on both sides of a fold")
    if not said:
        sentence = f"No patient, duplicate or group is on both sides of any of {n_folds} folds."
        return Check(name, "passed", sentence, [{"folds": n_folds}])
    surely = both or torn or any(pair["certain"] for pair in across)
    sentence = (
        f"{'; '.join(said)}: the scores are too good by what the copies give away. "
        "Split by a column that holds them together."
    )
    return Check(
        name, "failed" if surely else "warning", sentence, (both + across + torn)[:MOST_SHOWN]
    )
