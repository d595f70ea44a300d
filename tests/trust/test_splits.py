"""A copy on the other side of a fold is seen, one on the same side is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.trust import find_duplicates, split_leakage

N = 60
INDEX = [f"P{i:03d}" for i in range(N)]


def cohort(copies: bool) -> Cohort:
    values = np.random.default_rng(0).standard_normal((N, 20))
    if copies:
        values[50] = values[2]
    patients = pd.DataFrame({"age": np.arange(N)}, index=INDEX)
    return Cohort(patients, {"rna": Table(pd.DataFrame(values, index=INDEX))})


FOLDS = list(KFold(5).split(np.zeros(N)))


def test_a_copy_on_both_sides_fails_and_names_the_folds() -> None:
    check = split_leakage(cohort(copies=True), FOLDS)
    assert check.status == "failed"
    assert check.details[0]["patients"] == ["P002", "P050"]
    assert check.details[0]["folds"] == [0, 4]


def test_copies_held_together_pass() -> None:
    together = np.arange(N)
    together[50] = 2
    folds = list(GroupKFold(5).split(np.zeros(N), groups=together))
    assert split_leakage(cohort(copies=True), folds).status == "passed"
    assert split_leakage(cohort(copies=False), FOLDS).status == "passed"


def test_a_group_on_both_sides_fails_and_missing_groups_do_not() -> None:
    family = np.array([None] * N, dtype=object)
    assert split_leakage(cohort(copies=False), FOLDS, groups=family).status == "passed"
    family[[0, 59]] = "F1"
    check = split_leakage(cohort(copies=False), FOLDS, groups=family)
    assert check.status == "failed"
    assert check.details == [{"group": "F1", "folds": [0, 4]}]


def test_a_patient_on_both_sides_fails() -> None:
    torn = [(np.arange(0, 41), np.arange(40, N))]
    check = split_leakage(cohort(copies=False), torn)
    assert check.status == "failed"
    assert check.details == [{"patient": "P040", "folds": [0]}]


def test_a_shared_placeholder_is_no_patient_on_both_sides() -> None:
    rng = np.random.default_rng(0)
    tables = {f"t{k}": rng.standard_normal((N, 20)) for k in range(3)}
    tables["t0"][[2, 50]] = 0.5
    patients = pd.DataFrame({"age": np.arange(N)}, index=INDEX)
    modalities = {name: Table(pd.DataFrame(v, index=INDEX)) for name, v in tables.items()}
    whole = Cohort(patients, modalities)
    assert len(find_duplicates(whole).pairs) == 1
    assert split_leakage(whole, FOLDS).status == "passed"


def test_a_search_done_before_is_used() -> None:
    found = find_duplicates(cohort(copies=True))
    assert split_leakage(cohort(copies=False), FOLDS, duplicates=found).status == "failed"


def test_groups_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="2 groups for 60 patients"):
        split_leakage(cohort(copies=False), FOLDS, groups=["a", "b"])
