"""Text files: CSV, TSV."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv

from consilience.cohort.formats.header import check_names, id_column_of
from consilience.cohort.formats.layout import Layout, layout_of
from consilience.cohort.formats.sheet import Request, Sheet
from consilience.errors import InputError, InputWarning

_BLOCK = 1 << 25  # a line must fit into one block, and omics have long lines


def read_delimited(path: Path, request: Request) -> Sheet:
    """Read a text file whose cells are separated by commas, semicolons or tabs.

    The delimiter is found by looking; in files with semicolons "1,5" is a number where
    no "1.5" stands among the first lines. A header that is one name short, as R writes
    it, leaves the first column unnamed.

    Raises
    ------
    InputError
        If it is not UTF-8, a line has more or fewer cells than the header, a quote is
        not closed, a name stands twice, or nothing says where the ids are.
    """
    layout = layout_of(path)
    check_names(layout.names, path)
    id_column = id_column_of(layout.names, request.id_column_in(layout.names), path)
    at = layout.names.index(id_column)
    texts = [i for i, name in enumerate(layout.names) if i == at or request.is_text(name)]
    cells = _cells(layout, request, texts)
    _check_quotes(layout, cells.num_rows)
    frame = cells.to_pandas()
    ids = frame.pop(str(at)).rename(id_column)
    names = [name for i, name in enumerate(layout.names) if i != at]
    frame = _without_unnamed(frame.set_axis(range(frame.shape[1]), axis=1), names, path)
    return Sheet(path, ids, frame, layout.line_of, unit="line")


def _cells(layout: Layout, request: Request, texts: Sequence[int]) -> pa.Table:
    """Return the cells, columns called "0", "1", ...; dates stay the text they are."""
    table = _parsed(layout, request, texts)
    dates = [i for i, f in enumerate(table.schema) if pa.types.is_temporal(f.type)]
    return _parsed(layout, request, [*texts, *dates]) if dates else table


def _parsed(layout: Layout, request: Request, texts: Sequence[int]) -> pa.Table:
    try:
        return arrow_csv.read_csv(
            layout.path,
            read_options=arrow_csv.ReadOptions(
                column_names=[str(i) for i in range(len(layout.names))],
                skip_rows=layout.header_lines,
                block_size=_BLOCK,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=layout.delimiter, newlines_in_values=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                null_values=list(request.missing),
                strings_can_be_null=True,
                true_values=["true", "True", "TRUE"],
                false_values=["false", "False", "FALSE"],
                decimal_point=layout.decimal,
                column_types={str(i): pa.string() for i in texts},
            ),
        )
    except pa.ArrowInvalid as reason:
        if "Empty CSV" in str(reason):
            raise InputError(
                f"{layout.path} has no rows below the names of its columns."
            ) from reason
        _check_records(layout)
        raise InputError(f"{layout.path} cannot be read as text: {reason}") from reason


def _check_quotes(layout: Layout, n_rows: int) -> None:
    """Look closely where rows and lines disagree: a quote left open swallows lines."""
    if layout.n_lines - layout.header_lines not in (n_rows, n_rows - 1):
        _check_records(layout)


def _check_records(layout: Layout) -> None:
    """Refuse a record with too many cells, too few, or an open quote; tell of spread ones."""
    due, line, spread = len(layout.names), layout.header_lines, []
    try:
        for line, cells in layout.records():
            spread += [line] if any("\n" in cell for cell in cells) else []
            if len(cells) != due:
                raise InputError(
                    f"{layout.path}, line {line}: {len(cells)} cells where the header has {due}; "
                    "quote cells that hold the delimiter, and fill up short lines."
                )
    except csv.Error as reason:
        raise InputError(
            f"{layout.path}: a quote is opened and not closed after line {line} ({reason})."
        ) from reason
    if spread:
        warnings.warn(
            f"{layout.path}, line {spread[0]}: a quoted cell goes over more than one line "
            f"({len(spread)} such rows); if that is not meant, a quote is missing.",
            InputWarning,
            stacklevel=2,
        )


def _without_unnamed(frame: pd.DataFrame, names: Sequence[str], path: Path) -> pd.DataFrame:
    """Name the columns; an unnamed one that is empty is an artefact of a trailing delimiter."""
    unnamed = [i for i, name in enumerate(names) if not name]
    for i in unnamed:
        if frame[i].notna().any():
            raise InputError(
                f"{path}, line 1: a column right of {names[i - 1]!r} has no name; name it."
            )
    if unnamed:
        warnings.warn(
            f"{path}: {len(unnamed)} columns without a name and without a value were left out.",
            InputWarning,
            stacklevel=2,
        )
    kept = [i for i in range(len(names)) if i not in set(unnamed)]
    return frame[kept].set_axis([names[i] for i in kept], axis=1)
