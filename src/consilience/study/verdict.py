"""The answer to whether the sources together know more than the best of them alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consilience.study.finding import (
    Answer,
    CandidateFinding,
    CheckFinding,
    CohortSummary,
    Contribution,
    Difference,
    SubgroupFinding,
    Verdict,
)

ALPHA = 0.05
FEW_EVENTS = 100  # below it, intervals of discrimination and calibration are wide


@dataclass(frozen=True)
class Grounds:
    """What a verdict rests on."""

    metric_label: str
    outcome: str
    cohort: CohortSummary
    candidates: Sequence[CandidateFinding]
    contributions: Sequence[Contribution]
    checks: Sequence[CheckFinding]
    subgroups: Sequence[SubgroupFinding]
    best_single: str | None
    best_fused: str | None
    primary: str | None = None

    def candidate(self, name: str | None) -> CandidateFinding | None:
        """Return a candidate by name."""
        return next((c for c in self.candidates if c.name == name), None)


def verdict(grounds: Grounds) -> Verdict:
    """Return the verdict: an answer, the sentence that gives it, and what to make of it."""
    single, fused = grounds.candidate(grounds.best_single), grounds.candidate(grounds.best_fused)
    difference = fused.difference_to_best_single if fused else None
    answer = _answer(grounds, single, difference)
    return Verdict(
        answer=answer,
        sentence=_sentence(grounds, answer, single, fused) + _replaced(grounds),
        reliance=_reliance(grounds),
        best_single=grounds.best_single,
        best_fused=grounds.best_fused,
        difference=difference,
        for_whom=_for_whom(grounds),
    )


def _answer(
    grounds: Grounds, single: CandidateFinding | None, difference: Difference | None
) -> Answer:
    broken = any(check.status == "failed" for check in grounds.checks)
    if broken or single is None or difference is None:
        return "cannot tell"
    if difference.estimate is None or difference.p_adjusted is None:
        return "cannot tell"
    if difference.p_adjusted < ALPHA:
        return "together more" if difference.estimate > 0 else "together less"
    return "no gain shown"


_ANSWERS: dict[Answer, str] = {
    "together more": "together they know more than the best of them alone",
    "no gain shown": "it is not shown that together they know more than the best of them alone",
    "together less": "together they know less than the best of them alone",
    "cannot tell": "this study cannot tell whether together they know more than the best alone",
}


def _sentence(
    grounds: Grounds,
    answer: Answer,
    single: CandidateFinding | None,
    fused: CandidateFinding | None,
) -> str:
    who = f"{grounds.cohort.analysed} patients"
    if grounds.cohort.events is not None:
        who += f" ({grounds.cohort.events} with the event)"
    if single is None or fused is None or fused.difference_to_best_single is None:
        lone = f"; {_scored(single, grounds)}" if single else ""
        told = f"there is no comparison to make{lone}"
        return f"For {grounds.outcome} in {who} {_ANSWERS[answer]}: {told}."
    difference = fused.difference_to_best_single
    return (
        f"For {grounds.outcome} in {who} {_ANSWERS[answer]}: {_scored(fused, grounds)} and the "
        f"best source alone, {single.name!r}, {_text(single.estimate)} ({_range(single)}), "
        f"a difference of {signed(difference.estimate)} ({_interval(difference)})."
        f"{_counted(answer, difference)}"
    )


def _replaced(grounds: Grounds) -> str:
    """Say that the candidate declared beforehand is not the one that this is about."""
    if grounds.primary is None or grounds.primary == grounds.best_fused:
        return ""
    other = (
        f"this is about {grounds.best_fused!r}, chosen on these patients"
        if (grounds.best_fused)
        else "no other fused candidate took its place"
    )
    return f" The primary candidate declared beforehand, {grounds.primary!r}, failed; {other}."


def _counted(answer: Answer, difference: Difference) -> str:
    """Say why an interval beside zero is not enough, where a reader would ask."""
    low, high, p_value = difference.low, difference.high, difference.p_adjusted
    if answer != "no gain shown" or low is None or high is None or p_value is None:
        return ""
    if low <= 0 <= high:
        return ""
    return (
        " The interval leaves out zero, but it is of this comparison alone: "
        f"all comparisons counted, p is {p_value:.2f}."
    )


def _scored(found: CandidateFinding, grounds: Grounds) -> str:
    number = f"{_text(found.estimate)} ({_range(found)})"
    return f"{found.name!r} reached {grounds.metric_label} {number}"


def _range(found: CandidateFinding) -> str:
    return f"{_text(found.low)} to {_text(found.high)}"


def _reliance(grounds: Grounds) -> str:
    parts = []
    failed = [check for check in grounds.checks if check.status == "failed"]
    warned = [check for check in grounds.checks if check.status == "warning"]
    if failed:
        parts.append(f"Do not rely on it: {' '.join(check.sentence for check in failed)}")
    if warned:
        parts.append(f"Look first at: {' '.join(check.sentence for check in warned)}")
    skipped = [check.name for check in grounds.checks if check.status == "not run"]
    if grounds.checks and not failed and not warned:
        made = "None of the checks" if not skipped else "No check that was made"
        parts.append(f"{made} for a study that fools itself raised an alarm.")
    if skipped:
        parts.append(f"Not checked: {', '.join(skipped)}.")
    if grounds.cohort.events is not None and grounds.cohort.events < FEW_EVENTS:
        parts.append(
            f"With {grounds.cohort.events} events the intervals are wide, and a new cohort is "
            "needed before anyone acts on it."
        )
    else:
        parts.append("It holds for patients like these; other hospitals need a test of their own.")
    harmful = [c.modality for c in grounds.contributions if c.hurts]
    if harmful:
        parts.append(f"Adding {' and '.join(harmful)} made the prediction worse.")
    return " ".join(parts)


def _for_whom(grounds: Grounds) -> str:
    large = [group for group in grounds.subgroups if not group.small]
    if not large:
        return "No group was large enough to be looked at by itself."
    apart = [g for g in large if g.difference_to_rest and _shown(g.difference_to_rest)]
    if not apart:
        return (
            f"In the {len(large)} groups large enough to be looked at, the score does not differ "
            "from the other patients' by more than chance explains, all groups considered."
        )
    words = [f"{group.column} = {group.group}" for group in apart]
    return f"The score differs from the other patients' for {', '.join(words)}."


def _shown(difference: Difference) -> bool:
    p_value = difference.p_value if difference.p_adjusted is None else difference.p_adjusted
    return p_value is not None and p_value < ALPHA


def _interval(difference: Difference) -> str:
    return f"{signed(difference.low)} to {signed(difference.high)}"


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Return a difference with its sign, or "unknown"."""
    return "unknown" if value is None else f"{value:+.3f}"
