"""The verdict says what the numbers say, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consilience.study.finding import (
    CandidateFinding,
    CheckFinding,
    CohortSummary,
    Contribution,
    Difference,
)
from consilience.study.verdict import Grounds, verdict


def candidate(
    name: str, role: str, estimate: float, difference: Difference | None
) -> CandidateFinding:
    return CandidateFinding(
        name=name,
        role=role,  # type: ignore[arg-type]
        modalities=["a", "b"],
        metric="auroc",
        estimate=estimate,
        low=estimate - 0.05,
        high=estimate + 0.05,
        difference_to_best_single=difference,
        informed=100,
        among_informed=None,
        failed=None,
    )


def grounds(estimate: float, p_adjusted: float) -> Grounds:
    difference = Difference(
        estimate=estimate, low=estimate - 0.02, high=estimate + 0.02, p_adjusted=p_adjusted
    )
    return Grounds(
        metric_label="AUROC",
        outcome="death",
        cohort=CohortSummary(
            name="c", fingerprint="f", patients=120, analysed=100, events=40,
            modalities=[], patterns=[], flow=[],
        ),
        candidates=[
            candidate("a alone", "single", 0.7, None),
            candidate("late mean", "fused", 0.7 + estimate, difference),
        ],
        contributions=[],
        checks=[CheckFinding(name="x", status="passed", sentence="Fine.")],
        subgroups=[],
        best_single="a alone",
        best_fused="late mean",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("estimate", "p_adjusted", "answer"),
    [
        (0.06, 0.01, "together more"),
        (0.06, 0.20, "no gain shown"),
        (-0.06, 0.01, "together less"),
        (0.00, 1.00, "no gain shown"),
    ],
)
def test_the_answer_follows_the_corrected_p_value(
    estimate: float, p_adjusted: float, answer: str
) -> None:
    found = verdict(grounds(estimate, p_adjusted))
    assert found.answer == answer
    assert (
        f"{estimate:+.3f}" in found.sentence
        and "100 patients (40 with the event)" in found.sentence
    )


def test_an_interval_beside_zero_that_is_not_enough_is_explained() -> None:
    assert "all comparisons counted, p is 0.20" in verdict(grounds(0.06, 0.20)).sentence
    assert "all comparisons counted, p is 0.20" in verdict(grounds(-0.06, 0.20)).sentence
    for estimate, p_adjusted in ((0.06, 0.01), (0.01, 0.20), (-0.06, 0.01)):
        assert "counted" not in verdict(grounds(estimate, p_adjusted)).sentence


def test_a_failed_check_takes_the_answer_back() -> None:
    broken = CheckFinding(name="duplicates", status="failed", sentence="Two patients are one.")
    found = verdict(replace(grounds(0.06, 0.01), checks=[broken]))
    assert found.answer == "cannot tell"
    assert "Do not rely on it" in found.reliance and broken.sentence in found.reliance


def test_without_a_second_source_there_is_no_comparison() -> None:
    alone = replace(grounds(0.06, 0.01), best_fused=None)
    assert verdict(alone).answer == "cannot tell"


def test_what_hurts_is_said_plainly() -> None:
    worse = Contribution(modality="rna", difference=Difference(estimate=-0.03), hurts=True)
    found = verdict(replace(grounds(0.06, 0.01), contributions=[worse]))
    assert "Adding rna made the prediction worse." in found.reliance


def test_a_primary_candidate_that_failed_is_named():
    kept = verdict(replace(grounds(0.1, 0.01), primary="late mean"))
    assert "declared beforehand" not in kept.sentence
    moved = verdict(replace(grounds(0.1, 0.01), primary="network"))
    assert moved.sentence.endswith(
        "The primary candidate declared beforehand, 'network', failed; this is about "
        "'late mean', chosen on these patients."
    )
