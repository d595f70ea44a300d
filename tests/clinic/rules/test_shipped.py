"""The shipped rules: enough of them, cited, and right about their made-up patients."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from consilience.clinic.rules import RuleSet, check_rules, rules_page
from consilience.clinic.rules.blocks import NoneOf
from consilience.clinic.rules.loading import SHIPPED, VIGNETTES
from consilience.clinic.rules.vignettes import read_vignettes, tried

NAMES = sorted(path.name.removesuffix(VIGNETTES) for path in SHIPPED.rglob(f"*{VIGNETTES}"))


def vignettes_of(name: str):
    (file,) = SHIPPED.rglob(f"{name}{VIGNETTES}")
    return read_vignettes(file)[1]


def test_five_rules_or_more_a_domain(rules: RuleSet) -> None:
    counts = Counter(rule.domain for rule in rules)
    assert set(counts) == {"management", "prescribing", "prevention", "stewardship"}
    assert min(counts.values()) >= 5
    assert sum(counts.values()) >= 20


def test_every_rule_does_what_its_vignettes_say() -> None:
    outcomes = check_rules()
    assert len(outcomes) > 150
    assert [one for one in outcomes if not one.passed] == []


def test_every_rule_has_its_vignettes_beside_it(rules: RuleSet) -> None:
    assert {rule.id for rule in rules} == set(NAMES)
    for rule in rules:
        assert (SHIPPED / rule.domain / f"{rule.id}.yaml").is_file()
        assert (SHIPPED / rule.domain / f"{rule.id}{VIGNETTES}").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_the_vignettes_notice_a_rule_that_says_the_opposite(rules: RuleSet, name: str) -> None:
    rule = rules[name]
    opposite = rule.model_copy(update={"when": NoneOf(kind="none", of=(rule.when,))})
    outcomes = [tried(opposite, vignette, rules) for vignette in vignettes_of(name)]
    assert any(not one.passed for one in outcomes)


@pytest.mark.parametrize("name", NAMES)
def test_the_vignettes_notice_a_rule_for_everybody(rules: RuleSet, name: str) -> None:
    rule = rules[name]
    whom = rule.population
    if whom.age is None and whom.sex is None and not whom.all:
        pytest.skip("the rule is for everybody")
    everybody = rule.model_copy(update={"population": type(whom)()})
    outcomes = [tried(everybody, vignette, rules) for vignette in vignettes_of(name)]
    if whom.all or whom.sex or (whom.age.low, whom.age.high) != (18, 150):
        assert any(not one.passed for one in outcomes)


def test_none_claims_a_review_that_has_not_happened(rules: RuleSet, root: Path) -> None:
    pending = [rule.id for rule in rules if not rule.reviewed_by]
    page = (root / "docs" / "clinic-rules.md").read_text(encoding="utf-8")
    assert page.count("| pending |") == len(pending)


def test_the_page_is_what_the_files_say(rules: RuleSet, root: Path) -> None:
    # after a change: python -c "from consilience.clinic.rules import *; ..." as the page says
    page = (root / "docs" / "clinic-rules.md").read_text(encoding="utf-8")
    assert page == rules_page(rules)


def test_shipped_medicines_carry_their_atc_code(rules: RuleSet) -> None:
    # A rule that knows a substance in RxNorm alone would be blind in Europe.
    atc = "http://www.whocc.no/atc"
    classes = ("nsaids", "statins", "penicillins", "opioids", "pde5-inhibitors", "nitrates")
    for name in (*classes, "oral-anticoagulants", "ras-inhibitors", "benzodiazepines"):
        assert any(system == atc for system, _ in rules.sets[name].codes), name
