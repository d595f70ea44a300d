"""Write a page of reference for every subpackage, and the change log's page."""

from __future__ import annotations

import ast
from pathlib import Path

import mkdocs_gen_files

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "consilience"


def summary(path: Path) -> str:
    """Return the first line of a file's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def page(module: str, title: str, line: str) -> None:
    """Write the page of one module."""
    with mkdocs_gen_files.open(f"reference/{title}.md", "w") as file:
        file.write(f"# consilience.{title}\n\n{line}\n\n::: {module}\n")


packages = sorted(path.parent for path in SOURCE.glob("*/__init__.py"))
documented = [(folder.name, folder / "__init__.py") for folder in packages]
documented += [(name, SOURCE / f"{name}.py") for name in ("records", "errors", "extras")]

nav = []
for name, path in documented:
    page(f"consilience.{name}", name, summary(path))
    nav.append(f"* [{name}]({name}.md)\n")
with mkdocs_gen_files.open("reference/SUMMARY.md", "w") as file:
    file.writelines(nav)

with mkdocs_gen_files.open("changes.md", "w") as file:
    file.write((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
