"""Importing is light, goes one way, and brings in what is used only when it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "ray", "dask", "sklearn", "sksurv", "matplotlib", "scipy", "anndata", "jinja2")


def loaded_after(statement: str) -> set[str]:
    """Return the top-level names in sys.modules after a statement in a fresh interpreter."""
    report = "import sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def test_the_probe_sees_what_is_loaded() -> None:
    assert "sklearn" in loaded_after("import consilience.fusion")


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = loaded_after("import consilience")
    assert "consilience" in loaded
    assert not loaded & {*HEAVY, "pandas", "numpy", "pyarrow"}


@pytest.mark.parametrize("arguments", [["--help"], ["study", "--help"], ["cohort", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    statement = (
        "import sys\n"
        f"sys.argv = ['consilience', *{arguments!r}]\n"
        "from consilience.app.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    loaded = loaded_after(statement)
    assert "typer" in loaded
    assert not loaded & {*HEAVY, "pandas", "pyarrow"}


@pytest.mark.parametrize("package", ["cohort", "metrics", "fusion", "trust", "study"])
def test_no_package_needs_an_extra(package: str) -> None:
    extras = {"torch", "lightning", "ray", "dask", "distributed", "anndata", "mudata"}
    assert not loaded_after(f"import consilience.{package}") & extras


def test_imports_go_one_way(root: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "KEPT" in done.stdout
