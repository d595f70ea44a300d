"""A description says who has what, and is true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Bag, Cohort, Images, Table, describe, read_cohort, tcga_acc


@pytest.fixture
def cohort() -> Cohort:
    """Four patients, one measured by nothing."""
    ids = ["a", "b", "c", "d"]
    patients = pd.DataFrame({"died": [0, 1, 1, 0], "months": [5.0, 2.0, np.nan, 9.0]}, ids)
    labs = Table(
        pd.DataFrame({"ldh": [200.0, np.nan, 400.0], "sex": ["f", "m", None]}, ids[:3]),
        units={"ldh": "U/L"},
    )
    tiles = Bag(pd.Index(["a", "b"]), np.zeros((5, 3)), [1, 4])
    scans = Images(pd.Index(["a"]), [np.zeros((4, 6))])
    left_out = pd.DataFrame(
        {"patient": ["x", "y"], "source": "table 'labs'", "reason": "no value in any column"}
    )
    modalities = {"labs": labs, "tiles": tiles, "scans": scans}
    return Cohort(patients, modalities, name="four", left_out=left_out)


def test_who_has_what(cohort) -> None:
    description = describe(cohort)
    assert (description.n_patients, description.n_complete, description.n_unmeasured) == (4, 1, 1)
    patterns = {p.modalities: p.n_patients for p in description.patterns}
    assert patterns == {("labs", "tiles", "scans"): 1, ("labs", "tiles"): 1, ("labs",): 1, (): 1}
    assert description.left_out == {"table 'labs': no value in any column": 2}


def test_what_is_in_a_table(cohort) -> None:
    labs, tiles, scans = describe(cohort).modalities
    ldh, sex = labs.columns
    assert (ldh.kind, ldh.unit, ldh.low, ldh.median, ldh.high) == (
        "count",
        "U/L",
        200.0,
        300.0,
        400.0,
    )
    assert ldh.missing == pytest.approx(1 / 3)
    assert (sex.kind, sex.levels, sex.n_levels) == ("categorical", {"f": 1, "m": 1}, 2)
    assert labs.missing == pytest.approx(1 / 3)
    assert tiles.note == "5 instances, 1 to 4 a patient"
    assert scans.note == "such as 4 x 6"


def test_it_can_be_written_as_strict_json(cohort) -> None:
    written = json.loads(json.dumps(describe(cohort).to_dict(), allow_nan=False))
    assert written["modalities"][0]["columns"][0]["name"] == "ldh"
    assert written["outcomes"][0] == {
        "kind": "survival",
        "columns": ["died", "months"],
        "why": "an event of two values, and times",
    }


def test_the_order_of_patients_does_not_matter() -> None:
    cohort = tcga_acc()
    shuffled = cohort[np.random.default_rng(0).permutation(len(cohort))]
    first, second = describe(cohort), describe(shuffled)
    assert first.modalities == second.modalities
    assert set(first.patterns) == set(second.patterns)


def test_planted_oddities_are_found() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        random.normal(100, 10, size=(60, 8)),
        [f"p{i}" for i in range(60)],
        [f"lab{i}" for i in range(8)],
    )
    frame.iloc[:5, 0] = 9999.0
    frame["copy"] = frame["lab3"]
    frame.iloc[50] = frame.iloc[20]
    description = describe(Cohort(pd.DataFrame(index=frame.index), {"labs": Table(frame)}))
    (labs,) = description.modalities
    assert [odd.what for odd in labs.columns[0].suspicious] == ["code for missing?"]
    assert labs.equal_columns == (("lab3", "copy"),)
    assert [(p.first, p.second) for p in description.alike] == [("p20", "p50")]


def test_the_heart_hospitals_hide_missing_cholesterol_as_zero(data: Path, tmp_path) -> None:
    names = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num"
    rows = (data / "heart-4-hospitals" / "va.data").read_text().split()
    lines = [f"id,{names}", *(f"v{i},{row}" for i, row in enumerate(rows))]
    (tmp_path / "va.csv").write_text("\n".join(lines))
    cohort = read_cohort(tables={"heart": tmp_path / "va.csv"}, missing_values="?")
    columns = {column.name: column for column in describe(cohort).modalities[0].columns}
    assert "zero for missing?" in [odd.what for odd in columns["chol"].suspicious]
    assert "almost all missing" in [odd.what for odd in columns["ca"].suspicious]
    assert columns["age"].suspicious == ()


def test_hancock_holds_patients_with_equal_blood(data: Path) -> None:
    cohort = read_cohort(
        data / "hancock" / "targets.csv", {"blood": data / "hancock" / "blood.csv"}
    )
    blood = pd.read_csv(data / "hancock" / "blood.csv", dtype={"patient_id": str})
    twice = blood.drop(columns="patient_id").duplicated(keep=False)
    found = {who for pair in describe(cohort).alike for who in (pair.first, pair.second)}
    assert set(blood["patient_id"][twice]) <= found
