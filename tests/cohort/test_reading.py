"""One file of a user becomes a table, or one sentence that says where it is wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from consilience.cohort import Bag, Table, read_patients, read_table
from consilience.cohort.formats.sheet import Request
from consilience.cohort.reading import read_modalities
from consilience.errors import InputError, InputWarning


@pytest.fixture
def write(tmp_path: Path):
    """A function that writes a text file and returns its path."""

    def to(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return to


def refused(path: Path, **options) -> str:
    with pytest.raises(InputError) as error:
        read_table(path, **options)
    sentence = str(error.value)
    assert path.name in sentence
    assert "\n" not in sentence
    return sentence


PLAIN = "patient,age,sex,ldh\n001,61,f,1.5\n002,,m,2.5\n"


def check_plain(table: Table) -> None:
    assert list(table.index) == ["001", "002"]
    assert table.kinds == {"age": "count", "sex": "categorical", "ldh": "continuous"}
    np.testing.assert_array_equal(table.frame["age"], [61, np.nan])
    np.testing.assert_array_equal(table.frame["ldh"], [1.5, 2.5])
    assert list(table.frame["sex"]) == ["f", "m"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a.csv", lambda t: t),
        ("a.tsv", lambda t: t.replace(",", "\t")),
        ("tabs.csv", lambda t: t.replace(",", "\t")),
        ("semicolons.csv", lambda t: t.replace(",", ";")),
        ("decimal_comma.csv", lambda t: t.replace(",", ";").replace(".", ",")),
        ("bom.csv", lambda t: "\ufeff" + t),
        ("windows.csv", lambda t: t.replace("\n", "\r\n")),
        ("unnamed.csv", lambda t: t.replace("patient", '""')),
        ("shouting.csv", lambda t: t.replace("patient", "Patient ID")),
        ("no_last_newline.txt", lambda t: t.rstrip()),
        ("blank_lines.csv", lambda t: t.replace("\n", "\n\n")),
        ("quoted.csv", lambda t: t.replace("f", '"f"').replace("61", '"61"')),
        ("r.tsv", lambda t: t.replace("patient,", "").replace(",", "\t")),
        ("na.csv", lambda t: t.replace(",,", ",NA,")),
    ],
)
def test_text_files_are_read_alike(write, name, change) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_plain(read_table(write(name, change(PLAIN))))


def test_binary_files_are_read_like_text(write, tmp_path) -> None:
    frame = pd.read_csv(write("a.csv", PLAIN), dtype={"patient": str})
    frame.to_parquet(tmp_path / "columns.parquet", index=False)
    frame.set_index("patient").to_parquet(tmp_path / "index.parquet")
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    for name in ("columns.parquet", "index.parquet", "a.xlsx"):
        check_plain(read_table(tmp_path / name))


def test_numbers_of_every_way_to_write_them(write) -> None:
    table = read_table(write("a.csv", "id,x\na, 1 \nb,+2\nc,3e2\nd,-.5\ne,99999999999999999999\n"))
    np.testing.assert_array_equal(table.frame["x"], [1, 2, 300, -0.5, 1e20])


def test_dates_stay_the_text_they_are_and_booleans_are_binary(write) -> None:
    text = (
        "id,day,at,flag\na,2020-01-05,2020-01-05 10:30,true\nb,2020-02-01,2020-02-01 7:00,False\n"
    )
    table = read_table(write("a.csv", text))
    assert list(table.frame["day"]) == ["2020-01-05", "2020-02-01"]
    assert list(table.frame["at"]) == ["2020-01-05 10:30", "2020-02-01 7:00"]
    assert table.kinds["flag"] == "binary"
    assert list(table.frame["flag"]) == [1, 0]


def test_kinds_and_units_are_taken_from_the_user(write) -> None:
    path = write("a.csv", "id,code,ldh\na,01,5\nb,02,6\n")
    table = read_table(path, kinds={"code": "categorical"}, units={"ldh": "U/L"})
    assert list(table.frame["code"]) == ["01", "02"]
    assert table.units == {"ldh": "U/L"}
    assert "Did you mean 'ldh'?" in refused(path, units={"lhd": "U/L"})
    assert "'code'" in refused(path, kinds={"coed": "categorical"})


def test_text_where_numbers_are_due(write) -> None:
    path = write("a.csv", "id,x,ldh\na,1,5\nb,2,high\nc,3,7\n")
    sentence = refused(path)
    assert "line 3" in sentence
    assert "'ldh'" in sentence
    assert "'high'" in sentence
    table = read_table(path, missing_values=["high"])
    np.testing.assert_array_equal(table.frame["ldh"], [5, np.nan, 7])
    assert read_table(path, kinds={"ldh": "categorical"}).kinds["ldh"] == "categorical"


def test_the_way_out_fits_the_cell(write) -> None:
    assert "limit of measurement" in refused(write("a.csv", "id,x\na,1\nb,<0.5\nc,2\n"))
    assert "decimal point" in refused(write("a.csv", 'id,x\na,1\nb,"2,5"\nc,2\n'))


def test_a_numeric_kind_makes_any_text_a_slip(write) -> None:
    path = write("a.csv", "id,x\na,low\nb,high\nc,2\n")
    assert read_table(path).kinds["x"] == "categorical"
    assert "line 2" in refused(path, kinds={"x": "continuous"})


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e400"])
def test_infinities(write, cell) -> None:
    sentence = refused(write("a.csv", f"id,x,y\na,1,2\n\nb,2,{cell}\n"))
    assert "line 4" in sentence
    assert "'y'" in sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,x\na,1\nb,2\na,3\n", ["line 4", "'a'", "first in line 2"]),
        ("id,x\na,1\n,2\n", ["line 3", "id is missing"]),
        ("id,x\na,1\nNA,2\n", ["line 3", "id is missing"]),
        ("id,x\na,1\nb,2,3\n", ["line 3", "3 cells", "2"]),
        ("id,x,y\na,1,1\n\nb,2\n", ["line 4", "2 cells", "3"]),
        ("id,x,x\na,1,2\n", ["line 1", "'x'", "columns 2, 3"]),
        ("id,x,\na,1,2\n", ["line 1", "'x'", "no name"]),
        ('id,x,y\na,"u,1\nb,v,2\n', ["quote", "line"]),
        ("id,x\n", ["no rows"]),
        ("id,x\n,\n", ["no rows"]),
        ("\n\n", ["empty"]),
        ("", ["empty"]),
        ("id\na\nb\n", ["only one column"]),
        ("id|x\na|1\n", ["only one column"]),
        ("age,x\n1,1\n", ["id_column", "'age', 'x'"]),
        ("age,patient\n1,a\n", ["Did you mean 'patient'?"]),
        ("63,1,4,?\n44,1,4,?\n", ["line 1", "numbers where names"]),
        ("id,x\na\x07,1\n", ["line 2", "control character"]),
        ("id,x\na,\nb,NA\n", ["every cell is missing"]),
    ],
)
@pytest.mark.filterwarnings("ignore::consilience.errors.InputWarning")
def test_what_no_table_is(write, text, words) -> None:
    sentence = refused(write("a.csv", text))
    assert [word for word in words if word not in sentence] == []


def test_a_cell_over_two_lines_may_be_a_missing_quote(write) -> None:
    path = write("a.csv", 'id,x,y\na,u,1\nb,"u,1\nc,v",2\n')
    with pytest.warns(InputWarning, match=r"line 3: a quoted cell .*1 such rows"):
        assert read_table(path).frame.loc["b", "x"] == "u,1\nc,v"


def test_what_is_not_text(write) -> None:
    assert "line 3" in refused(write("a.csv", "id,x\na,1\nb,m\xfcller\n".encode("latin-1")))
    assert "UTF-16" in refused(write("b.csv", "id,x\na,1\n".encode("utf-16")))
    assert "binary file" in refused(write("c.csv", b"PK\x03\x04\x00\x00"))
    assert "line 2" in refused(write("d.csv", b"id,x\na,\x00\n"))


def test_an_invalid_byte_is_found_beyond_the_first_chunk(write) -> None:
    rows = b"".join(b"p%d,1\n" % i for i in range(200_000))
    assert "line 200002" in refused(write("a.csv", b"id,x\n" + rows + b"\xff,1\n"))


def test_paths_that_are_no_file(write, tmp_path) -> None:
    write("clinical.csv", PLAIN)
    assert "Did you mean 'clinical.csv'?" in refused(tmp_path / "clinicl.csv")
    assert "folder" in refused(tmp_path)
    assert "'.parquet'" in refused(write("a.sav", "x"))
    assert ".xlsx" in refused(write("a.xls", "x"))


def test_what_measured_nobody_is_left_out_and_said(write) -> None:
    path = write("a.csv", "id,x,y\na,1,\nb,,NA\n,,\nc,2,\n")
    with pytest.warns(InputWarning) as notes:
        table = read_table(path)
    said = " ".join(str(note.message) for note in notes)
    assert list(table.index) == ["a", "c"]
    assert "2 rows were left out" in said
    assert "1 of 2 columns are empty: 'y'" in said
    assert table.features == ("x", "y")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (reading,) = read_modalities(path, Request()).values()
    assert reading.left_out == [("line 4", "the row is empty"), ("b", "no value in any column")]


def test_patients_keep_text_and_rows_without_values(write) -> None:
    patients = read_patients(write("a.csv", "id,age,site\n01,50,x\n02,,\n"))
    assert list(patients.index) == ["01", "02"]
    assert patients["site"].tolist() == ["x", None]


def test_a_bag_is_no_table(tmp_path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, p1=np.ones((3, 2)), p2=np.zeros((1, 2)))
    assert "bag" in refused(path)
    (reading,) = read_modalities(path, Request()).values()
    assert isinstance(reading.modality, Bag)
    assert reading.modality.counts.tolist() == [3, 1]


def test_a_sheet_of_a_workbook(tmp_path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["notes"])
    labs = book.create_sheet("labs")
    for row in ([None, None], ["ID", "ldh"], [1, "12"], [2.0, 13], [None, None]):
        labs.append(row)
    path = tmp_path / "a.xlsx"
    book.save(path)
    with pytest.warns(InputWarning, match="row 5"):
        table = read_table(path, sheet="labs")
    assert list(table.index) == ["1", "2"]
    np.testing.assert_array_equal(table.frame["ldh"], [12, 13])
    assert "Did you mean 'labs'?" in refused(path, sheet="lab")


def test_a_million_cells_are_read_exactly_and_soon(write) -> None:
    import time

    values = np.random.default_rng(0).normal(size=(5_000, 200))
    text = pd.DataFrame(values, [f"p{i}" for i in range(5_000)]).to_csv(index_label="id")
    path = write("a.csv", text)
    start = time.perf_counter()
    table = read_table(path)
    assert time.perf_counter() - start < 5
    np.testing.assert_allclose(table.numeric, values, rtol=1e-12)


def test_a_line_may_be_longer_than_a_cell(write) -> None:
    values = np.random.default_rng(0).normal(size=(3, 20_000))
    text = pd.DataFrame(values, ["a", "b", "c"]).to_csv(index_label="id")
    np.testing.assert_allclose(read_table(write("wide.csv", text)).numeric, values, rtol=1e-12)


def test_real_files(data: Path) -> None:
    blood = read_table(data / "hancock" / "blood.csv")
    assert blood.index[0] == "001"
    assert (len(blood), blood.n_features) == (692, 16)
    embedding = read_table(data / "hancock" / "tma_tile_dtr_256_HE.npz")
    assert (len(embedding), embedding.n_features) == (760, 512)
    protein = read_table(data / "breast-tcga" / "train_protein.csv")
    assert (len(protein), protein.n_features) == (150, 142)
    series = data / "covid-wuhan" / "time_series_375_prerpocess_en.xlsx"
    assert "fill the id down" in refused(series)
