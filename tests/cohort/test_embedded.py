"""The embedded cohort is what its source says, and its features know nothing of the outcome."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Survival, Table, embedded_cohorts, open_cohort, tcga_acc


@pytest.fixture(scope="module")
def cohort():
    return tcga_acc()


def test_the_sizes_are_those_of_the_source(cohort) -> None:
    sizes = {name: (len(m), m.n_features) for name, m in cohort.modalities.items()}
    assert sizes == {
        "clinical": (92, 6),
        "rna": (79, 198),
        "mirna": (80, 471),
        "copy_number": (90, 198),
        "protein": (46, 33),
        "mutation": (90, 97),
    }
    assert len(cohort) == 92
    assert len(cohort.complete()) == 43


def test_survival_counts_every_death(cohort) -> None:
    target = Survival("vital_status", "days").of(cohort)
    assert target.left_out[["patient", "reason"]].to_numpy().tolist() == [
        ["TCGA-P6-A5OH", "'days' is 0: no follow-up"]
    ]
    assert target.y["event"].sum() == 33
    assert cohort.patients["vital_status"].sum() == 34


def test_days_are_those_of_death_or_of_the_last_contact(cohort, data: Path) -> None:
    source = pd.read_csv(data / "tcga-acc" / "clinical.csv", index_col="patient")
    died = source["vital_status"] == 1
    days = cohort.patients["days"]
    assert (days[died] == source.loc[died, "days_to_death"]).all()
    assert (days[~died] == source.loc[~died, "days_to_last_followup"]).all()


def test_values_are_the_sources(cohort, data: Path) -> None:
    for name in ("rna", "mirna", "copy_number", "protein", "mutation"):
        source = pd.read_csv(data / "tcga-acc" / f"{name}.csv", index_col="patient")
        table = cohort.modalities[name]
        assert isinstance(table, Table)
        values = 2.0**table.numeric - 1 if name in ("rna", "mirna") else table.numeric
        np.testing.assert_allclose(values, source.loc[list(table.index)], rtol=1e-10, atol=1e-9)
        assert set(table.kinds.values()) == {"binary" if name == "mutation" else "continuous"}


def test_the_clinic_knows_nothing_of_what_came_after(cohort) -> None:
    clinical = cohort.modalities["clinical"]
    assert clinical.features == ("age", "sex", "stage", "t_stage", "n_stage", "histology")
    assert clinical.units == {"age": "years"}
    y = cohort.patients["vital_status"].to_numpy()
    for feature in clinical.numeric_features:
        values = clinical.frame[feature]
        for cut in values.dropna().unique():
            assert ((values >= cut) == y).mean() < 0.95, f"{feature} gives the outcome away"
    stage = clinical.frame["stage"]
    assert stage.value_counts().to_dict() == {2.0: 44, 3.0: 19, 4.0: 18, 1.0: 9}
    assert (stage.isna() == cohort.patients["stage"].isna()).all()


def test_it_ships_with_its_credit(cohort) -> None:
    folder = resources.files("consilience.cohort") / "data"
    for name in embedded_cohorts():
        credit = (folder / name / "CREDIT.md").read_text()
        assert "Artistic-2.0" in credit
        assert "MultiAssayExperiment" in credit
        assert open_cohort(name).name == name
