"""Forest plots: candidates, their differences, what each source adds, groups, importance."""

from __future__ import annotations

from collections.abc import Sequence

from consilience.study.finding import (
    CandidateFinding,
    Difference,
    Estimate,
    Finding,
    Importance,
    SubgroupFinding,
)
from consilience.study.report.canvas import Chart, Style
from consilience.study.report.forest import Row, Scale, forest
from consilience.study.report.wording import (
    count,
    number,
    p_value,
    plain,
    subject,
    with_interval,
)

ROLES = {"single": Style(1), "fused": Style(0), "leave one out": Style(3)}
NAMES = {
    "single": "one source alone",
    "fused": "several sources together",
    "leave one out": "one source left out",
}
MOST_FEATURES = 15
MOST_LISTED = 100
MOST_GROUPS = 40


def candidates(finding: Finding) -> Chart:
    """Return the scores of all candidates, the best first; failed ones last."""
    ranked = _ranked(finding)
    rows = [
        Row(c.name, _own(c), "failed" if c.failed else with_interval(_own(c)), ROLES[c.role])
        for c in ranked
    ]
    better = "further right" if finding.higher_is_better else "further left"
    chance = (
        ""
        if finding.chance is None
        else f" The dashed line at {number(finding.chance)} is what guessing would score."
    )
    return Chart(
        key="candidates",
        title=f"{finding.metric_label} of every candidate",
        caption=(
            f"Each mark is {finding.metric_label} on patients the model had not seen, the bar "
            f"its interval; {better} is better.{chance}"
        ),
        figure=forest(rows, Scale(finding.metric_label, finding.chance), _legend(ranked)),
        columns=("Candidate", "Kind", f"{finding.metric_label} (interval)"),
        rows=[
            (plain(c.name), NAMES[c.role], row.text) for c, row in zip(ranked, rows, strict=True)
        ],
    )


def differences(finding: Finding) -> Chart | None:
    """Return the paired differences to the best single source, if there is one to compare."""
    compared = [
        (c, c.difference_to_best_single)
        for c in _ranked(finding)
        if c.difference_to_best_single is not None
    ]
    if not compared:
        return None
    among = [d.estimate for _, d in compared]
    rows = [
        Row(c.name, _finite(d), with_interval(d, difference=True, among=among), ROLES[c.role])
        for c, d in compared
    ]
    best = plain(finding.verdict.best_single)
    return Chart(
        key="differences",
        title=f"Difference to the best source alone ({best})",
        caption=(
            "Right of the dashed line is better than the best source alone, left of it worse. "
            "A bar that crosses the line means that chance alone may explain the difference."
        ),
        figure=forest(
            rows,
            Scale(f"Difference in {finding.metric_label} (right of 0 is better)", 0.0),
            _legend([c for c, _ in compared]),
        ),
        columns=("Candidate", "Difference (interval)", "p", "p, adjusted"),
        rows=[
            (plain(c.name), with_interval(d, difference=True, among=among), *_p_values(d))
            for c, d in compared
        ],
    )


def contributions(finding: Finding) -> Chart | None:
    """Return what each source adds when all the others are there."""
    found = sorted(finding.contributions, key=lambda c: -(c.difference.estimate or 0.0))
    if not found:
        return None
    helps, hurts = Style(0), Style(1)
    among = [c.difference.estimate for c in found]
    rows = [
        Row(
            c.modality,
            _finite(c.difference),
            with_interval(c.difference, difference=True, among=among),
            hurts if c.hurts else helps,
        )
        for c in found
    ]
    entries = [("shown to make predictions worse", hurts)] if any(c.hurts for c in found) else []
    return Chart(
        key="contributions",
        title="What each source adds to the others",
        caption=(
            "The model with all sources against the same model without this one. Right of the "
            "dashed line: it does better with the source. Left of it: better without."
        ),
        figure=forest(rows, Scale(f"Gain in {finding.metric_label} from adding it", 0.0), entries),
        columns=("Source", "Gain (interval)", "p", "p, adjusted"),
        rows=[
            (plain(c.modality), row.text, *_p_values(c.difference))
            for c, row in zip(found, rows, strict=True)
        ],
    )


def subgroups(finding: Finding) -> Chart | None:
    """Return the score in each group of patients."""
    groups = finding.subgroups
    if not groups:
        return None
    about = subject(finding)
    drawn = groups[:MOST_GROUPS]
    rows = [
        Row(
            f"{group.column}: {group.group} · {count(group.patients)}",
            _finite(group.score),
            with_interval(group.score),
            Style(0),
            hollow=group.small,
        )
        for group in drawn
    ]
    small = (
        " An outlined mark rests on few patients: read it with care." if _any_small(drawn) else ""
    )
    more = len(groups) - len(drawn)
    rest = f" {more} more groups are in the table only." if more else ""
    return Chart(
        key="subgroups",
        title=f"{finding.metric_label} by group of patients",
        caption=(
            f"The same model in each group; the number after the name counts its patients. The "
            f"dashed line is the score in all patients.{small}{rest}"
        ),
        figure=forest(rows, Scale(finding.metric_label, None if about is None else about.estimate)),
        columns=(
            "Group",
            "Patients",
            "With the outcome",
            finding.metric_label,
            "Observed / expected",
            "Difference to the rest",
            "Note",
        ),
        rows=[_group(group) for group in groups],
    )


def importance(finding: Finding, *, features: bool) -> Chart | None:
    """Return how much is lost when a source, or a feature, is shuffled."""
    found = [i for i in finding.importance if (i.feature is not None) == features]
    if not found:
        return None
    found.sort(key=lambda i: -(i.drop.estimate if i.drop.estimate is not None else -1e9))
    shown = found[:MOST_FEATURES] if features else found
    what = "feature" if features else "source"
    among = [i.drop.estimate for i in found]
    left = len(found) - len(shown)
    more = f" Drawn: the {len(shown)} that matter most." if left else ""
    if len(found) > MOST_LISTED:
        more += f" The table has {MOST_LISTED}; all {count(len(found))} are in finding.json."
    return Chart(
        key="features" if features else "sources",
        title=f"Which {what}s matter",
        caption=(
            f"How much {finding.metric_label} is lost on held-out patients when the {what} is "
            "shuffled between them: the further right, the more the model leans on it. What two "
            f"{what}s share may hide the worth of both.{more}"
        ),
        figure=forest(
            [
                Row(_what(i), _finite(i.drop), with_interval(i.drop, difference=True, among=among))
                for i in shown
            ],
            Scale(f"Loss in {finding.metric_label} when shuffled", 0.0),
        ),
        columns=(what.capitalize(), "Loss (interval)"),
        rows=[
            (plain(_what(i)), with_interval(i.drop, difference=True, among=among))
            for i in found[:MOST_LISTED]
        ],
    )


def _ranked(finding: Finding) -> list[CandidateFinding]:
    sign = -1.0 if finding.higher_is_better else 1.0

    def place(candidate: CandidateFinding) -> tuple[bool, float]:
        return candidate.estimate is None, sign * (candidate.estimate or 0.0)

    return sorted(finding.candidates, key=place)


def _legend(found: Sequence[CandidateFinding]) -> list[tuple[str, Style]]:
    roles = {c.role for c in found}
    return [(NAMES[role], style) for role, style in ROLES.items() if role in roles]


def _own(candidate: CandidateFinding) -> Estimate:
    return Estimate(estimate=candidate.estimate, low=candidate.low, high=candidate.high)


def _finite(estimate: Estimate) -> Estimate | None:
    return None if estimate.estimate is None else estimate


def _p_values(difference: Difference) -> tuple[str, str]:
    return p_value(difference.p_value), p_value(difference.p_adjusted)


def _any_small(groups: Sequence[SubgroupFinding]) -> bool:
    return any(group.small for group in groups)


def _group(group: SubgroupFinding) -> tuple[str, ...]:
    rest = group.difference_to_rest
    return (
        plain(f"{group.column}: {group.group}"),
        count(group.patients),
        count(group.events),
        with_interval(group.score),
        with_interval(group.calibration),
        "–" if rest is None else with_interval(rest, difference=True),
        "few patients" if group.small else "",
    )


def _what(found: Importance) -> str:
    return found.modality if found.feature is None else f"{found.feature} ({found.modality})"
