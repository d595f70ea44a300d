"""What a file holds before it is a table: ids, columns, and where each row stands."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from consilience.cohort.table import Kind

MISSING_MARKERS = frozenset({"", "NA", "NaN", "nan", "null", "NULL", "n/a", "N/A", "<NA>", "#N/A"})
"""Text that counts as missing in every file."""


@dataclass(frozen=True)
class Request:
    """How the user wants a file to be read.

    Attributes
    ----------
    id_column : str or None
        Column with the patient ids; None finds it by its name.
    missing : collection of str
        Text that counts as missing.
    kinds : dict of str to Kind
        Kinds the user declared: a "categorical" column is kept as text.
    units : dict of str to str
        Units the user declared.
    sheet : str or None
        Sheet of a workbook; None is the first.
    shared : bool
        Whether the request is for several files: then a column it names need not be in
        this one.
    """

    id_column: str | None = None
    missing: Collection[str] = MISSING_MARKERS
    kinds: dict[str, Kind] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    sheet: str | None = None
    shared: bool = False

    def id_column_in(self, names: Collection[str]) -> str | None:
        """Return the id column the user named, None where it may be found by its name."""
        return None if self.shared and self.id_column not in names else self.id_column

    def is_text(self, column: str) -> bool:
        """Whether the user said that a column holds categories."""
        return self.kinds.get(column) == "categorical"

    def is_numeric(self, column: str) -> bool:
        """Whether the user said that a column holds numbers."""
        return column in self.kinds and not self.is_text(column)


@dataclass(frozen=True)
class Sheet:
    """The columns of one file as they were written.

    Attributes
    ----------
    path : Path
        The file.
    ids : Series
        Patient ids as text, None where there is none; one a row.
    frame : DataFrame
        The other columns: numbers, booleans, or objects (text, None if missing).
    line : callable
        Where a row (counted from 0) stands in the file, counted as the user's editor does.
    unit : str
        What `line` counts: "line" of a text file, "row" of a sheet.
    typed : bool
        Whether the format itself keeps numbers and text apart, so that text is meant.
    """

    path: Path
    ids: pd.Series
    frame: pd.DataFrame
    line: Callable[[int], int]
    unit: str = "row"
    typed: bool = False

    def place(self, row: int, column: str | None = None) -> str:
        """Return the words that lead a user to a cell: file, line and column."""
        where = f"{self.path}, {self.unit} {self.line(row)}"
        return where if column is None else f"{where}, column {column!r}"
