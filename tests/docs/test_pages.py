"""Every example in the docs runs, in the page's order, and prints what the page says.

A block ``python`` or ``bash`` is run in a folder of its own for the page; one with a
title is a file and is written there; a block ``text`` is what the block before it
prints, with "..." for what differs from run to run.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
RUN_ELSEWHERE = {"add-a-method.md", "add-a-reader.md", "add-a-metric.md", "command-line.md"}


def run_python(text: str, name: str, line: int, namespace: dict[str, object]) -> str:
    """Run a block in the page's namespace and return what it prints."""
    source = "\n" * line + text
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(source, name, "exec"), namespace)
    return printed.getvalue()


def run_bash(text: str, folder: Path) -> str:
    """Run a block as a reader would type it and return what it prints."""
    scripts = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env={
            **os.environ,
            "PATH": scripts + os.pathsep + os.environ["PATH"],
            "COLUMNS": "100",
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


TOKEN = re.compile(r"(?P<any>\.\.\.)|(?P<decimal>\d+\.\d{2,})|(?P<space>\s+)|(?P<text>.)")
PATTERNS = {"any": r"[\s\S]*?", "decimal": r"(\d+\.\d+)", "space": r"\s+"}


def same(expected: str, printed: str) -> bool:
    """Return whether a text matches, with "..." standing for anything.

    Blanks and line breaks count for nothing. A number written with two decimals or more
    may differ by one in its last: processors round differently.
    """
    tokens = TOKEN.finditer(expected.strip())
    kinds = [(match.lastgroup or "", match[0]) for match in tokens]
    pattern = "".join(PATTERNS.get(kind, re.escape(text)) for kind, text in kinds)
    found = re.fullmatch(pattern, printed.strip())
    written = [text for kind, text in kinds if kind == "decimal"]
    return found is not None and all(map(_close, written, found.groups()))


def _close(written: str, shown: str) -> bool:
    last = 10.0 ** -len(written.partition(".")[2])
    return len(shown) == len(written) and abs(float(written) - float(shown)) < 1.5 * last


def test_the_comparison_can_fail() -> None:
    assert same("a 1.5\n...\nz\n", "a   1.5\nb\nc\nz\n")
    assert same("a 1.53 (x...z)", "a 1.54\n(xyz)")
    assert not same("a 1.5\n", "a 1.6\n")
    assert not same("a 1.53\n", "a 1.55\n")
    assert not same("a 1.53\n", "a 1.53 b\n")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in RUN_ELSEWHERE])
def test_examples_run_and_print_what_the_page_says(
    page: str, blocks_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "page"}
    printed = ""
    for block in blocks_of(DOCS / page):
        where = f"docs/{page}:{block.line}"
        if block.title:
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            printed = run_python(block.text, where, block.line, namespace)
        elif block.language == "bash":
            printed = run_bash(block.text, tmp_path)
        elif block.language == "text":
            assert same(block.text, printed), f"{where} printed:\n{printed}"
            printed = ""


def test_bash_is_there() -> None:
    assert shutil.which("bash")


def test_the_tutorial_is_run(blocks_of) -> None:
    languages = [block.language for block in blocks_of(DOCS / "tutorial.md")]
    assert {"python", "bash", "text"} <= set(languages)
    assert len(languages) > 10
