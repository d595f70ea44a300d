"""Rules, and patients in a few lines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consilience.clinic.rules import RuleSet, load_rules
from consilience.clinic.rules.vignette_patients import Patient, Writer

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)

RULE = """\
id: own-rule
title: A rule of our own
domain: management
version: 1.0.0
reviewed: 2026-01-31
reviewed_by: ""
hooks: [patient-view]
population:
  age: {from: 18}
when:
  all:
    - condition: diabetes
    - latest: {of: hba1c, within_days: 365, at_least: 9, unit: "%"}
message: "HbA1c is {hba1c}."
source: {title: A guideline, organisation: A society, year: 2024, url: "https://example.org/g"}
"""


@pytest.fixture(scope="session")
def rules() -> RuleSet:
    """The shipped rules."""
    return load_rules()


@pytest.fixture
def now() -> datetime:
    """The time at which all of it happens."""
    return NOW


@pytest.fixture
def bundle(rules: RuleSet) -> Callable[..., dict[str, Any]]:
    """A function that makes a Bundle of a patient written as in a vignette."""

    def make(**given: Any) -> dict[str, Any]:
        return Writer(rules.sets, NOW.date()).bundle(Patient.model_validate(given))

    return make


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a rule, with parts of it replaced, and returns its folder."""

    def write(*changes: tuple[str, str], name: str = "own.yaml") -> Path:
        text = RULE
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write
