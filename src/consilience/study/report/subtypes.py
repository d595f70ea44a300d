"""Subtypes: how many patients are in each, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from consilience.study.discovered import Curve, GroupFound, GroupsFound
from consilience.study.finding import Estimate
from consilience.study.report.canvas import (
    LINE,
    Chart,
    Style,
    blank,
    drawn,
    legend,
    place,
    shorten,
    width_of,
)
from consilience.study.report.forest import Row, Scale, forest
from consilience.study.report.steps import Steps, draw_steps
from consilience.study.report.theme import stand_in
from consilience.study.report.weights import weight_bars
from consilience.study.report.wording import count, number, p_clause, percent, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 6
MOST_SHADED = 3
"""Groups whose intervals are drawn; more of them hide each other."""

PITCH = 34.0

_UNSEEN = (
    " The groups were made of what was measured in these patients, and the outcome is the "
    "same patients': on new ones the difference may be smaller."
)


def subtype_charts(found: GroupsFound, unit: str, event: str = "") -> list[Chart]:
    """Return what became of each group, and how stable the groups are.

    Parameters
    ----------
    found : GroupsFound
    unit : str
        Of the outcome.
    event : str
        What the outcome is when it happens, such as "responder = yes"; the groups hold
        only its code.
    """
    return [*_outcome(found, unit, event), *_stability(found)]


def _outcome(found: GroupsFound, unit: str, event: str) -> list[Chart]:
    groups = found.groups
    if not groups:
        return []
    if all(group.curve is not None for group in groups):
        return [_survival(found, unit)]
    if all(group.mean is not None for group in groups):
        return [_means(found, unit)]
    if all(group.shares is not None for group in groups):
        two = max(len(group.shares or ()) for group in groups) == 2
        return [_risks(found, event) if two else _classes(found)]
    return []


def _survival(found: GroupsFound, unit: str) -> Chart:
    shaded = len(found.groups) <= MOST_SHADED
    shading = "; shading is the 95% interval" if shaded else ""
    lines = [
        _steps(group, group.curve, Style(k), shaded=shaded)
        for k, group in enumerate(found.groups)
        if group.curve is not None
    ]
    return Chart(
        key="subtypes",
        title=_title(found),
        caption=(
            "Kaplan-Meier curves of the patients of each group: the share still free of the "
            f"event. Lines far apart mean that the groups fare differently{shading}. Below: how "
            f"many were still followed at each time.{_test(found)}{_UNSEEN}"
        ),
        figure=draw_steps(lines, unit, found.times),
        columns=(
            "Group",
            "Patients",
            "Events",
            *(f"Free at {t:g} {unit}" for t in found.times[1:]),
        ),
        rows=[
            (
                plain(group.name),
                count(group.patients),
                count(group.events),
                *("–" if share is None else percent(share) for share in group.free[1:]),
            )
            for group in found.groups
        ],
    )


def _steps(group: GroupFound, curve: Curve, style: Style, *, shaded: bool) -> Steps:
    ends = [
        np.array([v if v is not None and shaded else np.nan for v in end])
        for end in (curve.low, curve.high)
    ]
    label = f"{plain(group.name)} ({group.patients:,} patients)"
    time, survival = np.array(curve.time), np.array(curve.survival)
    return Steps(label, style, time, survival, ends[0], ends[1], group.followed)


def _means(found: GroupsFound, unit: str) -> Chart:
    label = f"Mean of the outcome ({unit})" if unit else "Mean of the outcome"
    what = "the mean of the outcome in each group, with its 95% interval"
    return _intervals(found, {g.name: g.mean for g in found.groups}, label, what)


def _risks(found: GroupsFound, event: str) -> Chart:
    level = list(found.groups[0].shares or ())[-1]
    outcome = plain(event or level)
    label = f"Share with {outcome}"
    what = f"the share of each group with the outcome {outcome}, with Wilson's 95% interval"
    shares = {group.name: (group.shares or {}).get(level) for group in found.groups}
    return _intervals(found, shares, label, what)


def _intervals(found: GroupsFound, values: dict[str, float | None], label: str, what: str) -> Chart:
    each = [
        (group, Estimate(estimate=values[group.name], low=group.low, high=group.high))
        for group in found.groups
    ]
    among = [end for _, one in each for end in (one.estimate, one.low, one.high)]
    total = sum(group.patients for group in found.groups)
    mean = sum((values[group.name] or 0.0) * group.patients for group in found.groups) / total
    told = [
        f"{number(one.estimate, among)} ({number(one.low, among)} to {number(one.high, among)})"
        for _, one in each
    ]
    return Chart(
        key="subtypes",
        title=_title(found),
        caption=(
            f"Each mark is {what}; the number after the name counts its patients. The dashed line "
            f"is that of all of them.{_test(found)}{_UNSEEN}"
        ),
        figure=forest(
            [
                Row(f"{plain(g.name)} · {count(g.patients)}", one, text, Style(k))
                for k, ((g, one), text) in enumerate(zip(each, told, strict=True))
            ],
            Scale(label, mean),
        ),
        columns=("Group", "Patients", f"{label} (interval)"),
        rows=[
            (plain(g.name), count(g.patients), text)
            for (g, _), text in zip(each, told, strict=True)
        ],
    )


def _classes(found: GroupsFound) -> Chart:
    levels = list(dict.fromkeys(level for g in found.groups for level in g.shares or ()))
    return Chart(
        key="subtypes",
        title=_title(found),
        caption=(
            "Each bar is a group, its parts the classes of the outcome by their share; the number "
            f"after the name counts its patients.{_drawn(levels)}{_test(found)}{_UNSEEN}"
        ),
        figure=_stacked(found.groups, levels[:MOST_CLASSES]),
        columns=("Group", "Patients", *map(plain, levels)),
        rows=[
            (
                plain(group.name),
                count(group.patients),
                *(percent((group.shares or {}).get(level, 0.0)) for level in levels),
            )
            for group in found.groups
        ],
    )


def _drawn(levels: Sequence[str]) -> str:
    if len(levels) <= MOST_CLASSES:
        return ""
    return f" Of {len(levels)} classes the first {MOST_CLASSES} are coloured."


@drawn
def _stacked(groups: Sequence[GroupFound], levels: Sequence[str]) -> Figure:
    entries = [(level, Style(k)) for k, level in enumerate(levels)]
    head = LINE * len(entries) + 10
    figure = blank(head + PITCH * len(groups) + 46)
    legend(figure, entries, line=False)
    names = [shorten(f"{g.name} · {count(g.patients)}", 150) for g in groups]
    axes = place(figure, max(map(width_of, names)) + 14, head, 22, 46)
    axes.set(xlim=(0, 1), ylim=(len(groups) - 0.5, -0.5), xlabel="Share of the group")
    starts = np.zeros(len(groups))
    for level, style in entries:
        widths = np.array([(group.shares or {}).get(level, 0.0) for group in groups])
        axes.barh(range(len(groups)), widths, left=starts, height=0.6, color=style.colour)
        for row in np.flatnonzero(widths > 0.06):  # a mark, for eyes that miss the colour
            axes.plot(
                starts[row] + widths[row] / 2, row, style.marker, color=stand_in("paper"), ms=6
            )
        starts += widths
    axes.set_yticks(range(len(groups)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xticks(np.linspace(0, 1, 5))
    axes.xaxis.set_major_formatter(lambda share, _: percent(share))
    return figure


def _stability(found: GroupsFound) -> list[Chart]:
    known = {_of(name): value for name, value in found.stability.items() if value is not None}
    if not known:
        return []
    return [
        Chart(
            key="stability",
            title=f"{plain(found.candidate)}: how stable the groups are",
            caption=(
                "How alike the groups come out when patients are drawn anew: at 1 the same "
                "patients stay together every time; small numbers mean that the grouping is an "
                "accident of who was in the study. More groups look more stable even where there "
                "are none, so compare with the test, where the method made one."
            ),
            figure=weight_bars(known, "Stability"),
            columns=("Of", "Stability"),
            rows=[(name, number(value, known.values())) for name, value in known.items()],
        )
    ]


def _of(name: str) -> str:
    """Return what a stability is of: so many groups, or the group of a name."""
    return f"{name} groups" if name.isdecimal() else plain(name)


def _title(found: GroupsFound) -> str:
    name = f"{plain(found.candidate)}: "
    return name + plain(found.title).removeprefix(name).rstrip(".")


def _test(found: GroupsFound) -> str:
    if found.p_value is None or not found.test:
        return ""
    clause = p_clause(found.p_value)
    return f" Difference between the groups ({found.test} test): {clause}."
