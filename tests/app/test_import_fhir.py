"""`consilience cohort import-fhir`: the same cohort as the library makes, and what is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consilience.app.main import main
from consilience.clinic.fhir import read_map, read_population, synthetic_patients
from consilience.cohort import open_cohort
from consilience.study.bundle.schema import Schema

MAP = """
[tables.labs.creatinine]
codes = ["loinc|2160-0"]
unit = "umol/L"

[tables.clinical.age]
codes = ["patient|age"]
unit = "years"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with records of six invented patients, and a file that is none."""
    nothing = Schema(patients=1, modalities=())
    (tmp_path / "records").mkdir()
    for place, record in enumerate(synthetic_patients(nothing, 6, now=datetime.now(UTC))):
        (tmp_path / "records" / f"{place}.json").write_text(json.dumps(record))
    (tmp_path / "records" / "note.json").write_text("{}")
    (tmp_path / "map.toml").write_text(MAP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """A function that types a command and returns status, stdout and stderr."""

    def typed(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["cohort", "import-fhir", *words])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return typed


def test_it_makes_what_the_library_makes(folder: Path, run: Any) -> None:
    status, out, _ = run("records", "--map", "map.toml", "--out", "mine")
    assert status == 0
    ours, library = open_cohort("mine"), read_population("records", read_map("map.toml"))
    assert ours.modalities["labs"].frame.equals(library.modalities["labs"].frame)
    known = int(library.modalities["labs"].frame["creatinine"].notna().sum())
    line = next(line for line in out.splitlines() if line.startswith("creatinine"))
    assert line.split() == ["creatinine", "umol/L", str(known), "of", "6"]
    assert "note.json" in out


def test_a_dry_run_tells_the_same_and_writes_nothing(folder: Path, run: Any) -> None:
    status, out, _ = run("records", "--map", "map.toml", "--dry-run", "--out", "mine")
    assert status == 0
    assert "creatinine" in out
    assert "Nothing was written" in out
    assert not (folder / "mine").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("records", "--out", "x"), "either --map FILE or --bundle BUNDLE"),
        (("records", "--map", "map.toml"), "say where to write"),
        (("records", "--map", "none.toml", "--out", "x"), "none.toml: it cannot be read"),
        (("nowhere", "--map", "map.toml", "--out", "x"), "no such folder"),
        (("records", "--map", "map.toml", "--out", "x", "--strict"), "note.json"),
        (("records", "--map", "map.toml", "--out", "records"), "is not empty"),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: Path, run: Any, words: tuple[str, ...], said: str
) -> None:
    status, _, err = run(*words)
    assert status == 2
    assert said in err
    assert "Traceback" not in err
