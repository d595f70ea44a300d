"""The score as measurements go missing: a line a candidate, with its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from consilience.study.finding import (
    CandidateFinding,
    Finding,
    RobustnessFinding,
    RobustnessPoint,
)
from consilience.study.report.canvas import Chart, Style, drawn, graph, shorten
from consilience.study.report.choice import make_room
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import percent, plain, subject, with_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAD = (
    "From the patients tested, measurements were removed at random: one source of one patient "
    "at a time, the same for every candidate, and each patient kept at least one. Nothing was "
    "fitted again. In a hospital measurements are not missing at random, so that these curves "
    "show what a model can do without, and not how it will do elsewhere."
)

MOST_LINES = 5
"""More lines with intervals cannot be told apart; the others stand in the table."""


def robustness(finding: Finding) -> Chart | None:
    """Return the curves of the candidates and of imputation before early fusion, if asked for."""
    known = [each for each in finding.robustness if each.points]
    if not known:
        return None
    lines = _shown(known, finding)
    spared = "" if len(lines) == len(known) else " Those not drawn are in the table."
    label = plain(finding.metric_label)
    return Chart(
        key="robustness",
        title=f"Robustness: {label} as measurements are removed",
        caption=(
            "To the right: the share of the measurements of the patients tested that was removed. "
            f"Upwards: {label}, with its interval. A line that falls less than that of imputation "
            "before early fusion belongs to a candidate that does better without imputing. "
            f"Neighbouring points share most of their patients.{spared}"
        ),
        figure=_draw(lines, finding),
        columns=("Candidate", "Removed", label, "Difference to imputation + early"),
        rows=[_row(each, point) for each in known for point in each.points],
    )


def said(finding: Finding) -> list[str]:
    """Return what the largest removal did to the candidate that the verdict is about."""
    about = subject(finding)
    found = next((r for r in finding.robustness if _is(r, about) and len(r.points) > 1), None)
    if found is None:
        return []
    whole, last = found.points[0], found.points[-1]
    text = (
        f"With {percent(last.removed)} of the measurements removed, {plain(found.candidate)} "
        f"scores {with_interval(last.score)}, and {with_interval(whole.score)} with all."
    )
    if last.difference is not None:
        told = with_interval(last.difference, difference=True)
        text += f" Its difference to imputation before early fusion is then {told}."
    return [text]


def failures(finding: Finding) -> list[str]:
    """Return a sentence for each candidate that could not do without."""
    return [
        f"{plain(each.candidate)} gave no predictions with measurements removed: "
        f"{plain(each.failed)}"
        for each in finding.robustness
        if each.failed
    ]


def _is(found: RobustnessFinding, about: CandidateFinding | None) -> bool:
    return about is not None and found.candidate == about.name


def _shown(known: Sequence[RobustnessFinding], finding: Finding) -> list[RobustnessFinding]:
    """Return whose lines are drawn: the verdict's, the comparator's, then the best."""
    about = subject(finding)
    sign = -1.0 if finding.higher_is_better else 1.0

    def rank(found: RobustnessFinding) -> tuple[bool, bool, float]:
        score = found.points[0].score.estimate
        return (
            not _is(found, about),
            not found.comparator,
            np.inf if score is None else sign * score,
        )

    return sorted(known, key=rank)[:MOST_LINES]


def _row(found: RobustnessFinding, point: RobustnessPoint) -> tuple[str, ...]:
    difference = "–"
    if point.difference is not None:
        difference = with_interval(point.difference, difference=True)
    return plain(found.candidate), percent(point.removed), with_interval(point.score), difference


@drawn
def _draw(lines: Sequence[RobustnessFinding], finding: Finding) -> Figure:
    styles = [Style(place) for place in range(len(lines))]
    entries = [(line.candidate, style) for line, style in zip(lines, styles, strict=True)]
    figure, axes = graph(entries, height=300)
    if finding.chance is not None:
        axes.axhline(finding.chance, color=stand_in("muted"), linewidth=1, linestyle=(0, (4, 3)))
    for place, (line, style) in enumerate(zip(lines, styles, strict=True)):
        x = np.array([point.removed for point in line.points])
        y, low, high = (
            np.array([getattr(p.score, end) for p in line.points], dtype=float)
            for end in ("estimate", "low", "high")
        )
        aside = 0.006 * (place - (len(lines) - 1) / 2)  # so that bars stand beside one another
        axes.vlines(x + aside, low, high, color=style.colour, linewidth=1.5, alpha=0.7)
        axes.plot(
            x + aside,
            y,
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markersize=5,
            linewidth=2,
        )
    axes.set(xlabel="Measurements removed at random", ylabel=shorten(finding.metric_label, 240))
    axes.locator_params(axis="y", nbins=5)
    axes.set_xticks([point.removed for point in lines[0].points])
    axes.xaxis.set_major_formatter(lambda share, _: percent(share))
    make_room(axes)
    return figure
