from __future__ import annotations

import pytest
from tests.study.report_example import example

from consilience.study.declaring import methods
from consilience.study.described import described, references, summary
from consilience.study.finding import CandidateFinding
from consilience.study.methods import enumerate_words, events_clause, methods_paragraph, splits
from consilience.study.protocol import Protocol


def test_says_what_was_done_with_the_numbers_of_the_run() -> None:
    made = example("binary")
    text = methods_paragraph(made.finding, made.protocol)
    cohort = made.finding.cohort
    assert f"{cohort.analysed} of the {cohort.patients} patients" in text
    assert f"({cohort.events} with the outcome)" in text
    assert "3-fold cross-validation" in text
    assert "drawn 2 times" in text
    assert "(seed 7)" in text
    assert "100 bootstrap resamples" in text
    assert cohort.fingerprint in text
    for name, version in made.finding.provenance.versions.items():
        assert f"{name} {version}" in text
    for candidate in made.finding.candidates:
        assert candidate.role == "leave one out" or candidate.name in text


def test_further_measures_are_named_by_their_labels() -> None:
    made = example("survival")
    assert "Integrated Brier score" in methods_paragraph(made.finding, made.protocol)


def test_a_primary_candidate_declared_beforehand_is_said_in_place_of_holm() -> None:
    finding = example("binary").finding
    declared = methods_paragraph(finding, Protocol(primary="early"))
    assert "of early, was declared beforehand" in declared
    assert "Holm" not in declared
    assert "Holm" in methods_paragraph(finding, Protocol())


def test_splits() -> None:
    assert splits(Protocol(folds=5, repeats=1)).endswith("stratified by the outcome, drawn once")
    assert "all patients of one family in the same fold" in splits(Protocol(group="family"))
    assert splits(Protocol(leave_out="site")) == "leaving out one site at a time"


def test_a_continuous_outcome_has_no_events() -> None:
    assert events_clause(example("continuous").finding) == ""
    assert events_clause(example("multiclass").finding).startswith(" (a: ")


def test_enumerate_words() -> None:
    assert enumerate_words([]) == "none"
    assert enumerate_words(["a"]) == "a"
    assert enumerate_words(iter("abc")) == "a, b and c"


def test_a_method_is_told_in_its_own_words_with_its_source() -> None:
    made = example("binary").finding.candidates[0].model_copy(update={"role": "fused"})

    def named(name: str, method: str) -> CandidateFinding:
        return made.model_copy(update={"name": name, "method": method})

    text = described([named("a", "StackedFusion"), named("b", "StackedFusion")])
    assert text.startswith("'a' and 'b' are StackedFusion: stacked generalisation (Wolpert 1992)")
    assert text.endswith(
        "References: Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5, 241-259."
    )
    assert described([named("x", "Elsewhere")]) == "'x' is Elsewhere."
    assert described([named("LateFusion", "LateFusion")]).startswith("The candidate LateFusion: ")
    assert described([made.model_copy(update={"role": "single", "method": "LateFusion"})]) == ""


@pytest.mark.parametrize("name", methods())
def test_every_method_says_in_a_sentence_what_it_is(name: str) -> None:
    text = summary(name)
    assert 10 < len(text) < 200 and text.endswith(".") and not set("`*") & set(text)
    assert all(source and "\n" not in source for source in references(name))
