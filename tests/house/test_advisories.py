"""What is made of the answers of the advisory source."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def judged(root: Path):
    file = root / "checks" / "advisories.py"
    spec = importlib.util.spec_from_file_location("advisories", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.judged


SAFE = {"name": "numpy", "version": "2.4.6", "vulns": []}
HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["1.2"], "aliases": [], "description": ""}


def test_a_known_vulnerability_fails_the_check_and_is_named(judged):
    bad = {"name": "old", "version": "1.1", "vulns": [HOLE]}
    fine, sentence = judged({"dependencies": [SAFE, bad]})
    assert not fine
    assert "old 1.1: PYSEC-2026-1, mended in 1.2" in sentence


def test_none_is_told_with_how_many_were_asked_about(judged):
    unknown = {"name": "torch", "skip_reason": "Dependency not found"}
    fine, sentence = judged({"dependencies": [SAFE, unknown]})
    assert fine
    assert sentence == "advisories: none against 1 packages, 1 it does not know"


def test_an_answer_about_nothing_is_not_taken_for_a_good_one(judged):
    unknown = {"name": "torch", "skip_reason": "Dependency not found"}
    fine, sentence = judged({"dependencies": [unknown]})
    assert fine
    assert "skipped" in sentence
