"""Parquet: types are kept, damage and nested columns are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import read_table
from consilience.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file goes."""
    return tmp_path / "a.parquet"


def test_types_are_kept(path) -> None:
    frame = pd.DataFrame(
        {
            "patient_id": [1, 2, 3],
            "code": ["01", "02", None],
            "grade": pd.Categorical(["low", None, "high"]),
            "n": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "x": np.array([0.5, np.nan, 1], dtype=np.float32),
            "day": pd.to_datetime(["2020-01-05", None, "2020-02-01"]),
        }
    )
    frame.to_parquet(path, index=False)
    table = read_table(path)
    assert list(table.index) == ["1", "2", "3"]
    assert table.frame["code"].tolist() == ["01", "02", None]
    assert table.frame["grade"].tolist() == ["low", None, "high"]
    np.testing.assert_array_equal(table.frame["n"], [1, np.nan, 3])
    np.testing.assert_array_equal(table.frame["flag"], [1, np.nan, 0])
    assert table.frame["day"].iloc[0].startswith("2020-01-05")
    assert table.kinds["flag"] == "binary"


def test_an_index_is_the_id(path) -> None:
    pd.DataFrame({"x": [1.5]}, index=pd.Index(["a"], name="whatever")).to_parquet(path)
    assert list(read_table(path).index) == ["a"]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"id": ["a"], "x": [[1, 2]]}, "'x': it holds list"),
        ({"id": ["a"], "x": [b"1"]}, "'x': it holds binary"),
        ({"id": ["a", "b"], "x": [1.0, np.inf]}, "row 2, column 'x'"),
        ({"id": ["a", "a"], "x": [1.0, 2.0]}, "row 2: patient 'a' stands twice, first in row 1"),
        ({"id": ["a"]}, "no measurement"),
        ({"id": pd.Series(dtype=str), "x": pd.Series(dtype=float)}, "no rows"),
    ],
)
def test_what_no_table_is(path, frame, words) -> None:
    pd.DataFrame(frame).to_parquet(path, index=False)
    with pytest.raises(InputError, match="a.parquet") as error:
        read_table(path)
    assert words in str(error.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short(path, share) -> None:
    pd.DataFrame({"id": ["a"], "x": [1.0]}).to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet.*cut short"):
        read_table(path)
