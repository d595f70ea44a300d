"""Who was measured by what: combinations of modalities and how many patients have each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilience.study.finding import CohortSummary, Pattern
from consilience.study.report.canvas import WIDTH, Chart, blank, drawn, place, shorten, width_of
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import count, percent, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 15
"""Combinations drawn; the rest are added up in the table."""

PITCH = 20.0
COLUMN = 18.0
BARS = 150.0


def measured(cohort: CohortSummary) -> Chart:
    """Return the chart of a cohort's combinations, the most frequent first."""
    patterns = sorted(cohort.patterns, key=lambda pattern: -pattern.patients)
    names = [modality.name for modality in cohort.modalities]
    left = len(patterns) - MOST
    more = f" {left} rarer combinations are in the table only." if left > 0 else ""
    total = sum(pattern.patients for pattern in patterns)
    rows = [
        (_named(pattern), count(pattern.patients), percent(pattern.patients / max(total, 1)))
        for pattern in patterns
    ]
    return Chart(
        key="measured",
        title="Who was measured by what",
        caption=(
            "Each row is a combination of sources: a filled dot means measured. The bar and the "
            "number say how many patients have exactly that combination; the number beside a "
            f"source's name says how many patients it measured.{more}"
        ),
        figure=_draw(cohort, names, patterns[:MOST]),
        columns=("Measured by", "Patients", "Share"),
        rows=rows,
    )


def _named(pattern: Pattern) -> str:
    return ", ".join(pattern.modalities) or "none of them"


@drawn
def _draw(cohort: CohortSummary, names: Sequence[str], patterns: Sequence[Pattern]) -> Figure:
    sizes = {modality.name: count(modality.patients) for modality in cohort.modalities}
    labels = [f"{shorten(name, 130)} · {sizes[name]}" for name in names]
    head = max((width_of(label) for label in labels), default=0) + 16
    matrix = COLUMN * len(names) + 12
    width = max(WIDTH, matrix + BARS)
    figure = blank(head + PITCH * len(patterns) + 8, width)
    dots = place(figure, 0, head, width - matrix, 8)
    dots.set(xlim=(-0.8, len(names) - 0.2), ylim=(len(patterns) - 0.5, -0.5))
    dots.axis("off")
    for column, label in enumerate(labels):
        dots.annotate(
            label,
            (column, -0.5),
            xytext=(0, 4),
            textcoords="offset pixels",
            rotation=90,
            ha="center",
            va="bottom",
            annotation_clip=False,
        )
    for row, pattern in enumerate(patterns):
        _dots(dots, row, [name in pattern.modalities for name in names])
    _bars(place(figure, matrix + 4, head, 60, 8), patterns)
    return figure


def _dots(axes: Axes, row: int, has: Sequence[bool]) -> None:
    columns = [column for column, yes in enumerate(has) if yes]
    if len(columns) > 1:
        axes.plot([columns[0], columns[-1]], [row, row], color=stand_in("ink"), lw=1.5, zorder=3)
    for column, yes in enumerate(has):
        colour = stand_in("ink" if yes else "muted")
        face = colour if yes else stand_in("paper")
        axes.plot(
            [column],
            [row],
            marker="o",
            markersize=9 if yes else 5,
            markerfacecolor=face,
            markeredgecolor=colour,
            markeredgewidth=1.0 if yes else 0.7,
        )


def _bars(axes: Axes, patterns: Sequence[Pattern]) -> None:
    counts = [pattern.patients for pattern in patterns]
    most = max([1, *counts])
    axes.set(xlim=(0, most), ylim=(len(counts) - 0.5, -0.5))
    axes.axis("off")
    axes.barh(range(len(counts)), counts, height=0.6, color=stand_in("series1"))
    for row, patients in enumerate(counts):
        axes.annotate(
            plain(count(patients)),
            (patients, row),
            xytext=(5, 0),
            textcoords="offset pixels",
            va="center_baseline",
            annotation_clip=False,
        )
