"""What all tests share: the real data, quiet libraries, and examples that repeat."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"

# Machines differ in speed, and a failure must come back on the next run.
settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real cohorts beside the project; tests that need it skip without it."""
    if not DATA.is_dir():
        pytest.skip(f"the real data is not at {DATA.relative_to(ROOT.parent)} beside the project")
    return DATA


@pytest.fixture(scope="session")
def browser() -> str:
    """The path of a headless browser; tests that need one skip without it."""
    import shutil

    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium is installed")


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown page."""

    language: str
    title: str
    text: str
    line: int


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[Path], list[Block]]:
    """A function that returns the fenced blocks of a page, in order."""
    fence = re.compile(r"^( *)```(\w+)?([^\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)

    def blocks(page: Path) -> list[Block]:
        whole = page.read_text(encoding="utf-8")
        found = []
        for match in fence.finditer(whole):
            title = re.search(r'title="([^"]+)"', match[3])
            line = whole.count("\n", 0, match.start()) + 1
            found.append(
                Block(match[2] or "", title[1] if title else "", textwrap.dedent(match[4]), line)
            )
        return found

    return blocks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they ask for."""
    for item in items:
        for name in ("data", "browser"):
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(name)
