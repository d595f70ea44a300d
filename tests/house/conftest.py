"""The house as its tests see it: packages, modules, functions, tracked files."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import consilience

SOURCE = Path(consilience.__file__).parent


@dataclass(frozen=True)
class Function:
    """A function or method as it stands in a file."""

    file: Path
    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def where(self) -> str:
        return f"{self.file.relative_to(SOURCE.parent)}:{self.node.lineno} {self.node.name}"

    @property
    def lines(self) -> int:
        """Lines from def to the last, without decorators and docstring."""
        body = self.node.body
        docstring = body[0] if ast.get_docstring(self.node, clean=False) is not None else None
        spared = docstring.end_lineno - docstring.lineno + 1 if docstring else 0
        return self.node.end_lineno - self.node.lineno + 1 - spared

    @property
    def parameters(self) -> int:
        """Parameters but self and cls."""
        given = self.node.args
        names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        return len(names) + bool(given.vararg) + bool(given.kwarg)


@pytest.fixture(scope="session")
def sources() -> dict[Path, ast.Module]:
    """Every file of the package, parsed."""
    return {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))
    }


@pytest.fixture(scope="session")
def functions(sources: dict[Path, ast.Module]) -> list[Function]:
    """Every function and method of the package."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        Function(path, node)
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


@pytest.fixture(scope="session")
def packages() -> list[ModuleType]:
    """The package and its subpackages."""
    found = pkgutil.walk_packages(consilience.__path__, "consilience.")
    return [consilience, *(importlib.import_module(m.name) for m in found if m.ispkg)]


@pytest.fixture(scope="session")
def modules() -> list[ModuleType]:
    """Every module of the package."""
    found = pkgutil.walk_packages(consilience.__path__, "consilience.")
    names = [m.name for m in found if not m.name.endswith("__main__")]
    return [consilience, *(importlib.import_module(name) for name in names)]


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Every file under version control."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("the project is not under version control here")
    paths = [root / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]
