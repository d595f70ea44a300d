"""One file of a user: a table, a bag, or the patients."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.bag import Bag
from consilience.cohort.cells import Cleaned, clean
from consilience.cohort.formats.annotated import read_h5ad, read_h5mu
from consilience.cohort.formats.delimited import read_delimited
from consilience.cohort.formats.embeddings import read_embeddings
from consilience.cohort.formats.parquet import read_parquet
from consilience.cohort.formats.sheet import MISSING_MARKERS, Request, Sheet
from consilience.cohort.formats.workbook import read_workbook
from consilience.cohort.table import KINDS, Kind, Table
from consilience.errors import InputError, InputWarning, listing, suggestion

PathLike: TypeAlias = str | os.PathLike[str]
_Content: TypeAlias = Sheet | Table | Bag | dict[str, Sheet | Bag]

_READERS: dict[str, Callable[[Path, Request], _Content]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".txt": read_delimited,
    ".parquet": read_parquet,
    ".xlsx": read_workbook,
    ".npz": lambda path, _: read_embeddings(path),
    ".h5ad": read_h5ad,
    ".h5mu": read_h5mu,
}
SUFFIXES = tuple(_READERS)
"""Endings of the files that can be read."""


@dataclass(frozen=True)
class Reading:
    """What one file gave.

    Attributes
    ----------
    modality : Table or Bag
        Who was measured, and how.
    left_out : list of (str, str)
        Patients (or rows without one) that were left out, and why.
    columns : frozenset of str
        Names of the file's columns, that of the ids among them.
    place : callable
        Where a patient stands in the file, such as "line 7".
    """

    modality: Table | Bag
    left_out: list[tuple[str, str]]
    columns: frozenset[str]
    place: Callable[[str], str]


def read_table(
    path: PathLike,
    *,
    id_column: str | None = None,
    kinds: Mapping[str, Kind] | None = None,
    units: Mapping[str, str] | None = None,
    missing_values: Iterable[str] = (),
    sheet: str | None = None,
) -> Table:
    """Read a table, patients x features, from one file.

    Parameters
    ----------
    path : path
        A .csv, .tsv, .txt, .parquet, .xlsx, .npz or .h5ad file. Delimiters of text files
        are found by looking.
    id_column : str, optional
        Column with the patient ids; by default the first one, if it has no name or is
        called patient, patient_id, id, sample or the like. Ids stay the text they are.
    kinds : mapping of str to {"continuous", "count", "binary", "categorical"}, optional
        Kinds that differ from those read off the values.
    units : mapping of str to str, optional
        Units of features, such as ``{"ldh": "U/L"}``.
    missing_values : iterable of str
        Text that means missing, besides "", NA, NaN, null and n/a.
    sheet : str, optional
        Sheet of a workbook; the first by default.

    Returns
    -------
    Table
        Patients without a single value are left out (he was not measured), with an
        `InputWarning`.

    Raises
    ------
    InputError
        With file, line and column, if anything cannot be used as it is.
    """
    request = replace(
        request_of(id_column, kinds, missing_values), units=dict(units or {}), sheet=sheet
    )
    readings = read_modalities(path, request)
    reading = next(iter(readings.values()))
    if len(readings) > 1 or not isinstance(reading.modality, Table):
        what = "several modalities" if len(readings) > 1 else "a bag of instances a patient"
        raise InputError(f"{path} holds {what}, not one table; give it to read_cohort.")
    if reading.left_out:
        patient, reason = reading.left_out[0]
        warnings.warn(
            f"{path}: {len(reading.left_out)} rows were left out, the first {patient!r}: {reason}.",
            InputWarning,
            stacklevel=2,
        )
    return reading.modality


def read_patients(
    path: PathLike,
    *,
    id_column: str | None = None,
    kinds: Mapping[str, Kind] | None = None,
    missing_values: Iterable[str] = (),
    sheet: str | None = None,
) -> pd.DataFrame:
    """Read demographics, site and outcome columns from one file.

    Parameters
    ----------
    path, id_column, kinds, missing_values, sheet
        As for `read_table`; a table of text or Parquet, or a workbook.

    Returns
    -------
    DataFrame
        Index = patient ids as text; columns of numbers, or text with None for missing.

    Raises
    ------
    InputError
        As for `read_table`.
    """
    request = replace(request_of(id_column, kinds, missing_values), sheet=sheet)
    return patients_of(path, request).frame


def patients_of(path: PathLike, request: Request) -> Cleaned:
    """Return the patients of a file, and which rows were blank."""
    checked = checked_path(path)
    content = _content(checked, request)
    if not isinstance(content, Sheet):
        raise InputError(
            f"{path} holds measurements only; give the patients as CSV, Parquet or XLSX."
        )
    _check_kinds(content, request)
    return clean(content, request)


def request_of(
    id_column: str | None,
    kinds: Mapping[str, Kind] | None,
    missing_values: Iterable[str],
) -> Request:
    """Return how a file is to be read, with the usual markers of missing values added."""
    wrong = [kind for kind in (kinds or {}).values() if kind not in KINDS]
    if wrong:
        raise InputError(f"kind {listing(wrong)} is none of {listing(KINDS)}.")
    if isinstance(missing_values, str):
        missing_values = [missing_values]
    missing = MISSING_MARKERS | {marker.strip() for marker in missing_values}
    return Request(id_column, missing, dict(kinds or {}))


def read_modalities(path: PathLike, request: Request) -> dict[str, Reading]:
    """Return what a file holds, by name; a file of one modality gives it the name "".

    Raises
    ------
    InputError
        As for `read_table`.
    """
    content = _content(checked_path(path), request)
    parts = content if isinstance(content, dict) else {"": content}
    return {name: _reading(part, request) for name, part in parts.items()}


def checked_path(path: PathLike) -> Path:
    """Return the path of a file that is there, can be read, and ends as we know.

    Raises
    ------
    InputError
        Otherwise, with the closest name in its folder or the endings that are known.
    """
    found = Path(path)
    if not found.exists():
        beside = found.parent.iterdir() if found.parent.is_dir() else ()
        hint = suggestion(found.name, sorted(p.name for p in beside))
        raise InputError(f"there is no file {found}.{hint}")
    if found.is_dir():
        raise InputError(f"{found} is a folder; name a file in it.")
    if found.suffix.lower() not in _READERS:
        hint = " Save it as .xlsx." if found.suffix.lower() == ".xls" else ""
        raise InputError(f"{found} ends in none of {listing(SUFFIXES, most=20)}.{hint}")
    if not os.access(found, os.R_OK):
        raise InputError(f"{found} may not be read: permission is denied.")
    if not found.stat().st_size:
        raise InputError(f"{found} is empty.")
    return found


def _content(path: Path, request: Request) -> _Content:
    return _READERS[path.suffix.lower()](path, request)


def _reading(content: Sheet | Table | Bag, request: Request) -> Reading:
    if not isinstance(content, Sheet):
        return Reading(content, [], frozenset(), lambda patient: f"key {patient!r}")
    _check_kinds(content, request)
    cleaned = clean(content, request)
    left_out = [(row, "the row is empty") for row in cleaned.blank]
    frame = cleaned.frame
    unmeasured: npt.NDArray[np.bool_] = np.asarray(frame.isna().all(axis=1))
    if unmeasured.all():
        raise InputError(f"{content.path} holds no value: every cell is missing.")
    if unmeasured.any():
        left_out += [
            (str(patient), "no value in any column") for patient in frame.index[unmeasured]
        ]
        frame = frame.loc[~unmeasured]
    kinds = {name: kind for name, kind in request.kinds.items() if name in frame.columns}
    units = {name: unit for name, unit in request.units.items() if name in frame.columns}
    columns = frozenset([*frame, cleaned.id_column])
    return Reading(Table(frame, kinds=kinds, units=units), left_out, columns, cleaned.place)


def _check_kinds(sheet: Sheet, request: Request) -> None:
    named = (*request.kinds, *request.units)
    unknown = [name for name in named if name not in sheet.frame.columns]
    if unknown and not request.shared:
        raise InputError(
            f"{sheet.path} has no column {unknown[0]!r}, of which a kind or unit was said."
            f"{suggestion(unknown[0], sheet.frame.columns)}"
        )
