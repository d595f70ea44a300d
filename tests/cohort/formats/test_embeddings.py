"""Archives of embeddings: both forms, and nothing that runs code."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from consilience.cohort import Bag, Table
from consilience.cohort.formats.embeddings import read_embeddings
from consilience.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the archive goes."""
    return tmp_path / "image.npz"


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_embeddings(path)
    assert "image.npz" in str(error.value)
    return str(error.value)


def test_an_array_a_patient_is_a_table(path) -> None:
    np.savez(path, **{"001": np.array([1, 2], np.float32), "2": np.array([3, 4], np.float32)})
    table = read_embeddings(path)
    assert isinstance(table, Table)
    assert list(table.index) == ["001", "2"]
    assert table.numeric.dtype == np.float32
    np.testing.assert_array_equal(table.numeric, [[1, 2], [3, 4]])
    assert set(table.kinds.values()) == {"continuous"}


def test_instances_a_patient_are_a_bag(path) -> None:
    np.savez_compressed(path, a=np.arange(6.0).reshape(3, 2), b=np.full((1, 2), 9.0))
    bag = read_embeddings(path)
    assert isinstance(bag, Bag)
    np.testing.assert_array_equal(bag.instances(0), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(bag.instances(1), [[9, 9]])


def test_ids_beside_values_are_a_table(path) -> None:
    np.savez(path, ids=np.array(["b", "a"]), values=np.eye(2), features=np.array(["u", "v"]))
    table = read_embeddings(path)
    assert table.frame.loc["a"].to_dict() == {"u": 0.0, "v": 1.0}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.ones(2), "b": np.ones(3)}, "'b': shape (3,)"),
        ({"a": np.ones(2), "b": np.ones((2, 2))}, "'b'"),
        ({"a": np.array([1, np.inf])}, "'a': the value at (1,) is infinite"),
        ({"a": np.array(["x"])}, "not numbers"),
        ({"a": np.ones((1, 1, 1))}, "shape (1, 1, 1)"),
        ({"a": np.ones((0, 4))}, "not measured"),
        ({"a": np.array([None, 1], dtype=object)}, "Python objects"),
        ({"ids": np.array(["a", "a"]), "values": np.eye(2)}, "'a' stands twice"),
        ({"ids": np.array(["a"]), "values": np.eye(2)}, "(1,)"),
        ({"ids": np.array(["a"]), "values": np.eye(1), "x": np.ones(1)}, "'x'"),
        ({}, "empty"),
    ],
)
def test_what_no_embedding_is(path, arrays, words) -> None:
    np.savez(path, **arrays)
    assert words in refused(path)


def test_a_header_that_promises_too_much_asks_for_no_memory(path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header.getvalue())
    assert "shorter than its header says" in refused(path)


def test_one_flipped_byte_is_noticed(path) -> None:
    np.savez(path, a=np.ones(100), b=np.ones(100))
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF
    path.write_bytes(content)
    assert "NPZ" in refused(path)
