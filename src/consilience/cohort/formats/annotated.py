"""Annotated matrices of omics: .h5ad, .h5mu (extra ``omics``)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort.bag import Bag
from consilience.cohort.formats.foreign import parsing
from consilience.cohort.formats.header import check_names
from consilience.cohort.formats.sheet import Request, Sheet
from consilience.cohort.formats.trial import try_hdf5
from consilience.errors import InputError, listing, suggestion
from consilience.extras import require


def read_h5ad(path: Path, request: Request) -> Sheet | Bag:
    """Read an ``.h5ad`` file.

    Without an id column the names of the observations are the patients: a table. With
    one, found in ``obs``, the observations (cells) of a patient make his bag.

    Raises
    ------
    InputError
        If the extra is not installed, the file is cut short or damaged, or ``obs`` has
        no such column.
    """
    anndata = require("anndata", extra="omics", purpose=f"reading {path.name}")
    try_hdf5(path)
    with parsing(path, "H5AD"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's advice to those who write such files
        data = anndata.read_h5ad(path)
    return _measured(data, path, request)


def read_h5mu(path: Path, request: Request) -> dict[str, Sheet | Bag]:
    """Read an ``.h5mu`` file: its modalities by name, each as `read_h5ad` does.

    Raises
    ------
    InputError
        As for `read_h5ad`.
    """
    mudata = require("mudata", extra="omics", purpose=f"reading {path.name}")
    try_hdf5(path)
    with parsing(path, "H5MU"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = mudata.read_h5mu(path)
        parts = dict(data.mod.items())
    if not parts:
        raise InputError(f"{path} is empty: it holds no modality.")
    return {str(name): _measured(part, path, request) for name, part in parts.items()}


def _measured(data: Any, path: Path, request: Request) -> Sheet | Bag:
    if data.X is None or not data.n_obs or not data.n_vars:
        raise InputError(
            f"{path} is empty: its matrix X has {data.n_obs} rows, {data.n_vars} columns."
        )
    names = [str(name) for name in data.var_names]
    check_names(["", *names], path)
    with parsing(path, "H5AD"):
        values = np.asarray(data.X.toarray() if hasattr(data.X, "toarray") else data.X)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path}: its matrix X holds {values.dtype}, not numbers.")
    id_column = request.id_column_in([str(name) for name in data.obs.columns])
    if id_column is not None:
        return _bag(data.obs, values, names, path, id_column)
    ids = pd.Series([str(name) for name in data.obs_names], dtype=object)
    return Sheet(path, ids, pd.DataFrame(values, columns=names), lambda row: row + 1, typed=True)


def _bag(obs: pd.DataFrame, values: Any, names: list[str], path: Path, id_column: str) -> Bag:
    if id_column not in obs.columns:
        raise InputError(
            f"{path}: obs has no column {id_column!r}; it has {listing(obs.columns, most=8)}."
            f"{suggestion(id_column, obs.columns)}"
        )
    patients = obs[id_column]
    if patients.isna().any():
        row = int(np.argmax(patients.isna().to_numpy()))
        raise InputError(
            f"{path}, row {row + 1}: the patient id in obs column {id_column!r} is missing."
        )
    if not np.isfinite(values).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InputError(
            f"{path}, row {row + 1}, column {names[column]!r}: the value is not finite."
        )
    codes, known = pd.factorize(patients.astype(str))
    order = np.argsort(codes, kind="stable")
    return Bag(pd.Index(known), values[order], np.bincount(codes), features=names)
