"""NumPy archives of embeddings: an array a patient, or ids beside values."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.bag import Bag
from consilience.cohort.formats.foreign import parsing
from consilience.cohort.formats.header import CONTROL
from consilience.cohort.modality import patient_index
from consilience.cohort.table import Table
from consilience.errors import InputError, listing

_Array = npt.NDArray[Any]


def read_embeddings(path: Path) -> Table | Bag:
    """Read an ``.npz`` archive; pickled objects are never loaded.

    Either the keys are the patient ids, each with an array of shape (d,), which makes a
    `Table`, or of shape (n_instances, d), which makes a `Bag`; or there are the keys
    ``ids`` (n,) and ``values`` (n, d), and perhaps ``features`` (d,), which make a table.

    Raises
    ------
    InputError
        If the archive is damaged, holds objects, arrays differ in width, or a value is
        infinite.
    """
    arrays = _arrays(path)
    if not arrays:
        raise InputError(f"{path} is empty: it holds no array.")
    if {"ids", "values"} <= set(arrays):
        return _beside(arrays, path)
    for key, values in arrays.items():
        _check_one(key, values, path)
    first, width = next(iter(arrays.items()))
    due = (width.ndim, width.shape[-1])
    for key, values in arrays.items():
        if (values.ndim, values.shape[-1]) != due:
            raise InputError(
                f"{path}, key {key!r}: shape {values.shape}, but {first!r} has {width.shape}; all "
                "patients need arrays of one width."
            )
    if due[0] == 1:
        return _table(list(arrays), np.stack(list(arrays.values())), None)
    counts = [len(values) for values in arrays.values()]
    return Bag(pd.Index(list(arrays)), np.concatenate(list(arrays.values())), counts)


def _arrays(path: Path) -> dict[str, _Array]:
    with parsing(path, "NPZ"):
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            return {str(key): np.asarray(archive[key]) for key in archive.files}


def _check_sizes(path: Path) -> None:
    """Refuse a header that promises more than is there, before memory is asked for."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(file)
                if dtype.hasobject:
                    raise InputError(
                        f"{path}, key {member.filename.removesuffix('.npy')!r}: it holds Python "
                        "objects, which can run code when loaded; save plain numbers."
                    )
                if (
                    file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
                    > member.file_size
                ):
                    raise ValueError(f"array {member.filename!r} is shorter than its header says")


def _check_one(key: str, values: _Array, path: Path) -> None:
    if CONTROL.search(key) or not key.strip():
        raise InputError(f"{path}, key {key!r}: that is no patient id.")
    if values.ndim not in (1, 2) or values.size == 0:
        raise InputError(
            f"{path}, key {key!r}: shape {values.shape}; give a patient an array of shape (d,), or "
            "(instances, d), and leave out a patient who was not measured."
        )
    _check_finite(values, f"{path}, key {key!r}")


def _check_finite(values: _Array, where: str) -> None:
    if values.dtype.kind not in "biuf":
        raise InputError(f"{where}: it holds {values.dtype}, not numbers.")
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        raise InputError(f"{where}: the value at {tuple(map(int, infinite[0]))} is infinite.")


def _beside(arrays: dict[str, _Array], path: Path) -> Table:
    ids, values, names = arrays["ids"], arrays["values"], arrays.get("features")
    unknown = set(arrays) - {"ids", "values", "features"}
    if unknown:
        raise InputError(f"{path}: beside 'ids' and 'values' stands {listing(sorted(unknown))}.")
    if ids.ndim != 1 or values.ndim != 2 or len(ids) != len(values) or not values.size:
        raise InputError(
            f"{path}: 'ids' has shape {ids.shape} and 'values' {values.shape}; "
            "(n,) and (n, d) are due."
        )
    if names is not None and names.shape != (values.shape[1],):
        raise InputError(f"{path}: {names.size} names in 'features' for {values.shape[1]} columns.")
    _check_finite(values, f"{path}, key 'values'")
    patients = [str(key) for key in ids.tolist()]
    wrong = [key for key in patients if CONTROL.search(key) or not key.strip()]
    if wrong:
        raise InputError(f"{path}, key 'ids': {wrong[0]!r} is no patient id.")
    repeated = pd.Index(patients)[pd.Index(patients).duplicated()]
    if len(repeated):
        raise InputError(
            f"{path}, key 'ids': patient {listing(repeated.unique())} stands twice; for several "
            "instances a patient give him an array of his own, (instances, d), under his id."
        )
    return _table(patients, values, None if names is None else [str(n) for n in names.tolist()])


def _table(ids: list[str], values: _Array, names: list[str] | None) -> Table:
    dtype = np.float32 if values.dtype in (np.float16, np.float32) else np.float64
    columns = names or [str(i) for i in range(values.shape[1])]
    frame = pd.DataFrame(values.astype(dtype), patient_index(pd.Index(ids), "npz"), columns)
    return Table(frame, kinds=dict.fromkeys(columns, "continuous"))
