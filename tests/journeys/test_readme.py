"""A new user with a clean clone who follows nothing but README."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def blocks(clone, blocks_of) -> list:
    """README's fenced blocks."""
    return blocks_of(clone.root / "README.md")


def check_finding(folder: Path) -> None:
    """Look at what a study left in a folder, as README says it does."""
    finding = json.loads((folder / "finding.json").read_text(encoding="utf-8"))
    names = {candidate["name"] for candidate in finding["candidates"]}
    assert {"rna alone", "protein alone", "late mean", "early", "stacked"} <= names
    for candidate in finding["candidates"]:
        assert candidate["failed"] is None
        assert candidate["low"] <= candidate["estimate"] <= candidate["high"]
    # Both tables tell of the risk, so something better than chance has to come out.
    assert max(candidate["estimate"] for candidate in finding["candidates"]) > 0.6
    assert finding["verdict"]["sentence"]
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert len(report) < 3_000_000
    assert not re.search(r'(?:src|href)="(?:https?:)?//', report)
    scores = pd.read_parquet(folder / "scores.parquet")
    assert {"candidate", "fold", "patient"} <= set(scores.columns)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_is_the_first_command(clone) -> None:
    venv = Path(sys.executable).parents[1]
    # What README calls `make demo`, with the environment that is already here.
    done = clone.run(
        "make", "demo", f"VENV={venv}", *("-o", f"{venv}/installed-core"), folder=clone.root
    )
    (path,) = re.findall(r"\S+report\.html", done.stdout)
    report = clone.root / path
    assert report.is_file(), done.stdout
    finding = json.loads((report.parent / "finding.json").read_text(encoding="utf-8"))
    shown = " ".join(done.stdout.split())
    assert finding["verdict"]["sentence"] in shown
    modalities = {modality["name"] for modality in finding["cohort"]["modalities"]}
    assert modalities == {"clinical", "rna", "mirna", "copy_number", "protein", "mutation"}


def test_both_commands_make_their_own_environment(clone) -> None:
    for target, extras in (("demo", "--editable ."), ("test", "--editable '.[")):
        planned = clone.run("make", "--dry-run", target).stdout
        assert "-m venv .venv" in planned
        assert "--constraint constraints.txt" in planned
        assert extras in planned


def test_an_old_python_is_refused_with_a_sentence(clone, tmp_path: Path) -> None:
    old = tmp_path / "python3.6"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = clone.run("make", "demo", f"PYTHON={old}", f"VENV={tmp_path}/venv", check=False)
    assert done.returncode != 0
    assert not (tmp_path / "venv").exists()
    none = clone.run("make", "demo", "PYTHON=", f"VENV={tmp_path}/venv", check=False)
    assert "needs Python 3.11 or newer" in none.stdout + none.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_ten_lines_of_python_run(clone, blocks, files_made_by_hand: Path) -> None:
    (code,) = [block.text for block in blocks if block.language == "python"]
    assert len(code.splitlines()) <= 10
    script = files_made_by_hand / "study.py"
    script.write_text(code, encoding="utf-8")
    printed = clone.run("python", "study.py", folder=files_made_by_hand).stdout
    check_finding(files_made_by_hand / "out")
    finding = json.loads((files_made_by_hand / "out" / "finding.json").read_text())
    assert finding["verdict"]["sentence"] in " ".join(printed.split())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_run(clone, blocks, files_made_by_hand: Path) -> None:
    (commands,) = [b.text for b in blocks if b.language == "bash" and "consilience" in b.text]
    for line in commands.splitlines():
        clone.run("bash", "-c", line, folder=files_made_by_hand)
    check_finding(files_made_by_hand / "result")
    predictions = pd.read_csv(files_made_by_hand / "predictions.csv")
    patients = pd.read_csv(files_made_by_hand / "clinical.csv")["patient"]
    assert set(predictions["patient"]) == set(patients)


def test_every_link_leads_somewhere(clone) -> None:
    text = (clone.root / "README.md").read_text(encoding="utf-8")
    shown = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)", shown)
    local = [link for link in links if "://" not in link]
    assert len(local) > 10
    assert [link for link in local if not (clone.root / link).exists()] == []
