"""The checks on a real cohort: no false alarm, and the leaks that its raw columns hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Binary, Cohort, EventBy, Survival, Table
from consilience.trust import duplicate_patients, suspicious_features

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "tcga-acc"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the shared data are not here")
OUTCOME = ["vital_status", "days_to_death", "days_to_last_followup"]


def frame(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv", index_col=0)


def acc(drop: list[str]) -> Cohort:
    clinical = frame("clinical")
    patients = clinical[["years_to_birth", "gender", *OUTCOME]].copy()
    patients["time"] = patients["days_to_death"].fillna(patients["days_to_last_followup"])
    tables = {"clinical": Table(clinical.drop(columns=drop))}
    tables |= {name: Table(frame(name)) for name in ("copy_number", "protein", "mutation")}
    tables |= {name: Table(np.log2(frame(name) + 1)) for name in ("rna", "mirna")}
    return Cohort(patients, tables, name="acc")


def test_no_patient_is_taken_for_another() -> None:
    check = duplicate_patients(acc(drop=OUTCOME))
    assert check.status == "passed", check.sentence


@pytest.mark.parametrize(
    "outcome",
    [
        Survival("vital_status", "time"),
        Binary("vital_status"),
        EventBy("vital_status", "time", by=1095),
        Binary("gender"),
    ],
)
def test_no_feature_is_taken_for_a_leak(outcome: Survival | Binary | EventBy) -> None:
    target = outcome.of(acc(drop=[*OUTCOME, "gender"]))
    check = suspicious_features(target.cohort, target.y)
    assert check.status == "passed", check.sentence


def test_outcome_columns_left_in_the_table_are_leaks() -> None:
    target = Survival("vital_status", "time").of(acc(drop=[]))
    check = suspicious_features(target.cohort, target.y)
    assert check.status == "failed"
    assert {d["feature"] for d in check.details[:-1]} == set(OUTCOME)
