"""A cohort from files: who belongs to it, who was left out, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Bag, Table, open_cohort, read_cohort, read_table, save_cohort
from consilience.errors import InputError, InputWarning

CLINICAL = "patient,died,age\nTCGA-1,1,50\nTCGA-2,0,60\nTCGA-3,0,70\n"
RNA = "patient,TP53,MYC\nTCGA-1,1.5,2.5\nTCGA-3,0.5,1.5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with clinical.csv and rna.csv."""
    (tmp_path / "clinical.csv").write_text(CLINICAL)
    (tmp_path / "rna.csv").write_text(RNA)
    return tmp_path


def refused(*arguments, **options) -> str:
    with pytest.raises(InputError) as error:
        read_cohort(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_files_become_a_cohort(folder) -> None:
    cohort = read_cohort(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    assert cohort.name == "clinical"
    assert list(cohort.index) == ["TCGA-1", "TCGA-2", "TCGA-3"]
    assert cohort.has("rna").tolist() == [True, False, True]
    assert cohort.patients["age"].tolist() == [50, 60, 70]
    assert cohort.left_out.empty


def test_without_patients_they_are_those_of_the_tables(folder) -> None:
    (folder / "labs.csv").write_text("id,ldh\nTCGA-9,4\nTCGA-1,3\n")
    cohort = read_cohort(tables={"rna": folder / "rna.csv", "labs": folder / "labs.csv"})
    assert list(cohort.index) == ["TCGA-1", "TCGA-3", "TCGA-9"]
    assert cohort.measured.to_numpy().tolist() == [[True, True], [True, False], [False, True]]


def test_ids_that_disagree_name_file_line_and_way_out(folder) -> None:
    (folder / "rna.csv").write_text(RNA.lower().replace("-", "_"))
    sentence = refused(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    assert "rna.csv), line 2" in sentence
    assert "'tcga_1'" in sentence
    assert "change_ids='upper case, dashes'" in sentence
    cohort = read_cohort(
        folder / "clinical.csv", {"rna": folder / "rna.csv"}, change_ids="upper case, dashes"
    )
    assert cohort.has("rna").tolist() == [True, False, True]
    assert cohort.left_out.empty


def test_strangers_are_refused_or_left_out_and_listed(folder) -> None:
    (folder / "rna.csv").write_text(RNA + "stranger,1,2\n")
    sentence = refused(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    assert "line 4" in sentence
    assert "'stranger'" in sentence
    with pytest.warns(InputWarning, match="1 of 3"):
        cohort = read_cohort(
            folder / "clinical.csv", {"rna": folder / "rna.csv"}, unknown_ids="leave out"
        )
    row = cohort.left_out.iloc[0]
    assert tuple(row) == ("stranger", "table 'rna' (rna.csv)", "not among the patients")
    np.testing.assert_array_equal(cohort.modalities["rna"].numeric, [[1.5, 2.5], [0.5, 1.5]])


def test_a_modality_that_nobody_has(folder) -> None:
    (folder / "rna.csv").write_text("patient,x\nq1,1\nq2,2\n")
    sentence = refused(
        folder / "clinical.csv", {"rna": folder / "rna.csv"}, unknown_ids="leave out"
    )
    assert "none of the 3 patients" in sentence
    assert "rna.csv" in sentence


def test_what_holds_no_value_is_listed(folder) -> None:
    (folder / "rna.csv").write_text(RNA + "TCGA-2,,\n,,\n")
    (folder / "clinical.csv").write_text(CLINICAL + ",,\n")
    cohort = read_cohort(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    assert cohort.has("rna").tolist() == [True, False, True]
    listed = sorted(map(tuple, cohort.left_out.to_numpy().tolist()))
    assert listed == [
        ("TCGA-2", "table 'rna' (rna.csv)", "no value in any column"),
        ("line 5", "patients (clinical.csv)", "the row is empty"),
        ("line 5", "table 'rna' (rna.csv)", "the row is empty"),
    ]


def test_no_folder_of_the_user_is_remembered(folder) -> None:
    (folder / "rna.csv").write_text(RNA + "TCGA-2,,\n")
    cohort = read_cohort(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    assert str(folder) not in cohort.left_out.to_csv()


def test_an_id_column_counts_in_the_files_that_have_it(folder) -> None:
    (folder / "clinical.csv").write_text(CLINICAL.replace("patient", "nummer"))
    assert "id_column" in refused(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    cohort = read_cohort(folder / "clinical.csv", {"rna": folder / "rna.csv"}, id_column="nummer")
    assert len(cohort) == 3
    (folder / "clinical.csv").write_text(CLINICAL)
    sentence = refused(folder / "clinical.csv", {"rna": folder / "rna.csv"}, id_column="paitent")
    assert "Did you mean 'patient'?" in sentence


def test_modalities_that_were_already_read(folder) -> None:
    rna = read_table(folder / "rna.csv", units={"TP53": "log2"})
    bag = Bag(pd.Index(["tcga-2"]), np.ones((2, 3)), [2], coordinates=np.zeros((2, 2)))
    patients = pd.DataFrame({"age": [1, 2, 3]}, index=["tcga_1", "tcga_2", "tcga_3"])
    cohort = read_cohort(patients, {"rna": rna, "tiles": bag}, change_ids="upper case, dashes")
    assert cohort.has("tiles").tolist() == [False, True, False]
    assert cohort.modalities["rna"].units == {"TP53": "log2"}
    assert cohort.modalities["tiles"].coordinates(0).shape == (2, 2)


def test_missing_values_are_declared_for_all_files(folder) -> None:
    (folder / "rna.csv").write_text(RNA.replace("2.5", "?") + "TCGA-2,1,2\n")
    assert "'?'" in refused(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    cohort = read_cohort(folder / "clinical.csv", {"rna": folder / "rna.csv"}, missing_values="?")
    assert np.isnan(cohort.modalities["rna"].numeric[0, 1])


def test_nothing_to_read_and_unknown_words(folder) -> None:
    assert "at least one table" in refused(folder / "clinical.csv")
    assert "'refuse' or 'leave out'" in refused(
        folder / "clinical.csv", {"rna": folder / "rna.csv"}, unknown_ids="ignore"
    )
    assert "measurements only" in refused(_npz(folder), {"rna": folder / "rna.csv"})


def _npz(folder: Path) -> Path:
    np.savez(folder / "p.npz", p1=np.ones(2))
    return folder / "p.npz"


def test_what_was_read_can_be_stored_and_opened(folder) -> None:
    (folder / "rna.csv").write_text(RNA + "stranger,1,2\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        cohort = read_cohort(
            folder / "clinical.csv", {"rna": folder / "rna.csv"}, unknown_ids="leave out"
        )
    again = open_cohort(save_cohort(cohort, folder / "stored"))
    pd.testing.assert_frame_equal(again.left_out, cohort.left_out, check_dtype=False)
    pd.testing.assert_frame_equal(again.modalities["rna"].frame, cohort.modalities["rna"].frame)


def test_real_cohorts(data: Path) -> None:
    acc, omics = data / "tcga-acc", ("rna", "mirna", "copy_number", "protein", "mutation")
    cohort = read_cohort(acc / "clinical.csv", {name: acc / f"{name}.csv" for name in omics})
    assert [int(cohort.has(name).sum()) for name in omics] == [79, 80, 90, 46, 90]
    hancock = data / "hancock"
    tables = {p.stem: p for p in sorted(hancock.glob("*.npz"))}
    tables |= {n: hancock / f"{n}.csv" for n in ("clinical", "blood", "icd_codes")}
    cohort = read_cohort(hancock / "targets.csv", tables)
    assert len(cohort) == 763
    assert all(isinstance(table, Table) for table in cohort.modalities.values())
    assert int(cohort.has("blood").sum()) == 692
