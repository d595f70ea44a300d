"""FHIRPath that rules may use, and that they may not."""

from __future__ import annotations

import pytest

from consilience.clinic.rules.fhirpath import LONGEST, RuleError, compiled, is_true

CONDITION = {"resourceType": "Condition", "onsetDateTime": "2026-01-01", "note": [{"text": "a"}]}
VARIABLES = {"today": "2026-06-15", "age": 70, "conditions": [CONDITION]}


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("note.exists()", True),
        ("note.where(text = 'b').exists()", False),
        ("nothing.exists()", False),
        ("nothing", False),
        ("%age >= 65 and %conditions.count() = 1", True),
        ("onsetDateTime.toDate() > %today.toDate() - 200 days", True),
        ("onsetDateTime.toDate() > %today.toDate() - 100 days", False),
    ],
)
def test_expressions(path: str, result: bool) -> None:
    assert is_true(path, CONDITION, VARIABLES) is result


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("note..text", "not FHIRPath, at character 6"),
        ("note text", "not FHIRPath, at character 6"),
        ("note.where(", "not FHIRPath"),
        ("'open", "not FHIRPath"),
        ("", "not FHIRPath"),
        ("now() > @2020-01-01", r"now\(\) is not a function that rules may use. Use %today."),
        ("note.text.matches('(a+)+$')", r"matches\(\) is not a function"),
        ("descendants().exists()", r"descendants\(\) is not a function"),
        ("note.repeat(note).exists()", r"repeat\(\) is not a function"),
        ("note.trace('x').exists()", r"trace\(\) is not a function"),
        ("note.exsits()", "Did you mean 'exists'?"),
        ("%condtions.exists()", "Did you mean 'conditions'?"),
        ("note.where(%secret = 1).exists()", "unknown variable %secret"),
        ("(" * 100 + "a" * LONGEST, "longer than"),
    ],
)
def test_what_is_refused_when_a_rule_is_loaded(path: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("?", r"\?")):
        compiled(path)


def test_a_value_is_not_an_answer() -> None:
    with pytest.raises(RuleError, match=r"end it with .exists\(\)"):
        is_true("note.text", CONDITION, VARIABLES)


def test_the_resource_is_left_as_it_was() -> None:
    before = repr(CONDITION)
    is_true("note.where(text = 'b').exists()", CONDITION, VARIABLES)
    assert repr(CONDITION) == before
