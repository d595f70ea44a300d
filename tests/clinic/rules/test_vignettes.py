"""Trying rules on made-up patients."""

from __future__ import annotations

import pytest

from consilience.clinic.rules import check_rules
from consilience.errors import InputError

VIGNETTES = """\
rule: own-rule
vignettes:
  - name: high
    triggers: true
    patient: {age: 60}
    conditions: [{of: diabetes}]
    observations: [{of: hba1c, value: 9, unit: "%"}]
  - name: lower
    triggers: false
    patient: {age: 60}
    conditions: [{of: diabetes}]
    observations: [{of: hba1c, value: 8.9, unit: "%"}]
  - name: nothing
    triggers: false
"""


@pytest.fixture
def tried(own):
    """A function: the outcomes of the own rule, with vignettes and rule changed."""

    def check(text: str = VIGNETTES, *changes: tuple[str, str]):
        folder = own(*changes)
        (folder / "own.vignettes.yaml").write_text(text, encoding="utf-8")
        return check_rules([folder], shipped=False)

    return check


def test_all_pass(tried) -> None:
    assert [one.passed for one in tried()] == [True, True, True]


def test_a_rule_that_is_wrong_is_noticed(tried) -> None:
    outcomes = tried(VIGNETTES, ("at_least: 9", "at_least: 8"))
    (failed,) = [one for one in outcomes if not one.passed]
    assert (failed.rule, failed.vignette) == ("own-rule", "lower")
    assert failed.problem == "the rule speaks, and must not"


def test_a_rule_that_is_silent_is_noticed(tried) -> None:
    (failed,) = [one for one in tried(VIGNETTES, ("at_least: 9", "above: 9")) if not one.passed]
    assert failed.problem == "the rule is silent, and must speak"


def test_words_that_are_missing_are_noticed(tried) -> None:
    text = VIGNETTES.replace("name: high", 'name: high\n    says: "10 %"')
    (failed,) = [one for one in tried(text) if not one.passed]
    assert failed.problem.startswith("'10 %' is not in 'HbA1c is 9 %")


def test_a_rule_that_fails_is_noticed(tried) -> None:
    change = ("- condition: diabetes", "- fhirpath: '%patient.id'")
    assert "the rule fails" in tried(VIGNETTES, change)[0].problem


def test_too_few_is_a_failure(tried) -> None:
    one = VIGNETTES.split("  - name: lower", maxsplit=1)[0]
    assert "0 in which it is silent" in tried(one)[-1].problem


def test_no_vignettes_at_all_is_a_failure(own) -> None:
    (outcome,) = check_rules([own()], shipped=False)
    assert not outcome.passed
    assert "give at least 1 and 2" in outcome.problem


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("rule: own-rule", "rule: own-rul", "there is no rule 'own-rul'. Did you mean 'own-rule'"),
        ("triggers: true", "trigers: true", "Did you mean 'triggers'"),
        ("of: diabetes", "of: diabetis", "no value set 'diabetis'"),
        ("patient: {age: 60}", "patient: {aged: 60}", "this key is not known"),
    ],
)
def test_vignettes_that_cannot_be_read(tried, before: str, after: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        tried(VIGNETTES.replace(before, after))
    assert why in str(caught.value)
