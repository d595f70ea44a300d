"""The page on file formats names every key that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from consilience.records import Prediction
from consilience.study.bundle import folder
from consilience.study.finding import Answer, Finding, Role


def parts_of(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Return a model and every model inside it."""
    found = {model}

    def visit(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.update(parts_of(annotation))
        for inner in get_args(annotation):
            visit(inner)

    for field in model.model_fields.values():
        visit(field.annotation)
    return found


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "formats.md").read_text(encoding="utf-8")


def test_every_key_of_a_finding_is_there(page: str) -> None:
    keys = {key for part in parts_of(Finding) for key in part.model_fields}
    assert len(keys) > 50
    # "kind" and "features" of a summary are what they are of the cohort; all else is named.
    assert {key for key in keys if f"`{key}`" not in page} <= {"features"}


def test_the_words_of_a_finding_are_there(page: str) -> None:
    words = [*get_args(Answer), *get_args(Role)]
    assert [word for word in words if f'"{word}"' not in page] == []


def test_every_file_of_a_bundle_is_there(page: str) -> None:
    files = [folder.MANIFEST, *folder.FILES]
    assert [name for name in files if f"`{name}`" not in page] == []


def test_what_stands_in_predictions_is_there(page: str) -> None:
    written = {"patient", "outcome", "informed", "sources", "warnings", "unit", "model", "risk"}
    assert written <= set(Prediction.model_fields)
    assert {key for key in written if f"`{key}`" not in page} == set()
