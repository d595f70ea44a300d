"""Whatever is in a file, reading it ends in a cohort or in one clear sentence.

Valid files are damaged in ways that have names, some of which always make them
unusable; the rest may or may not. The library may raise nothing but `InputError`, the
command line may end with nothing but 0 or 2.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.app.main import main
from consilience.cohort import Cohort, describe, read_cohort
from consilience.errors import InputError

PATIENTS = pd.DataFrame({"died": [0, 1, 0, 1, 0, 1]}, index=[f"p{i}" for i in range(6)])
LINES = [
    "patient,ldh,sex,crp",
    *(f"p{i},{200 + 10 * i}.5,{'fm'[i % 2]},{i * 3 + 1}" for i in range(6)),
]
Change = Callable[[list[list[str]], int, int], list[list[str]]]
pytestmark = pytest.mark.filterwarnings("ignore")


# --- damage to cells that no reader may accept ------------------------------------------


def swap_cell(text: str) -> Change:
    """Put a text into a numeric cell of a row."""

    def change(rows: list[list[str]], row: int, column: int) -> list[list[str]]:
        rows[row][1 if column < 2 else 3] = text
        return rows

    return change


def duplicate_row(rows, row, column):
    return [*rows, rows[row]]


def duplicate_column(rows, row, column):
    return [[*cells, cells[1 + column % 3]] for cells in rows]


def longer_row(rows, row, column):
    rows[row] = [*rows[row], "7"]
    return rows


def shorter_row(rows, row, column):
    rows[row] = rows[row][:-1]
    return rows


def no_id(rows, row, column):
    rows[row][0] = ""
    return rows


def stranger(rows, row, column):
    rows[row][0] = rows[row][0].upper()
    return rows


def control_in_id(rows, row, column):
    rows[row][0] += "\x08"
    return rows


def ids_elsewhere(rows, row, column):
    return [cells[1:] + cells[:1] for cells in rows]


def names_only(rows, row, column):
    return rows[:1]


def ids_only(rows, row, column):
    return [cells[:1] for cells in rows]


def nothing(rows, row, column):
    return []


def no_header(rows, row, column):
    return [["1", "2", "3", "4"], ["p1", "2", "f", "4"]]


FATAL: list[Change] = [
    *map(swap_cell, ["inf", "-inf", "1e999", "abc", "<0.5", "1.2.3", "?", "--"]),
    duplicate_row,
    duplicate_column,
    no_id,
    stranger,
    ids_elsewhere,
    names_only,
    ids_only,
    nothing,
    no_header,
]
FATAL_IN_TEXT = [swap_cell("\x01"), longer_row, shorter_row, control_in_id]


@contextlib.contextmanager
def file_of(content: bytes, suffix: str) -> Iterator[Path]:
    """A file that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"damaged{suffix}"
        path.write_bytes(content)
        yield path


def read(path: Path) -> Cohort | InputError:
    """Return the cohort of a file, or why there is none; anything else fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read_cohort(PATIENTS, {"labs": path})
        except InputError as reason:
            refused = reason
    assert not set("\n\r\0") & set(str(refused))
    return refused


def typed(path: Path) -> tuple[int, str]:
    """Return status and stderr of importing a file at the command line."""
    said = io.StringIO()
    words = ["cohort", "import", "--table", f"labs={path}", "--dry-run"]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main(words)
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


def check(path: Path, *, fatal: bool) -> None:
    """Check library and command line on one file."""
    result = read(path)
    if isinstance(result, Cohort):
        assert not fatal, f"accepted {path.read_bytes()!r}"
        check_legal(result)
    else:
        assert path.name in str(result)
    status, said = typed(path)
    assert status in (0, 2)
    assert "Traceback" not in said
    if status == 2:
        (error,) = [line for line in said.splitlines() if line.startswith("Error: ")]
        assert path.name in error


def check_legal(cohort: Cohort) -> None:
    """Check that what was accepted is a cohort a method can work with."""
    describe(cohort)
    for modality in cohort.modalities.values():
        assert modality.index.isin(cohort.index).all()
        assert modality.index.is_unique
        assert not np.isinf(modality.numeric).any()


def delimited(rows: list[list[str]]) -> bytes:
    return "".join(",".join(cells) + "\n" for cells in rows).encode()


def workbook(rows: list[list[str]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for cells in rows:
        book.active.append([_typed(cell) for cell in cells])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _typed(cell: str) -> str | float | None:
    try:
        return float(cell) if np.isfinite(float(cell)) else cell
    except ValueError:
        return cell or None


@cache
def frame() -> pd.DataFrame:
    return pd.read_csv(io.StringIO("\n".join(LINES)))


@cache
def sound(suffix: str) -> bytes:
    """Return a valid file of each format."""
    rows = [line.split(",") for line in LINES]
    buffer = io.BytesIO()
    if suffix in (".csv", ".tsv"):
        return delimited(rows).replace(b",", b"," if suffix == ".csv" else b"\t")
    if suffix == ".xlsx":
        return workbook(rows)
    if suffix == ".parquet":
        frame().to_parquet(buffer, index=False)
        return buffer.getvalue()
    if suffix == ".npz":
        np.savez(buffer, **{f"p{i}": np.arange(4.0) + i for i in range(6)})
        return buffer.getvalue()
    return h5ad()


def h5ad() -> bytes:
    anndata = pytest.importorskip("anndata", reason="the extra omics is not installed")
    index = pd.DataFrame(index=[f"p{i}" for i in range(6)])
    data = anndata.AnnData(np.eye(6), index, pd.DataFrame(index=list("abcdef")))
    with tempfile.TemporaryDirectory() as folder:
        data.write_h5ad(Path(folder) / "a.h5ad")
        return (Path(folder) / "a.h5ad").read_bytes()


SUFFIXES = [".csv", ".tsv", ".xlsx", ".parquet", ".npz", ".h5ad"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_sound_files_are_read(suffix) -> None:
    with file_of(sound(suffix), suffix) as path:
        assert isinstance(read(path), Cohort)
        assert typed(path)[0] == 0


@pytest.mark.parametrize("change", [*FATAL, *FATAL_IN_TEXT], ids=lambda c: c.__name__)
@given(row=st.integers(1, 6), column=st.integers(0, 3))
@settings(max_examples=8)
def test_damaged_cells_of_a_text_file_are_refused(change, row, column) -> None:
    rows = change([line.split(",") for line in LINES], row, column)
    with file_of(delimited(rows), ".csv") as path:
        result = read(path)
        assert isinstance(result, InputError), path.read_bytes()
        assert path.name in str(result)
        status, said = typed(path)
        assert status == (0 if change is stranger else 2)
        assert "Traceback" not in said


@pytest.mark.parametrize("change", FATAL, ids=lambda c: c.__name__)
@given(row=st.integers(1, 6), column=st.integers(0, 3))
@settings(max_examples=2)
def test_damaged_cells_of_a_workbook_are_refused(change, row, column) -> None:
    rows = change([line.split(",") for line in LINES], row, column)
    with file_of(workbook(rows), ".xlsx") as path:
        result = read(path)
        assert isinstance(result, InputError)
        assert path.name in str(result)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".h5ad"])
@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=25)
def test_files_cut_short(suffix, share) -> None:
    cut_and_check(suffix, share)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_hdf5_cut_short(share) -> None:
    cut_and_check(".h5ad", share)


def cut_and_check(suffix: str, share: float) -> None:
    whole = sound(suffix)
    kept = whole[: int(len(whole) * share)]
    text = suffix in (".csv", ".tsv")  # a text that ends at the end of a line is a text
    with file_of(kept, suffix) as path:
        check(path, fatal=not text)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".h5ad"])
@given(data=st.data())
@settings(max_examples=20)
def test_flipped_bytes(suffix, data) -> None:
    flip_and_check(suffix, data)


@given(data=st.data())
@settings(max_examples=8)  # each is read by child processes, because HDF5 can crash on it
def test_flipped_bytes_of_hdf5(data) -> None:
    flip_and_check(".h5ad", data)


def flip_and_check(suffix: str, data: st.DataObject) -> None:
    content = bytearray(sound(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    with file_of(bytes(content), suffix) as path:
        check(path, fatal=False)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".h5ad"])
@given(content=st.binary(max_size=200))
@settings(max_examples=10)
def test_garbage(suffix, content) -> None:
    with file_of(content, suffix) as path:
        check(path, fatal=suffix not in (".csv", ".tsv"))


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@given(content=st.text(st.sampled_from("p12,;\t\"'\n\r .-eNA\x00\x1féß😀"), max_size=120))
@settings(max_examples=60)
def test_text_that_looks_like_tables(suffix, content) -> None:
    with file_of(content.encode(), suffix) as path:
        check(path, fatal=False)


@given(cells=st.lists(st.lists(st.text(max_size=6), min_size=3, max_size=3), max_size=6))
@settings(max_examples=60)
def test_any_text_in_any_cell(cells) -> None:
    rows = [["patient", "x", "y"], *([f"p{i}", *row[1:]] for i, row in enumerate(cells))]
    buffer = io.StringIO()
    pd.DataFrame(rows).to_csv(buffer, header=False, index=False)
    with file_of(buffer.getvalue().encode("utf-8", "replace"), ".csv") as path:
        check(path, fatal=False)


@pytest.mark.parametrize(
    ("encoding", "suffix"),
    [("utf-16", ".csv"), ("utf-32", ".csv"), ("latin-1", ".csv"), ("cp500", ".tsv")],
)
def test_other_encodings(encoding, suffix) -> None:
    text = "\n".join(LINES).replace("p3,", "pé3,")
    with file_of(text.encode(encoding), suffix) as path:
        check(path, fatal=True)


@pytest.mark.parametrize("real", SUFFIXES)
@pytest.mark.parametrize("claimed", [*SUFFIXES, ".h5mu"])
def test_a_file_under_the_ending_of_another(real, claimed) -> None:
    alike = real == claimed or {real, claimed} <= {".csv", ".tsv"}
    with file_of(sound(real), claimed) as path:
        check(path, fatal=not alike)


@given(number=st.floats(allow_nan=False, allow_infinity=False) | st.integers())
@settings(max_examples=40)
def test_any_finite_number_is_read_as_it_is(number) -> None:
    with file_of(f"patient,x,y\np0,{number!r},1.5\np1,0.5,2\n".encode(), ".csv") as path:
        result = read(path)
        if isinstance(result, InputError):
            assert abs(number) > 1.7e308
        else:
            assert result.modalities["labs"].frame.loc["p0", "x"] == float(number)
