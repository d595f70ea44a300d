"""A table in a Parquet file, read when it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from consilience.cohort.cohort_file import TableEntry
from consilience.cohort.modality import FloatArray, patient_index
from consilience.cohort.table import Blocks, Kind, Table, TableSource
from consilience.errors import InputError, listing

GROUP = 1_000_000  # numbers a row group: 8 MB while it is read
FEWEST_ROWS = 1024  # a wide table would otherwise drown in the file's own bookkeeping
READ_ERRORS = (pa.ArrowException, OSError)


def write_table(path: Path, table: Table) -> TableEntry:
    """Write a table as Parquet: the ids, then every feature in order, dtypes kept."""
    single = table.numeric_at(np.arange(0)).dtype == np.float32
    entry = TableEntry(
        patients=len(table),
        dtype="float32" if single else "float64",
        kinds=table.kinds,
        units=table.units,
    )
    schema = _schema(entry)
    rows = max(FEWEST_ROWS, GROUP // max(1, table.n_features))
    text = [name for name, kind in entry.kinds.items() if kind == "categorical"]
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=text,
        write_statistics=False,
        write_page_checksum=True,
    ) as writer:
        for start in range(0, len(table), rows):
            part = table.take(np.arange(start, min(start + rows, len(table))))
            writer.write_table(_arrow(part, schema), row_group_size=rows)
    return entry


def open_table(path: Path, entry: TableEntry, patients: pd.Index) -> Table:
    """Return a stored table; only its ids and its layout are read now.

    The ids of `patients` are used where they are the same, not held a second time.

    Raises
    ------
    InputError
        If the file is not there, cut short, or not what the entry says.
    """
    stored = StoredTable(path, tuple(entry.kinds.items()), entry.dtype, entry.patients)
    index = stored.ids()
    index = patients if index.equals(patients) else index
    return Table.from_source(TableSource(index, entry.kinds, entry.units, stored))


@dataclass(frozen=True)
class StoredTable:
    """Where a table's values are; called, it reads them. Small, so that it pickles well."""

    path: Path
    kinds: tuple[tuple[str, Kind], ...]
    dtype: str
    patients: int

    def ids(self) -> pd.Index:
        """Return the ids of the patients, after a look at the file's layout."""
        with self._opened() as file:
            name = file.schema_arrow.names[0]
            try:
                column = file.read(columns=[name]).column(0)
            except READ_ERRORS as reason:
                raise _unreadable(self.path, reason) from reason
        return patient_index(pd.Index(column.to_pandas()), str(self.path))

    def __call__(self) -> Blocks:
        """Read the values, row group after row group, into one array."""
        numeric = [i for i, (_, kind) in enumerate(self.kinds, 1) if kind != "categorical"]
        text = [i for i, (_, kind) in enumerate(self.kinds, 1) if kind == "categorical"]
        values: FloatArray = np.empty((self.patients, len(numeric)), dtype=self.dtype)
        texts: list[pa.Table] = []
        stop = 0
        with self._opened() as file:
            for group in range(file.num_row_groups):
                part = self._group(file, group)
                start, stop = stop, stop + part.num_rows
                for place, i in enumerate(numeric):
                    values[start:stop, place] = part.column(i).to_numpy()
                self._check_finite(values[start:stop], part, numeric)
                texts.append(part.select(text))
        values.flags.writeable = False
        pa.default_memory_pool().release_unused()
        return Blocks(values, self._categories(texts, text))

    def _opened(self) -> pq.ParquetFile:
        try:
            file = pq.ParquetFile(self.path, page_checksum_verification=True)
        except FileNotFoundError as reason:
            raise InputError(f"{self.path} is missing, though cohort.toml names it.") from reason
        except READ_ERRORS as reason:
            raise _unreadable(self.path, reason) from reason
        self._check_layout(file)
        return file

    def _check_layout(self, file: pq.ParquetFile) -> None:
        due = _schema_of(self.kinds, self.dtype)
        given = file.schema_arrow
        if given.names[1:] != due.names[1:]:
            odd = sorted(set(given.names[1:]) ^ set(due.names[1:])) or due.names[1:]
            raise InputError(
                f"{self.path} does not hold the features that cohort.toml names, in their "
                f"order; they differ at {listing(odd, most=3)}."
            )
        wrong = [f.name for f, g in zip(due, given, strict=True) if f.type != g.type]
        if wrong:
            raise InputError(
                f"{self.path}: {listing(wrong, most=3)} is not stored as cohort.toml says "
                f"({due.field(wrong[0]).type} is due)."
            )
        if file.metadata.num_rows != self.patients:
            raise InputError(
                f"{self.path} holds {file.metadata.num_rows} patients, but cohort.toml "
                f"says {self.patients}."
            )

    def _group(self, file: pq.ParquetFile, group: int) -> pa.Table:
        try:
            return file.read_row_group(group)
        except READ_ERRORS as reason:
            raise _unreadable(self.path, reason) from reason

    def _check_finite(self, values: FloatArray, part: pa.Table, numeric: list[int]) -> None:
        row, column = np.nonzero(np.isinf(values))
        if len(row):
            raise InputError(
                f"{self.path}: the value of {self.kinds[numeric[column[0]] - 1][0]!r} for "
                f"patient {part.column(0)[int(row[0])].as_py()!r} is infinite."
            )

    def _categories(self, parts: list[pa.Table], places: list[int]) -> pd.DataFrame:
        columns = {
            self.kinds[i - 1][0]: [v for part in parts for v in part.column(k).to_pylist()]
            for k, i in enumerate(places)
        }
        names = pd.Index(list(columns), dtype=object)
        rows = pd.RangeIndex(self.patients)
        return pd.DataFrame(columns, index=rows, columns=names, dtype=object)


def _schema(entry: TableEntry) -> pa.Schema:
    return _schema_of(tuple(entry.kinds.items()), entry.dtype)


def _schema_of(kinds: tuple[tuple[str, Kind], ...], dtype: str) -> pa.Schema:
    number = pa.from_numpy_dtype(np.dtype(dtype))
    names = {name for name, _ in kinds}
    own = "patient"
    while own in names:  # a feature may be called "patient", too
        own = f"_{own}"
    features = [
        pa.field(name, pa.string() if kind == "categorical" else number) for name, kind in kinds
    ]
    return pa.schema([pa.field(own, pa.string()), *features])


def _arrow(part: Table, schema: pa.Schema) -> pa.Table:
    numbers = dict(zip(part.numeric_features, np.asfortranarray(part.numeric).T, strict=True))
    text = part.categorical
    columns = [pa.array(part.index.to_numpy(dtype=object), pa.string())]
    for field in list(schema)[1:]:
        if field.name in numbers:
            columns.append(pa.array(numbers[field.name], field.type))
        else:
            columns.append(pa.array(text[field.name].to_numpy(dtype=object), pa.string()))
    return pa.Table.from_arrays(columns, schema=schema)


def _unreadable(path: Path, reason: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read as Parquet: it is cut short or damaged ({_short(reason)})."
    )


def _short(reason: Exception) -> str:
    return str(reason).strip().splitlines()[0][:200].rstrip(".") if str(reason) else "no reason"
