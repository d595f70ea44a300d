"""Rules that cannot be used: the sentence names file, rule and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.clinic.rules import load_rules
from consilience.errors import InputError

SETS = """\
sets:
  mine: {title: mine, codes: {snomed: {"%s": mine}}}
"""


def test_an_own_rule_stands_beside_the_shipped(own) -> None:
    rules = load_rules([own()])
    assert rules["own-rule"].title == "A rule of our own"
    assert len(rules) == len(load_rules()) + 1
    assert [rule.id for rule in load_rules([own()], shipped=False)] == ["own-rule"]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("condition: diabetes", "condition: diabetis", "no value set 'diabetis'. Did you mean"),
        ("condition: diabetes", "conditon: diabetes", "unknown condition 'conditon'"),
        ("condition: diabetes", "condition: {of: diabetes, evr: true}", "not known"),
        ("at_least: 9, ", "", "give one of above"),
        ("at_least: 9", "at_least: nine", "valid number"),
        ('unit: "%"', "unit: mgs/dL", "'mgs/dL' is not a UCUM unit"),
        ("within_days: 365", "within_days: -1", "greater than or equal to 0"),
        ("reviewed: 2026-01-31", "reviewed: last week", "key reviewed"),
        ("version: 1.0.0", 'version: "one"', "key version"),
        ("hooks: [patient-view]", "hooks: [patient-veiw]", "Did you mean 'patient-view'"),
        ("hooks: [patient-view]", "hooks: []", "hooks are given by every rule"),
        ("{hba1c}", "{hba1}", "no condition finds {hba1}"),
        ("{from: 18}", "{from: 80, to: 18}", "'from' is above 'to'"),
        ("https://example.org/g", "javascript:alert(1)", "url must begin with https://"),
        ("year: 2024", "year: 24", "year between"),
        ("message:", "mesage:", "Did you mean 'message'"),
        ("domain: management", "domain: managment", "key domain"),
        ("- condition: diabetes", "- fhirpath: now() > @2020", "Use %today"),
        ("- condition: diabetes", "- diabetes", "each condition is one name"),
        ("id: own-rule", "id: Own Rule", "key id"),
    ],
)
def test_what_is_wrong_is_said(own, before: str, after: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        load_rules([own((before, after))])
    said = str(caught.value)
    assert why in said
    assert "own.yaml" in said
    assert "rule '" in said
    assert "key " in said
    assert "\n" not in said


def test_only_plain_names_are_filled_in(own, bundle, now) -> None:
    rules = load_rules([own(("{hba1c}", "{hba1c.__class__} {hba1c}"))], shipped=False)
    given = bundle(
        patient={"age": 60},
        conditions=[{"of": "diabetes"}],
        observations=[{"of": "hba1c", "value": 9.5, "unit": "%"}],
    )
    (advice,) = rules.advise(given, "p", now=now)
    assert advice.sentence == "HbA1c is {hba1c.__class__} 9.5 % on 2026-06-05."


def test_an_id_is_given_once(own) -> None:
    own()
    with pytest.raises(InputError, match=r"rule 'own-rule', key id: .*a\.yaml has it already"):
        load_rules([own(name="a.yaml")])


def test_a_shipped_id_is_taken(own) -> None:
    with pytest.raises(InputError, match="hba1c-due"):
        load_rules([own(("id: own-rule", "id: hba1c-due"))])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        load_rules([tmp_path / "none"])


def test_a_rule_that_is_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text("- a\n- b\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"rule\.yaml: expected keys and values"):
        load_rules([tmp_path])


def test_own_value_sets(own, tmp_path: Path) -> None:
    folder = own(("condition: diabetes", "condition: mine"))
    (tmp_path / "valuesets.yaml").write_text(SETS % "73211009", encoding="utf-8")
    assert "mine" in load_rules([folder]).sets


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SETS % "73211008", "a digit is mistyped"),
        ("sets:\n  diabetes: {title: again}", "is already in valuesets.yaml"),
        (
            "sets:\n  a: {title: a, includes: [b]}\n  b: {title: b, includes: [a]}",
            "includes itself",
        ),
        ("sets:\n  a: {title: a, includes: [diabetis]}", "Did you mean 'diabetes'"),
        ("sets:\n  a: {title: a, codes: {snomd: {'1': x}}}", "unknown code system 'snomd'"),
        ("sets:\n  a: {title: a}\nmedicines:\n  a: {atc: A10BA02}", "both a set and a medicine"),
        ("sets:\n  a: {tittle: a}", "sets.a"),
    ],
)
def test_own_value_sets_that_are_wrong(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "valuesets.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="valuesets.yaml") as caught:
        load_rules([tmp_path])
    assert why in str(caught.value)
