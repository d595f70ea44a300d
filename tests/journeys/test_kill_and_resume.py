"""A study killed at any moment and resumed ends with the same numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from consilience.cohort import save_cohort, synthetic_cohort

STUDY = """
cohort = "cohort"
[outcome]
kind = "binary"
column = "outcome"
[protocol]
folds = 3
repeats = 2
bootstrap = 200
permutations = 3
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    cohort, _ = synthetic_cohort(90, modalities=2, features=4, missing=0.1, seed=0)
    save_cohort(cohort, folder / "cohort")
    (folder / "study.toml").write_text(STUDY)
    return folder


def command(study: Path, out: Path, *options: str) -> list[str]:
    program = "from consilience.app.main import main; main()"
    run = [sys.executable, "-c", program, "study", "run", str(study / "study.toml")]
    return [*run, "--out", str(out), *options]


def numbers(out: Path) -> dict[str, Any]:
    """Return all that a finding says, less when and how long."""
    finding: dict[str, Any] = json.loads((out / "finding.json").read_text())
    for key in ("created", "seconds", "fit_seconds"):
        finding["provenance"].pop(key)
    return finding


@pytest.fixture(scope="module")
def undisturbed(study: Path) -> Path:
    out = study / "undisturbed"
    subprocess.run(command(study, out), check=True, capture_output=True, timeout=280)
    return out


def kill_when(process: subprocess.Popen[bytes], out: Path, results: int) -> bool:
    """Kill it and its workers once so many results are there; False if it was done before."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        if process.poll() is not None:
            return False
        if len(list((out / "folds").glob("*.parquet"))) >= results:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    raise AssertionError("no results came")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_kill_and_resume(study: Path, undisturbed: Path, jobs: str) -> None:
    out = study / f"killed-{jobs}"
    killed = 0
    for results in (1, 15, 40):
        options = ["--jobs", jobs] + (["--resume"] if out.exists() else [])
        process = subprocess.Popen(
            command(study, out, *options),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        killed += kill_when(process, out, results)
    assert killed >= 2
    assert not (out / "finding.json").exists()
    subprocess.run(command(study, out, "--resume", "--jobs", jobs), check=True, timeout=280)
    assert numbers(out) == numbers(undisturbed)
    pd.testing.assert_frame_equal(
        pd.read_parquet(out / "scores.parquet"),
        pd.read_parquet(undisturbed / "scores.parquet"),
        check_exact=True,
    )


def test_results_are_not_made_again_on_resuming(study: Path, undisturbed: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (undisturbed / "folds").iterdir()}
    subprocess.run(command(study, undisturbed, "--resume"), check=True, timeout=280)
    assert before == {p: p.stat().st_mtime_ns for p in (undisturbed / "folds").iterdir()}
