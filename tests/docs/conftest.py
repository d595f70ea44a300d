"""A copy of the project in which the steps of a how-to page are taken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

collect_ignore = ["refresh.py"]  # a script, which doctest would import


@dataclass(frozen=True)
class Copy:
    """A copy of source, tests and docs; what runs in it imports the copy."""

    root: Path

    def write(self, blocks: list) -> None:
        """Write the blocks that have a title, each to the file it names."""
        for block in blocks:
            if block.title:
                path = self.root / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")

    def export(self, package: str, statement: str, name: str) -> None:
        """Add an import and a name to a package's exports."""
        path = self.root / "src" / "consilience" / package / "__init__.py"
        before = path.read_text(encoding="utf-8")
        assert before.count("__all__ = [") == 1
        after = before.replace("__all__ = [", f"__all__ = [\n    {name!r},")
        path.write_text(f"{after}\n{statement}\n", encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root / "src")},
            capture_output=True,
            text=True,
            check=False,
        )

    def pytest(self, *arguments: str) -> str:
        """Run tests in the copy and return what pytest prints; fail if they fail."""
        done = self.run("-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Callable[[], Copy]:
    """A function that makes the copy."""

    def make() -> Copy:
        unwanted = shutil.ignore_patterns("__pycache__")
        for name in ("src", "tests", "docs"):
            shutil.copytree(root / name, tmp_path / "project" / name, ignore=unwanted)
        for name in ("pyproject.toml", "mkdocs.yml"):
            shutil.copy(root / name, tmp_path / "project" / name)
        copy = Copy(tmp_path / "project")
        where = copy.run("-c", "import consilience; print(consilience.__file__)").stdout
        assert where.startswith(str(copy.root))
        return copy

    return make
