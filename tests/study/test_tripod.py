from __future__ import annotations

import pytest
from tests.study.report_example import example

from consilience.study.finding import Finding
from consilience.study.protocol import Protocol
from consilience.study.tripod import ITEMS, checklist

# Collins et al. 2024, table 2: 27 items, with their parts.
PUBLISHED = (
    "1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9a 9b 9c 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 15 "
    "16 17 18a 18b 18c 18d 18e 18f 19 20a 20b 20c 21 22 23a 23b 24 25 26 27a 27b 27c"
)


def statuses(finding: Finding, protocol: Protocol) -> dict[str, str]:
    return {item.item: item.status for item in checklist(finding, protocol)}


@pytest.mark.parametrize("kind", ["binary", "multiclass", "continuous", "survival"])
def test_every_item_is_there_once_and_says_something(kind: str) -> None:
    made = example(kind)
    found = checklist(made.finding, made.protocol)
    assert [item.item for item in found] == PUBLISHED.split()
    assert all(item.answer and item.topic for item in found)
    assert len({item.topic for item in ITEMS}) == len(ITEMS)


def test_what_no_run_can_know_is_left_to_the_authors() -> None:
    made = example("survival")
    found = statuses(made.finding, made.protocol)
    for item in ("3a", "5b", "6b", "10", "17", "18a", "18b", "18d", "19", "27c"):
        assert found[item] == "for the authors"


def test_what_the_run_knows_is_filled_with_its_numbers() -> None:
    made = example("binary")
    answers = {i.item: i.answer for i in checklist(made.finding, made.protocol)}
    complete = sum(
        p.patients
        for p in made.finding.cohort.patterns
        if len(p.modalities) == len(made.finding.cohort.modalities)
    )
    assert answers["11"].startswith(f"{complete} of 180 analysed patients have every source")
    assert "seed 7" in answers["12a"]
    assert f"({made.finding.cohort.events} with the outcome)" in answers["20a"]
    assert made.finding.verdict.sentence in answers["25"]
    assert "a feature that predicts almost perfectly" in answers["26"]


def test_class_imbalance_is_claimed_only_where_no_class_weighs_more() -> None:
    made = example("binary")
    assert statuses(made.finding, made.protocol)["13"] == "filled"
    weighted = made.finding.candidates[0].model_copy(
        update={"settings": {"learner": "LogisticRegression(class_weight='balanced')"}}
    )
    unweighted = made.finding.candidates[0].model_copy(
        update={"settings": {"learner": [("class_weight", "None")]}}
    )
    for candidate, status in ((weighted, "for the authors"), (unweighted, "filled")):
        finding = made.finding.model_copy(update={"candidates": [candidate]})
        assert statuses(finding, made.protocol)["13"] == status
    assert statuses(example("survival").finding, made.protocol)["13"] == "not applicable"


def test_clusters_are_filled_where_sites_were_left_out() -> None:
    finding = example("binary").finding
    assert statuses(finding, Protocol())["12d"] == "for the authors"
    by_site = statuses(finding, Protocol(leave_out="site"))
    assert (by_site["12d"], by_site["23b"]) == ("filled", "filled")
    bare = finding.model_copy(update={"subgroups": []})
    assert statuses(bare, Protocol(leave_out="site"))["23b"] == "for the authors"
    assert statuses(bare, Protocol())["14"] == "for the authors"
