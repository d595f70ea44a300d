"""A cohort as a folder, opened lazily."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from functools import singledispatch
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from consilience.cohort.bag import Bag
from consilience.cohort.cohort import LEFT_OUT_COLUMNS, Cohort
from consilience.cohort.cohort_file import (
    FILE_NAME,
    FORMAT,
    BagEntry,
    CohortFile,
    Entry,
    ImagesEntry,
    TableEntry,
    check_file_names,
    read_cohort_file,
    write_cohort_file,
)
from consilience.cohort.embedded import COHORTS
from consilience.cohort.images import Images
from consilience.cohort.modality import Modality
from consilience.cohort.stored_arrays import open_bag, open_images, write_bag, write_images
from consilience.cohort.stored_table import READ_ERRORS, open_table, write_table
from consilience.cohort.table import Table
from consilience.errors import InputError, listing, suggestion

PATIENTS = "patients.parquet"
LEFT_OUT = "left_out.parquet"


def save_cohort(cohort: Cohort, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write a cohort to a folder: ``cohort.toml``, Parquet for tables, Zarr for arrays.

    It is written beside the folder and moved there when it is whole, so that nobody
    ever sees half a cohort.

    Parameters
    ----------
    cohort : Cohort
        Each patient once; each modality with at least one patient.
    folder : str or Path
        Where to; made if it is not there.
    overwrite : bool
        Whether a stored cohort that stands there may be replaced. Anything else that
        stands there is never touched.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If the folder is not empty, a modality's name cannot be a file's, a column of
        the patients cannot be stored, or the disk refuses.

    Examples
    --------
    >>> import tempfile
    >>> from consilience.cohort import open_cohort, save_cohort, tcga_acc
    >>> with tempfile.TemporaryDirectory() as place:
    ...     len(open_cohort(save_cohort(tcga_acc(), f"{place}/acc")))
    92
    """
    target = Path(os.path.abspath(folder))
    _check_target(target, overwrite)
    _check_savable(cohort)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        _write(cohort, part)
        _move(part, target)
    except OSError as reason:
        raise InputError(f"{target} cannot be written: {reason.strerror or reason}.") from reason
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def open_cohort(name_or_path: str | Path) -> Cohort:
    """Return a cohort that comes with the package, or one stored in a folder.

    Opening reads ``cohort.toml``, the patients and who was measured. A table is read
    when its values are first asked for, a bag or an image a patient at a time.

    Parameters
    ----------
    name_or_path : str or Path
        A name of `embedded_cohorts` (write ``./name`` for a folder of that name), or
        the folder.

    Raises
    ------
    InputError
        If there is no such cohort, or a file is missing, cut short, damaged or not
        what ``cohort.toml`` says; it names the file. What is read later is checked
        later, in the same way.
    """
    if name_or_path in COHORTS:
        return COHORTS[str(name_or_path)]()
    folder = Path(name_or_path)
    if not folder.is_dir():
        raise InputError(
            f"{str(folder)!r} is neither a folder nor a cohort that comes with consilience "
            f"({listing(COHORTS)}).{suggestion(folder, COHORTS)}"
        )
    return _open(folder.absolute())


def _open(folder: Path) -> Cohort:
    content = read_cohort_file(folder)
    patients = _read_patients(_inside(folder, PATIENTS))
    if len(patients) != content.patients:
        raise InputError(
            f"{folder / PATIENTS} holds {len(patients)} patients, but {FILE_NAME} says "
            f"{content.patients}."
        )
    left_out = _read_left_out(_inside(folder, LEFT_OUT)) if content.left_out else None
    modalities = {
        name: _opened(entry, folder, name, patients.index)
        for name, entry in content.modalities.items()
    }
    try:
        return Cohort(patients, modalities, name=content.name, left_out=left_out)
    except InputError as reason:
        raise InputError(f"{folder}: {reason}") from reason


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file; name a folder.")
    if not any(target.iterdir()):
        return
    if not (target / FILE_NAME).is_file():
        raise InputError(f"{target} is not empty and holds no cohort; name another folder.")
    if not overwrite:
        raise InputError(f"{target} holds a cohort already; ask to overwrite it, or name another.")


def _check_savable(cohort: Cohort) -> None:
    check_file_names(cohort.modalities, f"cohort {cohort.name!r}")
    repeated = cohort.index[cohort.index.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"cohort {cohort.name!r}: patient {listing(repeated)} stands in it more than once; "
            "only a cohort with each patient once can be stored."
        )
    nobody = [name for name, modality in cohort.modalities.items() if not len(modality)]
    if nobody or not len(cohort):
        raise InputError(
            f"cohort {cohort.name!r}: {listing(nobody) or 'it'} holds nobody; leave it out "
            "(Cohort.only) before storing."
        )


def _write(cohort: Cohort, folder: Path) -> None:
    entries = {
        name: write_modality(modality, folder, name) for name, modality in cohort.modalities.items()
    }
    _write_patients(cohort.patients, folder / PATIENTS)
    left_out = cohort.left_out
    if len(left_out):
        pq.write_table(pa.Table.from_pandas(left_out.astype(str)), folder / LEFT_OUT)
    write_cohort_file(
        folder,
        CohortFile(
            format=FORMAT,
            name=cohort.name,
            patients=len(cohort),
            left_out=len(left_out),
            modalities=entries,
        ),
    )


def _move(part: Path, target: Path) -> None:
    if not target.exists():
        part.rename(target)
        return
    old = part.with_suffix(".old")
    target.rename(old)
    part.rename(target)
    shutil.rmtree(old)


@singledispatch
def write_modality(modality: Modality, folder: Path, name: str) -> Entry:
    """Write a modality under its name; a new kind of modality registers its own.

    Raises
    ------
    InputError
        If nothing is registered for the kind.
    """
    raise InputError(f"modality {name!r} of kind {type(modality).__name__} cannot be stored.")


@write_modality.register
def _(modality: Table, folder: Path, name: str) -> Entry:
    return write_table(folder / f"{name}.parquet", modality)


@write_modality.register
def _(modality: Bag, folder: Path, name: str) -> Entry:
    return write_bag(folder / f"{name}.zarr", modality)


@write_modality.register
def _(modality: Images, folder: Path, name: str) -> Entry:
    return write_images(folder / f"{name}.zarr", modality)


@singledispatch
def _opened(entry: object, folder: Path, name: str, patients: pd.Index) -> Modality:
    raise TypeError(type(entry).__name__)


@_opened.register
def _(entry: TableEntry, folder: Path, name: str, patients: pd.Index) -> Modality:
    return open_table(_inside(folder, f"{name}.parquet"), entry, patients)


@_opened.register
def _(entry: BagEntry, folder: Path, name: str, patients: pd.Index) -> Modality:
    return open_bag(_inside(folder, f"{name}.zarr"), entry)


@_opened.register
def _(entry: ImagesEntry, folder: Path, name: str, patients: pd.Index) -> Modality:
    return open_images(_inside(folder, f"{name}.zarr"), entry)


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file in the folder, refusing a link that leads out of it."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path} is a link that leads out of the cohort's folder.")
    return path


def _write_patients(patients: pd.DataFrame, path: Path) -> None:
    for place, column in enumerate(patients.columns):
        try:
            pa.Array.from_pandas(patients.iloc[:, place])
        except (pa.ArrowException, TypeError, ValueError) as reason:
            raise InputError(
                f"patient column {column!r} cannot be stored: {str(reason).splitlines()[0]}."
            ) from reason
    if patients.columns.has_duplicates:
        twice = patients.columns[patients.columns.duplicated()]
        raise InputError(f"patient column {listing(twice)} stands more than once.")
    pq.write_table(pa.Table.from_pandas(patients), path, write_page_checksum=True)


def _read_patients(path: Path) -> pd.DataFrame:
    """Read the patients with the dtypes they had; a missing value in text is NaN."""
    table = _read(path)
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    described = json.loads((table.schema.metadata or {}).get(b"pandas", b'{"columns": []}'))
    objects = {c["name"] for c in described["columns"] if c["numpy_type"] == "object"}
    for column in frame.columns:
        if str(column) in objects:
            values = frame[column].astype(object)
            frame[column] = values.where(values.notna(), np.nan)
    return frame


def _read_left_out(path: Path) -> pd.DataFrame:
    frame: pd.DataFrame = _read(path).to_pandas()
    if list(frame.columns) != list(LEFT_OUT_COLUMNS):
        raise InputError(f"{path} must have the columns {listing(LEFT_OUT_COLUMNS)}.")
    return frame


def _read(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read()
    except FileNotFoundError as reason:
        raise InputError(f"{path} is missing.") from reason
    except READ_ERRORS as reason:
        raise InputError(
            f"{path} cannot be read as Parquet: it is cut short or damaged "
            f"({str(reason).splitlines()[0]})."
        ) from reason
