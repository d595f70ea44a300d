"""What a package exports exists, is explained where it is defined, and stands in the docs."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Packages whose page in docs/ carries another name.
PAGES = {"app": "command-line.md"}


def exported(packages: list[ModuleType]) -> list[tuple[str, str, Any]]:
    """Return package, name and object of every export."""
    found = [
        (package.__name__, name, getattr(package, name))
        for package in packages
        for name in getattr(package, "__all__", [])
    ]
    assert len(found) > 20
    return found


def public_methods(thing: type) -> list[tuple[str, Any]]:
    """Return the public methods and properties that our own classes define."""
    return [
        (name, inspect.getattr_static(thing, name))
        for name in dir(thing)
        if not name.startswith("_")
        and any(
            name in vars(base) and base.__module__.startswith("consilience")
            for base in thing.__mro__
        )
    ]


def test_every_package_says_what_it_exports(packages: list[ModuleType]) -> None:
    for package in packages:
        offered = [
            name
            for name, thing in vars(package).items()
            if not name.startswith("_") and not inspect.ismodule(thing)
        ]
        named = getattr(package, "__all__", [])
        assert not set(offered) - set(named), f"{package.__name__}: __all__ lacks {offered}"
        missing = [name for name in named if not hasattr(package, name)]
        assert not missing, f"{package.__name__} exports {missing}, which it has not"


def test_init_files_only_export(sources: dict[Path, ast.Module]) -> None:
    def exports(node: ast.stmt) -> bool:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = isinstance(node, ast.Assign) and all(
            isinstance(t, ast.Name) and t.id.startswith("__") for t in node.targets
        )
        return docstring or names or isinstance(node, ast.Import | ast.ImportFrom)

    inits = {path: tree for path, tree in sources.items() if path.name == "__init__.py"}
    others = [f"{p}:{n.lineno}" for p, tree in inits.items() for n in tree.body if not exports(n)]
    assert not others


def test_every_export_has_a_docstring(packages: list[ModuleType]) -> None:
    bare = []
    for package, name, thing in exported(packages):
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        if not inspect.getdoc(thing):
            bare.append(f"{package}.{name}")
        if inspect.isclass(thing):
            bare += [
                f"{package}.{name}.{method}"
                for method, member in public_methods(thing)
                if (inspect.isroutine(member) or isinstance(member, property))
                and not inspect.getdoc(getattr(thing, method))
            ]
    assert not bare


def test_docstrings_name_every_parameter(packages: list[ModuleType]) -> None:
    """Where a docstring has a section Parameters, it tells them all, and no others.

    "learner, modalities" in one line counts for both; so does "See `Fusion`" through it.
    """
    wrong = []
    for package, name, thing in exported(packages):
        doc = inspect.getdoc(thing) or ""
        section = re.search(r"^Parameters\n-+\n(.*?)(?=\n\w+\n-+\n|\Z)", doc, re.DOTALL | re.M)
        if not section or not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        lines = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: ?:.*)?$", section[1], re.MULTILINE)
        told = {word.strip(" *") for line in lines for word in line.split(",")}
        takes = set(inspect.signature(thing).parameters)
        if told != takes:
            wrong.append(f"{package}.{name}: {sorted(told ^ takes)}")
    assert not wrong


def test_every_export_stands_in_the_docs(packages: list[ModuleType], root: Path) -> None:
    absent = []
    for package, name, _ in exported(packages):
        if package == "consilience":
            continue
        top = package.split(".")[1]
        page = root / "docs" / PAGES.get(top, f"{top}.md")
        if not page.is_file():
            pytest.fail(f"docs/{page.name} is missing: {package} needs a page")
        if not re.search(rf"`{name}\b", page.read_text(encoding="utf-8")):
            absent.append(f"docs/{page.name}: {name}")
    assert not absent


def test_every_page_stands_in_the_navigation(root: Path) -> None:
    navigation = (root / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [p.relative_to(root / "docs").as_posix() for p in (root / "docs").rglob("*.md")]
    assert len(pages) > 5
    assert [page for page in pages if page not in navigation] == []
