"""What goes wrong on the command line ends in one sentence, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.app.main import main
from consilience.cohort import Cohort, Multiclass, Table, save_cohort, synthetic_cohort
from consilience.fusion import EarlyFusion
from consilience.study import Candidate, Protocol, Study
from consilience.study.candidates import default_learner
from consilience.study.finding import Finding

STUDY = """
cohort = "cohort"
[outcome]
kind = "binary"
column = "outcome"
[protocol]
folds = 2
repeats = 1
inner_folds = 2
bootstrap = 100
permutations = 0
importance = false
leave_one_out = false
"""
SLOW = STUDY.replace("repeats = 1", "repeats = 200")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    cohort, _ = synthetic_cohort(40, modalities=2, features=3, seed=0)
    save_cohort(cohort, folder / "cohort")
    (folder / "study.toml").write_text(STUDY)
    (folder / "slow.toml").write_text(SLOW)
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]):
    """Run a command that must end with status 2 and one sentence; return the sentence."""

    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert ended.value.code == 2
        error = capsys.readouterr().err
        said = [line for line in error.splitlines() if line.startswith("Error: ")]
        assert len(said) == 1 and "Traceback" not in error
        return said[0]

    return run


def started(place: Path, out: Path) -> subprocess.Popen[str]:
    """Start a long study, and return when its first results are there."""
    program = "from consilience.app.main import main; main()"
    command = [sys.executable, "-c", program, "study", "run", str(place / "slow.toml")]
    running = subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if list(out.glob("folds/*.parquet")) or running.poll() is not None:
            break
        time.sleep(0.1)
    assert running.poll() is None
    return running


@pytest.mark.parametrize("reason", [signal.SIGINT, signal.SIGTERM])
def test_stopping_says_how_to_go_on(place: Path, tmp_path: Path, reason: signal.Signals) -> None:
    running = started(place, tmp_path / "out")
    running.send_signal(reason)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 128 + reason
    assert "Stopped." in error and "--resume" in error and "Traceback" not in error
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_another_run_writes_to_is_refused(
    place: Path, tmp_path: Path, refused
) -> None:
    out = tmp_path / "out"
    running = started(place, out)
    try:
        said = refused("study", "run", place / "slow.toml", "--out", out, "--resume")
    finally:
        running.kill()
        running.communicate()
    assert "another run" in said


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_file_in_the_place_of_the_folder(
    place: Path, tmp_path: Path, refused, inside: str
) -> None:
    (tmp_path / "thesis").write_text("years of work")
    said = refused("study", "run", place / "study.toml", "--out", tmp_path / "thesis" / inside)
    assert "no folder" in said
    assert (tmp_path / "thesis").read_text() == "years of work"


@pytest.mark.parametrize(
    "options", [("--engine", "spark"), ("--jobs", "100000")], ids=["engine", "jobs"]
)
def test_nothing_is_made_where_the_engine_cannot_run(
    place: Path, tmp_path: Path, refused, options: tuple[str, str]
) -> None:
    said = refused("study", "run", place / "study.toml", "--out", tmp_path / "out", *options)
    assert options[0].strip("-") in said
    assert not (tmp_path / "out").exists()


def test_damaged_results_are_named_and_can_be_made_anew(
    place: Path, tmp_path: Path, refused
) -> None:
    out = tmp_path / "out"
    run = ["study", "run", place / "study.toml", "--out", out]
    main_ok(*run)
    whole = numbers(out)
    first, second = sorted(out.glob("folds/*.parquet"))[:2]
    first.write_bytes(first.read_bytes()[:100])
    assert str(first) in refused(*run, "--resume")
    first.write_bytes(second.read_bytes())
    said = refused(*run, "--resume")
    assert str(first) in said and "another result" in said
    first.unlink()
    main_ok(*run, "--resume")
    assert numbers(out) == whole


@pytest.mark.parametrize("content", ["{", "3", "\x00"])
def test_a_damaged_mark_of_the_study_is_named(
    place: Path, tmp_path: Path, refused, content: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "identity.json").write_text(content)
    run = ["study", "run", place / "study.toml", "--out", tmp_path / "out", "--resume"]
    assert "identity.json" in refused(*run)


def test_a_folder_taken_away_under_a_run_is_named(place: Path, tmp_path: Path) -> None:
    running = started(place, tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    _, error = running.communicate(timeout=60)
    assert running.returncode == 2
    assert f"Error: {tmp_path / 'out'}" in error and "Traceback" not in error


def test_a_disk_that_takes_no_more_is_said_and_nothing_half_is_left(
    place: Path, tmp_path: Path
) -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); "
        "from consilience.app.main import main; main()"
    )
    command = [sys.executable, "-B", "-c", program, "study", "run", str(place / "study.toml")]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Error: " in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.part"))


def test_a_terminal_without_the_letters_of_a_name(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(40, modalities=1, features=2, seed=0)
    table = cohort.modalities["m1"]
    save_cohort(Cohort(cohort.patients, {"spät 😀": table}), tmp_path / "cohort")
    program = "from consilience.app.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "cohort", "describe", str(tmp_path / "cohort")],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"sp?t ?" in done.stdout


HOSTILE = '<img src=x onerror=alert(1)>"&{{7*7}}<script>alert(1)</script>'


class Tags(HTMLParser):
    """Collects what a page must not hold: tags and attributes that run or fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        runs = [name for name, _ in attrs if name.startswith("on")]
        if runs or tag in ("script", "img", "iframe", "object", "embed", "link", "base"):
            self.found.append(self.get_starttag_text() or tag)


def test_no_name_becomes_a_part_of_the_page(tmp_path: Path) -> None:
    made, _ = synthetic_cohort(60, modalities=1, features=2, seed=0)
    patients = made.patients
    patients[HOSTILE] = [HOSTILE, "b"] * 30
    patients[HOSTILE + "?"] = [HOSTILE + "1", HOSTILE + "2"] * 30
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), index=made.index)
    values.columns = [HOSTILE, "</style><script>alert(1)</script>"]
    cohort = Cohort(patients, {"m & m": Table(values)}, name=HOSTILE)
    learner = default_learner(Multiclass("x"), Protocol())
    quick = Protocol(
        folds=2, repeats=1, inner_folds=2, bootstrap=100, permutations=3, subgroups=(HOSTILE,)
    )
    study = Study(
        cohort,
        Multiclass(HOSTILE + "?"),
        [Candidate(HOSTILE, EarlyFusion(learner))],
        quick,
        title=HOSTILE,
    )
    study.run(tmp_path / "out")
    assert numbers(tmp_path / "out")["title"] == HOSTILE
    page = (tmp_path / "out" / "report.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.found == []
    assert "&lt;img src=x onerror=alert(1)&gt;" in page and "{{7*7}}" in page


def main_ok(*arguments: object) -> None:
    """Run a command that must end well."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code in (0, None)


def numbers(out: Path) -> dict[str, object]:
    """Return what was found, less when and how long, from a file that is JSON to the letter."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found: dict[str, object] = json.loads((out / "finding.json").read_text(), parse_constant=refuse)
    Finding.load(out / "finding.json")
    return {key: value for key, value in found.items() if key not in ("provenance",)}
