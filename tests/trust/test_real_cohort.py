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


def test_rows_filled_in_before_the_data_came_are_placeholders() -> None:
    """HANCOCK's blood table holds one row, of means, for nine patients who differ elsewhere."""
    folder = FOLDER.parent / "hancock"
    if not folder.exists():
        pytest.skip("the shared data are not here")
    tables = {
        name: pd.read_csv(folder / f"{name}.csv", index_col=0, dtype={0: str})
        for name in ("blood", "clinical", "pathological", "icd_codes")
    }
    patients = pd.DataFrame(index=tables["clinical"].index)
    cohort = Cohort(patients, {name: Table(frame) for name, frame in tables.items()})
    check = duplicate_patients(cohort)
    assert check.status == "warning"
    assert "placeholder" in check.sentence
    pairs = [entry for entry in check.details if "patients" in entry and "modalities" in entry]
    assert {entry["patients"][0] for entry in pairs} == {"027"}
    assert len(pairs) == 8
    filled = tables["blood"].loc[["027", *(entry["patients"][1] for entry in pairs)]]
    assert (filled.nunique() == 1).all()
