"""ROC and precision-recall curves, averaged over the repeats of cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from consilience.metrics.curves import pr_points, roc_points
from consilience.metrics.scores import FloatArray
from consilience.study.report.canvas import Chart, drawn, graph
from consilience.study.report.series import Series
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GRID = np.linspace(0.0, 1.0, 201)
LISTED = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])


def roc(series: Sequence[Series]) -> Chart:
    """Return the ROC curves of some series."""
    lines = [np.mean([_roc(s.happened, p) for p in s.predictions], axis=0) for s in series]
    return Chart(
        key="roc",
        title="ROC curve",
        caption=(
            "Of patients with the outcome, the share found (upwards) against the share of false "
            "alarms among the others (to the right), for every threshold. The nearer to the top "
            "left, the better; the dashed diagonal is guessing."
        ),
        figure=_draw_roc(series, lines),
        columns=("False alarms", *(s.label for s in series)),
        rows=_listed(lines),
    )


def precision_recall(series: Sequence[Series]) -> Chart:
    """Return the precision-recall curves of some series."""
    lines = [np.mean([_pr(s.happened, p) for p in s.predictions], axis=0) for s in series]
    shares = sorted({float(s.happened.mean()) for s in series})
    base = f"{percent(shares[0])} here" if len(shares) == 1 else "its share among the patients"
    return Chart(
        key="precision-recall",
        title="Precision and recall",
        caption=(
            "Of those flagged, the share who truly have the outcome (upwards) against the share of "
            f"all with the outcome who are flagged (to the right). Guessing would stay at {base}."
        ),
        figure=_draw_pr(series, lines, shares),
        columns=("Found", *(s.label for s in series)),
        rows=_listed(lines),
    )


def _roc(happened: npt.NDArray[np.bool_], p: FloatArray) -> FloatArray:
    """Return sensitivity on the grid of false-alarm rates, starting at 0."""
    points = roc_points(happened.astype(int), p)
    rates = points["false_positive_rate"], points["true_positive_rate"]
    return np.concatenate([[0.0], np.interp(GRID[1:], *rates)])


def _pr(happened: npt.NDArray[np.bool_], p: FloatArray) -> FloatArray:
    """Return precision on the grid of recall: that of the least recall at or beyond each."""
    points = pr_points(happened.astype(int), p)
    place = np.minimum(np.searchsorted(points["recall"], GRID, side="left"), len(points) - 1)
    precision: FloatArray = points["precision"].to_numpy()
    return precision[place]


def _listed(lines: Sequence[FloatArray]) -> list[tuple[str, ...]]:
    return [
        (percent(level), *(number(float(np.interp(level, GRID, line))) for line in lines))
        for level in LISTED
    ]


@drawn
def _draw_roc(series: Sequence[Series], lines: Sequence[FloatArray]) -> Figure:
    figure, axes = graph([(s.label, s.style) for s in series], height=330)
    axes.plot([0, 1], [0, 1], color=stand_in("muted"), linewidth=1, linestyle=(0, (4, 3)))
    _lines(axes, series, lines)
    axes.set(xlabel="1 − specificity: false alarms", ylabel="Sensitivity: found with the outcome")
    return figure


@drawn
def _draw_pr(
    series: Sequence[Series], lines: Sequence[FloatArray], shares: Sequence[float]
) -> Figure:
    figure, axes = graph([(s.label, s.style) for s in series], height=330)
    if len(shares) == 1:
        axes.axhline(shares[0], color=stand_in("muted"), linewidth=1, linestyle=(0, (4, 3)))
    _lines(axes, series, lines)
    axes.set(xlabel="Recall: found with the outcome", ylabel="Precision: true among those flagged")
    return figure


def _lines(axes: Axes, series: Sequence[Series], lines: Sequence[FloatArray]) -> None:
    ticks = np.linspace(0, 1, 6)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xticks=ticks, yticks=ticks)
    for each, line in zip(series, lines, strict=True):
        style = each.style
        axes.plot(
            GRID,
            line,
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markevery=(10 + 6 * style.place, 40),
            markersize=5,
            linewidth=2,
        )
