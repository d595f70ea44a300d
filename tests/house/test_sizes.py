"""Small pieces: functions, files and signatures that can be read at once."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

LONGEST_FUNCTION = 60
LONGEST_FILE = 500
MOST_PARAMETERS = 7


def test_functions_are_short(functions) -> None:
    assert len(functions) > 100
    long = [f"{f.where}: {f.lines} lines" for f in functions if f.lines > LONGEST_FUNCTION]
    assert not long
    assert median(f.lines for f in functions) <= 25


def test_files_are_short(sources: dict[Path, ast.Module]) -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert len(lengths) > 20
    assert {p.name: n for p, n in lengths.items() if n > LONGEST_FILE} == {}


def test_signatures_are_short(functions) -> None:
    # A command's parameters are its options: each is one line of its help.
    free = [f for f in functions if f.node.name != "__init__" and f.file.parent.name != "app"]
    wide = [f"{f.where}: {f.parameters}" for f in free if f.parameters > MOST_PARAMETERS]
    assert not wide
