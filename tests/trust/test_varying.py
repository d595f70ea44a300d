"""One patient many times over: what is changed is changed, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table, bag_of
from consilience.errors import InputError
from consilience.trust.varying import measured_table, one_patient, varied


def cohort() -> Cohort:
    index = ["a", "b", "c"]
    labs = pd.DataFrame(
        {"ldh": [200.0, 150.0, 180.0], "crp": [1.0, 2.0, 3.0], "stage": ["i", "ii", "i"]}, index
    )
    scan = pd.DataFrame({"volume": [5.0]}, index=["b"])
    tiles = bag_of({name: np.full((2, 2), ord(name)) for name in index})
    tables = {"labs": Table(labs, units={"ldh": "U/L"}), "scan": Table(scan), "tiles": tiles}
    return Cohort(pd.DataFrame(index=index), tables)


def test_values_are_put_in_and_all_else_stays() -> None:
    patient = cohort()[[0]]
    columns = {"labs": {"crp": np.array([7.0, 8.0]), "stage": ["iv", "iii"]}}
    many = varied(patient, columns, 2, cohort())
    table = many.modalities["labs"]
    assert isinstance(table, Table) and len(many) == 2
    assert table.frame["crp"].tolist() == [7.0, 8.0]
    assert table.frame["stage"].tolist() == ["iv", "iii"]
    assert table.frame["ldh"].tolist() == [200.0, 200.0]
    assert table.units == {"ldh": "U/L"}
    assert many.has("tiles").all() and not many.has("scan").any()
    assert patient.modalities["labs"].frame["crp"].tolist() == [1.0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("lacking", ["not measured", "not there"])
def test_a_table_that_did_not_measure_him_is_made(lacking: str) -> None:
    patient = cohort()[[0]]
    patient = patient if lacking == "not measured" else patient.only(["labs"])
    many = varied(patient, {"scan": {"volume": np.array([1.0, 2.0, 3.0])}}, 3, cohort())
    table = many.modalities["scan"]
    assert isinstance(table, Table) and many.has("scan").all()
    assert table.frame["volume"].tolist() == [1.0, 2.0, 3.0]
    assert many.modalities["labs"].frame["ldh"].tolist() == [200.0] * 3  # type: ignore[attr-defined]


def test_mistakes_are_named() -> None:
    patient = cohort()[[0]]
    with pytest.raises(InputError, match="no table 'lab'. Did you mean 'labs'"):
        varied(patient, {"lab": {"ldh": np.zeros(1)}}, 1, cohort())
    with pytest.raises(InputError, match="no feature 'ldg'. Did you mean 'ldh'"):
        varied(patient, {"labs": {"ldg": np.zeros(1)}}, 1, cohort())
    with pytest.raises(InputError, match="not 3"):
        one_patient(cohort())
    assert measured_table(patient, "scan") is None and measured_table(patient, "tiles") is None
