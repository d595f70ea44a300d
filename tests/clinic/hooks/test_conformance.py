"""Every requirement in the table of docs/cds-hooks.md has the test that it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROW = re.compile(r"^\|(?P<requirement>[^|]+)\|(?P<tests>[^|]+)\|$", re.MULTILINE)
NAME = re.compile(r"`(test_\w+)\.(test_\w+)`")


def table(root: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    whole = (root / "docs" / "cds-hooks.md").read_text(encoding="utf-8")
    page = whole.partition("## Conformance")[2]
    rows = [(row["requirement"].strip(), NAME.findall(row["tests"])) for row in ROW.finditer(page)]
    return [row for row in rows if row[0] not in ("Requirement", "---")]


def test_every_requirement_names_a_test_that_exists(root: Path):
    here = Path(__file__).parent
    tests = {
        (path.stem, node.name)
        for path in here.glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    rows = table(root)
    assert len(rows) >= 35
    for requirement, named in rows:
        assert named, f"no test is named for: {requirement}"
        assert set(named) <= tests, f"{requirement}: {set(named) - tests}"
