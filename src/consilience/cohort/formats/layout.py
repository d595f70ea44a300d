"""How a text file separates its cells, found by looking at its first lines."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from consilience.cohort.formats.header import is_id_name
from consilience.errors import InputError

_DELIMITERS = (",", ";", "\t")
_SAMPLE = 50
_CHUNK = 1 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Layout:
    """How a text file is written.

    Attributes
    ----------
    path : Path
        The file.
    delimiter : str
        Comma, semicolon or tab.
    decimal : str
        "." or, in files with semicolons, ",".
    names : tuple of str
        Names of the columns; the first is empty where R left it out.
    header_lines : int
        Lines up to and with the names.
    n_lines : int
        Lines of the file.
    """

    path: Path
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    header_lines: int
    n_lines: int

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line each record begins in, and its cells; blank lines are skipped."""
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            begins = 1
            for cells in reader:
                if cells and begins > self.header_lines:
                    yield begins, cells
                begins = reader.line_num + 1

    def line_of(self, row: int) -> int:
        """Return the line in which a row, counted from 0, begins."""
        return next(islice((line for line, _ in self.records()), row, None))


def layout_of(path: Path) -> Layout:
    """Find how a text file is written.

    Raises
    ------
    InputError
        If it is not UTF-8 text, has no header, or has a single column.
    """
    n_lines = _check_text(path)
    delimiter = _delimiter(path)
    sample, header_lines = _first_records(path, delimiter, _SAMPLE)
    header, rows = [name.strip() for name in sample[0]], sample[1:]
    if len(header) == 1:
        raise InputError(
            f"{path}: only one column was found, {header[0][:60]!r}; a table needs an id column "
            "and at least one more, separated by commas, semicolons or tabs."
        )
    if _lacks_id_name(header, rows):
        header = ["", *header]
    return Layout(path, delimiter, _decimal(delimiter, rows), tuple(header), header_lines, n_lines)


def _check_text(path: Path) -> int:
    """Return how many lines a file has, refusing what is not UTF-8 text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as reason:
                line = lines + bytes(reason.object[: reason.start]).count(b"\n") + 1
                raise _not_text(path, line, reason.object[reason.start]) from reason
            if b"\0" in chunk:
                line = lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
                raise _not_text(path, line, 0)
            lines += chunk.count(b"\n")
            if not chunk:
                return lines


def _not_text(path: Path, line: int, byte: int) -> InputError:
    with path.open("rb") as file:
        start = file.read(4)
    encoding = "utf-16" if start.startswith(_UTF16) else "latin1"
    if start.startswith(_UTF16):
        kind = "it is UTF-16"
    elif start.startswith((b"PK", b"PAR1", b"\x89HDF", b"\x1f\x8b")):
        kind = "it is a binary file with the name of a text file"
    else:
        kind = f"byte 0x{byte:02x} in line {line} is not UTF-8 text"
    return InputError(
        f"{path}, line {line}: {kind}; save it as CSV UTF-8 "
        f"(in a shell: iconv -f {encoding} -t utf-8 OLD > NEW)."
    )


def _first_records(path: Path, delimiter: str, most: int) -> tuple[list[list[str]], int]:
    """Return the first records with cells, and the line in which the names end."""
    found: list[list[str]] = []
    header_lines = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    found.append(cells)
                header_lines = header_lines or (reader.line_num if found else 0)
                if len(found) > most:
                    break
        except csv.Error as reason:
            raise InputError(f"{path}, line {reader.line_num}: {reason}.") from reason
    if not found:
        raise InputError(f"{path} is empty: no line holds anything.")
    return found, header_lines


def _delimiter(path: Path) -> str:
    """Return the delimiter that splits names and first row alike into most cells."""

    def agreement(delimiter: str) -> tuple[bool, bool, int]:
        try:
            records, _ = _first_records(path, delimiter, 3)
        except InputError:  # a long line is one huge cell under the wrong delimiter
            return False, False, 0
        n = len(records[0])
        alike = n > 1 and all(len(cells) in (n, n + 1) for cells in records[1:3])
        return alike, path.suffix.lower() == ".tsv" and delimiter == "\t" and n > 1, n

    return max(_DELIMITERS, key=agreement)


def _lacks_id_name(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether all rows have one cell more than the names, as R's write.table makes them."""
    longer = len(rows) > 1 and all(len(cells) == len(header) + 1 for cells in rows)
    ends = any(cells[-1].strip() for cells in rows)
    return longer and ends and not is_id_name(header[0])


def _decimal(delimiter: str, rows: Sequence[Sequence[str]]) -> str:
    if delimiter != ";":
        return "."
    cells = [cell.strip() for row in rows for cell in row]
    comma = any(re.fullmatch(r"[-+]?\d+,\d+", cell) for cell in cells)
    point = any(re.fullmatch(r"[-+]?\d+\.\d+", cell) for cell in cells)
    return "," if comma and not point else "."
