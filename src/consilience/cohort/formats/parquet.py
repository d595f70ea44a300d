"""Parquet files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from consilience.cohort.formats.foreign import parsing
from consilience.cohort.formats.header import check_names, id_column_of
from consilience.cohort.formats.sheet import Request, Sheet
from consilience.errors import InputError


def read_parquet(path: Path, request: Request) -> Sheet:
    """Read a Parquet file; an index that pandas stored counts as the first column.

    Raises
    ------
    InputError
        If the file is cut short or damaged, a column holds lists or bytes, or nothing
        says where the ids are.
    """
    with parsing(path, "Parquet"):
        table = pq.read_table(path, partitioning=None)
        stored = _stored_index(table)
        names = [str(name) for name in table.column_names]
    if not names:
        raise InputError(f"{path} has no columns.")
    first = [name for name in stored if name in names]
    order = [*first, *(name for name in names if name not in first)]
    check_names(order, path)
    id_column = id_column_of(order, request.id_column_in(order) or _named_index(first), path)
    _check_types(table, path)
    with parsing(path, "Parquet"):
        frame = table.to_pandas(ignore_metadata=True)
    ids = frame.pop(id_column)
    rest = [name for name in order if name != id_column]
    return Sheet(path, ids, frame[rest], lambda row: row + 1, typed=True)


def _stored_index(table: pa.Table) -> list[str]:
    """Return the columns that pandas stored as the index; a counter is none."""
    columns = (table.schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in columns if isinstance(name, str)]


def _named_index(first: list[str]) -> str | None:
    return first[0] if len(first) == 1 else None


def _check_types(table: pa.Table, path: Path) -> None:
    for column in table.schema:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise InputError(
                f"{path}, column {column.name!r}: it holds {kind}, not numbers or text; "
                "leave it out or spread it over columns."
            )
