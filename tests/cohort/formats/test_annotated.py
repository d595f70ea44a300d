"""Annotated matrices: patients as observations, or cells as instances of patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from consilience.cohort import Bag, read_cohort, read_table
from consilience.errors import InputError

anndata = pytest.importorskip("anndata", reason="the extra omics is not installed")
mudata = pytest.importorskip("mudata", reason="the extra omics is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")


def matrix(values, ids, **obs):
    names = [f"g{i}" for i in range(values.shape[1])]
    return anndata.AnnData(values, pd.DataFrame(obs, index=ids), pd.DataFrame(index=names))


def test_observations_are_patients(tmp_path: Path) -> None:
    for name, values in (("a", np.eye(3)), ("b", sparse.csr_matrix(np.eye(3)))):
        matrix(values, ["p1", "p2", "p3"]).write_h5ad(tmp_path / f"{name}.h5ad")
        table = read_table(tmp_path / f"{name}.h5ad")
        assert list(table.index) == ["p1", "p2", "p3"]
        np.testing.assert_array_equal(table.numeric, np.eye(3))


def test_cells_of_a_patient_are_his_bag(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    values = np.arange(8.0).reshape(4, 2)
    matrix(values, ["c1", "c2", "c3", "c4"], donor=["p1", "p2", "p1", "p1"]).write_h5ad(path)
    bag = read_cohort(tables={"cells": path}, id_column="donor").modalities["cells"]
    assert isinstance(bag, Bag)
    np.testing.assert_array_equal(bag.instances(0), values[[0, 2, 3]])
    np.testing.assert_array_equal(bag.instances(1), values[[1]])
    with pytest.raises(InputError, match="Did you mean 'donor'"):
        read_table(path, id_column="doner")


def test_several_modalities_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.h5mu"
    parts = {"rna": matrix(np.eye(2), ["p1", "p2"]), "adt": matrix(np.ones((1, 3)), ["p2"])}
    mudata.MuData(parts).write_h5mu(path)
    cohort = read_cohort(tables={"cite": path})
    assert sorted(cohort.modalities) == ["cite_adt", "cite_rna"]
    assert cohort.has("cite_adt").tolist() == [False, True]
    with pytest.raises(InputError, match="several modalities"):
        read_table(path)


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    values = np.eye(3)
    values[2, 1] = np.inf
    matrix(values, ["p1", "p2", "p3"]).write_h5ad(path)
    with pytest.raises(InputError, match=r"a\.h5ad, row 3, column 'g1'"):
        read_table(path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"a\.h5ad cannot be read as H5AD"):
        read_table(path)
    matrix(np.eye(2), ["p1", "p1"]).write_h5ad(path)
    with pytest.raises(InputError, match="'p1' stands twice"):
        read_table(path)
