"""Reading elements of a FHIR resource, whatever was left out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from consilience.clinic.fhir.codes import Code, coded


def parts(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; one object counts as a list of one."""
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, dict)]


def words(value: Any) -> str:
    """Return a text, or an empty one."""
    return value if isinstance(value, str) else ""


def codings(concept: Any) -> Iterator[tuple[Code, str, dict[str, Any]]]:
    """Give code, display and all of each coding of a CodeableConcept that has a code."""
    for one in parts(concept):
        for coding in parts(one.get("coding")):
            code = words(coding.get("code"))
            if code:
                found = coded(words(coding.get("system")), code)
                yield found, words(coding.get("display")), coding


def codes_in(concept: Any) -> list[Code]:
    """Return the codes of a CodeableConcept, or of a list of them."""
    return [code for code, _, _ in codings(concept)]


def status_code(concept: Any) -> str:
    """Return the first code of a status that is written as a CodeableConcept."""
    return next((code.code for code in codes_in(concept)), "")
