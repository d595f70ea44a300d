"""From the cells of a file to columns of numbers or text, refusing what is neither."""

from __future__ import annotations

import datetime
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.formats.header import CONTROL
from consilience.cohort.formats.sheet import Request, Sheet
from consilience.errors import InputError, InputWarning, listing

_MOSTLY = 0.5
"""From this share of numbers on, text among them is taken for a slip, not for categories."""


@dataclass(frozen=True)
class Cleaned:
    """The columns of a file, ready for a cohort.

    Attributes
    ----------
    frame : DataFrame
        Index = patient ids as text. Columns of floats, integers, or text (None missing).
    blank : list of str
        Rows that held nothing at all and were left out, such as "line 17".
    id_column : str
        The column the ids came from.
    """

    frame: pd.DataFrame
    blank: list[str]
    id_column: str
    _sheet: Sheet

    def place(self, patient: str) -> str:
        """Return where a patient stands in the file, such as "line 7"."""
        ids = _ids_as_text(self._sheet.ids)
        row = int(np.argmax((ids == patient).to_numpy()))
        return f"{self._sheet.unit} {self._sheet.line(row)}"


def clean(sheet: Sheet, request: Request) -> Cleaned:
    """Return the columns of a file by patient.

    A column is a number where at least half of its cells are; then all must be. Dates
    become ISO text. Rows without an id and without a value are left out and named.

    Raises
    ------
    InputError
        If there is no row or no column, an id is missing or stands twice, text stands
        where numbers are due, or a number is infinite.
    """
    if not sheet.frame.shape[1]:
        raise InputError(
            f"{sheet.path}: it holds an id column only; no measurement stands beside it."
        )
    if not len(sheet.frame):
        raise InputError(f"{sheet.path} has no rows below the names of its columns.")
    ids = _ids_as_text(sheet.ids).map(lambda text: _known(text, request))
    columns = {str(n): _column(sheet, str(n), request) for n in sheet.frame.columns}
    frame = pd.DataFrame(columns, copy=False)
    blank = ids.isna().to_numpy()
    if blank.any():
        blank &= frame.isna().to_numpy().all(axis=1)
    _check_ids(sheet, ids, blank)
    rows = np.flatnonzero(blank)
    if len(rows) == len(frame):
        raise InputError(f"{sheet.path} has no rows: all {len(rows)} are empty.")
    _warn_of_empty(sheet, frame)
    index = pd.Index(ids[~blank].astype(str), name="patient")
    kept = frame[~blank] if len(rows) else frame
    return Cleaned(kept.set_axis(index, axis=0), _places(sheet, rows), str(sheet.ids.name), sheet)


def _places(sheet: Sheet, rows: npt.NDArray[np.intp]) -> list[str]:
    return [f"{sheet.unit} {sheet.line(int(row))}" for row in rows]


def _known(text: Any, request: Request) -> Any:
    return None if text is None or text.strip() in request.missing else text


def _ids_as_text(ids: pd.Series) -> pd.Series:
    """Return ids as text, whole numbers without '.0'; None where there is none."""
    return pd.Series([None if _absent(value) else _text(value) for value in ids], dtype=object)


def _absent(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def _text(value: Any) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _check_ids(sheet: Sheet, ids: pd.Series, blank: npt.NDArray[np.bool_]) -> None:
    missing = np.flatnonzero(ids.isna().to_numpy() & ~blank)
    if len(missing):
        several = " If a patient has several rows, fill the id down and keep one row a patient."
        raise InputError(
            f"{sheet.place(int(missing[0]))}: the patient id is missing; write it, "
            f"or remove the row.{several if len(missing) > 0.3 * len(ids) else ''}"
        )
    known = ids[~blank]
    for row in known.index[known.str.contains(CONTROL)]:
        raise InputError(
            f"{sheet.place(row)}: the patient id {known[row]!r} holds a control character."
        )
    for row in known.index[known.duplicated()]:
        first = known.index[known == known[row]][0]
        raise InputError(
            f"{sheet.place(row)}: patient {known[row]!r} stands twice, first in {sheet.unit} "
            f"{sheet.line(first)}; keep one row a patient."
        )


def _column(sheet: Sheet, name: str, request: Request) -> pd.Series:
    values = sheet.frame[name]
    if pd.api.types.is_bool_dtype(values) and not request.is_text(name):
        return values.astype(float)
    if pd.api.types.is_numeric_dtype(values):
        numbers = _floats(values) if values.isna().any() else values
        _check_finite(sheet, name, numbers)
        return _as_categories(numbers) if request.is_text(name) else numbers
    tidy = _tidy(values, request)
    known = tidy.dropna()
    if known.empty:
        return pd.Series(np.nan, index=values.index)
    if request.is_text(name) or (sheet.typed and not request.is_numeric(name)):
        return (
            _floats(tidy)
            if _all_numbers(known) and not request.is_text(name)
            else _as_categories(tidy)
        )
    return _numbers_or_text(sheet, name, tidy, request)


def _floats(values: pd.Series) -> pd.Series:
    return pd.Series(values.to_numpy(dtype=float, na_value=np.nan), index=values.index)


def _as_categories(values: pd.Series) -> pd.Series:
    return pd.Series([None if _absent(v) else _text(v) for v in values], values.index, dtype=object)


def _all_numbers(known: pd.Series) -> bool:
    """Whether values kept as objects are all numbers, decimals or booleans."""
    return all(hasattr(value, "__float__") for value in known)


def _tidy(values: pd.Series, request: Request) -> pd.Series:
    """Return objects with None where a marker of missing values or nothing stands."""
    cells = values.astype(object).tolist()
    tidy = [None if _absent(c) or _is_marker(c, request) else c for c in cells]
    return pd.Series(tidy, index=values.index, dtype=object)


def _is_marker(cell: Any, request: Request) -> bool:
    return isinstance(cell, str) and cell.strip() in request.missing


def _numbers_or_text(sheet: Sheet, name: str, tidy: pd.Series, request: Request) -> pd.Series:
    known = tidy.dropna()
    numbers = pd.to_numeric(known, errors="coerce")
    wrong = numbers.isna()
    if not wrong.any():
        floats = numbers.astype(float).reindex(tidy.index)
        _check_finite(sheet, name, floats)
        return floats
    if request.is_numeric(name) or 1 - wrong.mean() >= _MOSTLY:
        raise _text_among_numbers(sheet, name, known, wrong)
    return _as_categories(tidy)


def _text_among_numbers(sheet: Sheet, name: str, known: pd.Series, wrong: pd.Series) -> InputError:
    row = int(known.index[wrong][0])
    cell = _text(known[row])
    if re.fullmatch(r"\s*[<>≤≥]=?\s*[\d.]+\s*", cell):
        way = "write a number in place of a value beyond the limit of measurement"
    elif re.fullmatch(r"\s*[-+]?\d+,\d+\s*", cell):
        way = "write numbers with a decimal point"
    else:
        way = "correct it"
    return InputError(
        f"{sheet.place(row, name)}: {cell!r} stands where a number is due "
        f"({int((~wrong).sum())} of {len(known)} cells are numbers); {way}, or say that it "
        f"means missing (missing_values=[{cell!r}], --missing {cell!r}) or that {name!r} holds "
        f"categories (kinds={{{name!r}: 'categorical'}}, --categorical {name!r})."
    )


def _check_finite(sheet: Sheet, name: str, numbers: pd.Series) -> None:
    infinite = np.flatnonzero(np.isinf(numbers.to_numpy(dtype=float)))
    if len(infinite):
        raise InputError(
            f"{sheet.place(int(infinite[0]), name)}: the value is infinite or too large; write a "
            "number, or leave it empty if it was not measured."
        )


def _warn_of_empty(sheet: Sheet, frame: pd.DataFrame) -> None:
    empty = [name for name, none in frame.isna().all().items() if none]
    if empty:
        warnings.warn(
            f"{sheet.path}: {len(empty)} of {frame.shape[1]} columns are empty: {listing(empty)}.",
            InputWarning,
            stacklevel=2,
        )
