"""When the model knows: coverage promised and measured, and what being silent buys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from consilience.errors import listing
from consilience.study.finding import Estimate, Finding
from consilience.study.reliability_found import CoverageFound, ReliabilityFound
from consilience.study.report.canvas import Chart, Style, drawn, graph, shorten
from consilience.study.report.choice import make_room
from consilience.study.report.forest import Row, Scale, forest
from consilience.study.report.wording import count, number, percent, plain, with_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_GROUPS = 14
_SAID = {
    "classes": ("a set of classes", "Mean number of classes"),
    "values": ("an interval", "Mean width"),
    "times": ("a lower bound on the time", "Mean lower bound"),
}
_HELD = {
    "classes": "whose set held what came about",
    "values": "whose interval held what came about",
    "times": "who did not have the event before their bound (censoring weighed)",
}


def lead(finding: Finding) -> str:
    """Return what is said of a patient beside the number, and how it was judged."""
    found = finding.reliability
    if found is None:
        return ""
    said, _ = _SAID[found.of]
    names = plain(listing(found.groups))
    groups = f", judged within groups by {names}" if found.groups else ""
    return (
        f"Model shown: {plain(found.candidate)}. Beside its number it gives {said}{groups}. Each "
        "fold was judged by what was learned from the others. The promise is for patients like "
        "those of the study, and for many together: it is not the chance of being right for one."
    )


def notes(finding: Finding) -> list[str]:
    """Return in sentences what was measured, and what it means for use."""
    found = finding.reliability
    if found is None:
        return []
    said = [_measured(one) for one in found.coverage if not one.column]
    if found.too_uncertain is not None:
        said.append(
            f"For {percent(found.too_uncertain)} of the patients no class can be ruled out at a "
            f"level of {percent(found.silence_level)}: of them the model tells no number."
        )
    return [*said, *([found.recalibration] if found.recalibration else [])]


def _measured(one: CoverageFound) -> str:
    return (
        f"Promised {percent(one.level)}, held {percent(one.coverage)} "
        f"({_range(one)}) of {count(one.patients)} patients."
    )


def _range(one: CoverageFound) -> str:
    if one.low is None or one.high is None:
        return "too few for an interval"
    return f"{percent(one.low)} to {percent(one.high)}"


def coverage(finding: Finding) -> Chart | None:
    """Return how often the promise held, in all patients and in groups of them."""
    found = finding.reliability
    if found is None or not found.coverage:
        return None
    level = max(one.level for one in found.coverage)
    main = [one for one in found.coverage if one.level == level]
    rows = [
        Row(
            f"{_name(one)} · {count(one.patients)}",
            _estimate(one),
            with_interval(_estimate(one)),
            hollow=one.low is None,
        )
        for one in main[:MOST_GROUPS]
    ]
    more = f" {len(main) - MOST_GROUPS} more are in the table." if len(main) > MOST_GROUPS else ""
    return Chart(
        key="coverage",
        title=f"Promised {percent(level)}: how often it held",
        caption=(
            f"For each group the share of patients {_HELD[found.of]}, with its 95% interval; the "
            "dashed line is what was promised. Where a whole interval is to the left of it, the "
            f"promise is broken in that group.{_by_outcome(found)}{more}"
        ),
        figure=forest(rows, Scale("Share for whom it held", level)),
        columns=("Patients", "Number", "Promised", "Held (interval)", _SAID[found.of][1]),
        rows=[
            (
                _name(one),
                count(one.patients),
                percent(one.level),
                with_interval(_estimate(one)),
                number(one.size),
            )
            for one in found.coverage
        ],
    )


def _by_outcome(found: ReliabilityFound) -> str:
    if not any(one.column == "outcome" for one in found.coverage):
        return ""
    return " By what came about nothing is promised; it shows whom the sets serve less."


def _name(one: CoverageFound) -> str:
    return plain(f"{one.column}: {one.group}" if one.column else one.group)


def _estimate(one: CoverageFound) -> Estimate:
    return Estimate(estimate=one.coverage, low=one.low, high=one.high)


def answered(finding: Finding) -> Chart | None:
    """Return the error as the model answers fewer patients, the surest first."""
    found = finding.reliability
    if found is None or len(found.curve) < 2:
        return None
    return Chart(
        key="answered",
        title="What being silent buys",
        caption=(
            f"To the right: the share of patients who are answered, ordered by "
            f"{plain(found.sureness)}. Upwards: {plain(found.error)}, among those answered, with "
            "its 95% interval. A curve that falls to the left says that the model knows when it "
            "does not know. Neighbouring points share most of their patients."
        ),
        figure=_draw(found),
        columns=("Answered", "Patients", "Error among them (interval)"),
        rows=[
            (
                percent(point.share),
                count(point.patients),
                with_interval(Estimate(estimate=point.error, low=point.low, high=point.high)),
            )
            for point in found.curve
        ],
    )


@drawn
def _draw(found: ReliabilityFound) -> Figure:
    style = Style(0)
    figure, axes = graph([(found.candidate, style)], height=280)
    x, y, low, high = (
        np.array([getattr(point, name) for point in found.curve])
        for name in ("share", "error", "low", "high")
    )
    axes.vlines(x, low, high, color=style.colour, linewidth=1.5, alpha=0.7)
    axes.plot(x, y, color=style.colour, marker=style.marker, markersize=5, linewidth=2)
    axes.set(xlabel="Patients answered, the surest first", ylabel=shorten(_error(found), 220))
    axes.set_ylim(0, None)
    axes.locator_params(axis="y", nbins=5)
    axes.xaxis.set_major_formatter(lambda share, _: percent(share))
    make_room(axes)
    return figure


def _error(found: ReliabilityFound) -> str:
    return {"classes": "Share wrong", "times": "Share wrong"}.get(found.of, "Mean absolute error")
