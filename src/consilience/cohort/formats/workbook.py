"""Workbooks: XLSX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from consilience.cohort.formats.foreign import parsing
from consilience.cohort.formats.header import check_names, id_column_of
from consilience.cohort.formats.sheet import Request, Sheet
from consilience.errors import InputError, listing, suggestion


def read_workbook(path: Path, request: Request) -> Sheet:
    """Read one sheet of a workbook; the first row that is not empty holds the names.

    Raises
    ------
    InputError
        If the file is cut short or damaged, the sheet is not there or empty, a cell
        stands right of the last name, or nothing says where the ids are.
    """
    rows = _rows(path, request.sheet)
    filled = [number for number, row in enumerate(rows) if any(cell is not None for cell in row)]
    if not filled:
        raise InputError(f"{path} is empty: no cell of the sheet holds anything.")
    top = filled[0]
    names = _names(rows[top])
    check_names(names, path)
    if len(names) < 2:
        raise InputError(
            f"{path}: there is only one column, {names[0]!r}; no measurement stands beside it."
        )
    _check_width(rows, len(names), top, path)
    if top + 1 >= len(rows):
        raise InputError(f"{path} has no rows below the names of its columns.")
    id_column = id_column_of(names, request.id_column_in(names), path)
    body = [list(row[: len(names)]) + [None] * (len(names) - len(row)) for row in rows[top + 1 :]]
    frame = pd.DataFrame(body, columns=names, dtype=object)
    ids = frame.pop(id_column)
    return Sheet(path, ids, frame, lambda row: top + row + 2)


def _rows(path: Path, sheet: str | None) -> list[tuple[Any, ...]]:
    with parsing(path, "XLSX"):
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        known = [found.title for found in book.worksheets]
    try:
        if not known or (sheet is not None and sheet not in known):
            raise InputError(
                f"{path} has no sheet {sheet!r}; it has {listing(known)}.{suggestion(sheet, known)}"
            )
        with parsing(path, "XLSX"):
            return list(book[sheet or known[0]].iter_rows(values_only=True))
    finally:
        book.close()


def _names(cells: tuple[Any, ...]) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names


def _check_width(rows: list[tuple[Any, ...]], width: int, top: int, path: Path) -> None:
    for number, row in enumerate(rows):
        if any(cell is not None for cell in row[width:]):
            raise InputError(
                f"{path}, row {number + 1}: a cell stands right of the last named column; "
                f"name its column in row {top + 1} or clear it."
            )
    unnamed = [i for i, name in enumerate(_names(rows[top])) if not name and i]
    if unnamed:
        raise InputError(f"{path}, row {top + 1}: column {unnamed[0] + 1} has no name; name it.")
