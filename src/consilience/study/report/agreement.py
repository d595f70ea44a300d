"""Predicted against observed numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from consilience.metrics.scores import FloatArray
from consilience.study.report.canvas import Chart, Style, drawn, graph, shorten
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import count, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POINTS = 1500
"""Patients drawn; the rest are counted in the tenths."""


def agreement(label: str, name: str, y: FloatArray, predicted: FloatArray) -> Chart:
    """Return the chart of a candidate's predictions against what was observed.

    Parameters
    ----------
    label : str
        The candidate.
    name : str
        The outcome, with its unit.
    y, predicted : ndarray of shape (n_patients,)
    """
    groups = np.array_split(np.argsort(predicted, kind="stable"), max(1, min(10, len(y) // 5)))
    means = [(float(predicted[g].mean()), float(y[g].mean()), len(g)) for g in groups]
    thinned = (
        f" {MOST_POINTS:,} patients are drawn, evenly taken; the squares count all."
        if len(y) > MOST_POINTS
        else ""
    )
    return Chart(
        key="agreement",
        title="Predicted and observed",
        caption=(
            "Each dot is a patient: what was predicted (to the right) and what was observed "
            "(upwards). Squares are the means of patients in order of their prediction, in up to "
            "ten groups; on the dashed diagonal the prediction can be taken at its word."
            f"{thinned}"
        ),
        figure=_draw(label, name, y, predicted, means),
        columns=("Mean predicted", "Mean observed", "Patients"),
        rows=[(number(p), number(o), count(n)) for p, o, n in means],
    )


@drawn
def _draw(
    label: str,
    name: str,
    y: FloatArray,
    predicted: FloatArray,
    means: list[tuple[float, float, int]],
) -> Figure:
    dots, groups = Style(0), Style(1)
    entries = [(f"{label}: mean of a group", groups)]
    figure, axes = graph(entries, height=350)
    order = np.argsort(predicted, kind="stable")
    shown = order[np.unique(np.linspace(0, len(order) - 1, MOST_POINTS).astype(int))]
    ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
    axes.plot(ends, ends, color=stand_in("muted"), linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(predicted[shown], y[shown], "o", color=dots.colour, markersize=3, alpha=0.45, mew=0)
    at = [p for p, _, _ in means], [o for _, o, _ in means]
    axes.plot(
        *at, color=groups.colour, linestyle=groups.dash, marker=groups.marker, markersize=6, lw=2
    )
    axes.set(xlabel=shorten(f"Predicted {name}", 320), ylabel=shorten(f"Observed {name}", 280))
    axes.locator_params(nbins=5)
    return figure
