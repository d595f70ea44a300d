"""Calibration: whether of those told 20 percent, 20 in 100 have the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from consilience.metrics.scores import FloatArray
from consilience.study.report.canvas import Chart, Style, drawn, graph, place
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Reliability:
    """Observed shares in groups of predicted risk, as one line of the figure.

    Attributes
    ----------
    label : str
    points : DataFrame
        A row a group: predicted (mean), observed (share), low, high, n.
    risks : ndarray of shape (n_patients,)
        All predictions, for the histogram.
    style : Style
    """

    label: str
    points: pd.DataFrame
    risks: FloatArray
    style: Style


def reliability(lines: Sequence[Reliability], what: str) -> Chart:
    """Return the calibration chart; `what` says whose risk of what."""
    more = " Intervals of the other lines are in the table." if len(lines) > 1 else ""
    return Chart(
        key="reliability",
        title=f"Calibration: {what}",
        caption=(
            "Patients in groups of equal size by predicted risk: the mean prediction (to the "
            "right) against the share in whom it came true (upwards; bars: 95% interval). On the "
            "dashed diagonal predictions can be taken at their word; below it they are too high, "
            f"above it too low. The strip below shows how often {lines[0].label} predicted each "
            f"risk.{more}"
        ),
        figure=_draw(lines),
        columns=("Line", "Mean predicted", "Observed (interval)", "Patients"),
        rows=[(line.label, *_row(point)) for line in lines for _, point in line.points.iterrows()],
    )


def _row(point: pd.Series) -> tuple[str, ...]:
    low, high = number(point["low"]), number(point["high"])
    observed = f"{number(point['observed'])} ({low} to {high})"
    return number(point["predicted"]), observed, count(int(point["n"]))


@drawn
def _draw(lines: Sequence[Reliability]) -> Figure:
    figure, axes = graph([(line.label, line.style) for line in lines], height=390, bottom=104)
    top = min(1.0, 1.08 * max(_highest(line) for line in lines))
    axes.plot([0, top], [0, top], color=stand_in("muted"), linewidth=1, linestyle=(0, (4, 3)))
    for line in lines:
        _line(axes, line, bars=line is lines[0])
    axes.set(xlim=(0, top), ylim=(0, top), ylabel="Came true")
    axes.locator_params(nbins=5)
    axes.tick_params(labelbottom=False)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.2g}")
    height = 72 * figure.get_size_inches()[1]
    strip = place(figure, 58, height - 94, 14, 46)
    strip.hist(
        lines[0].risks[lines[0].risks <= top],
        bins=np.linspace(0, top, 41).tolist(),
        color=lines[0].style.colour,
        linewidth=0,
    )
    strip.set(xlim=(0, top), yticks=[], xlabel="Predicted")
    strip.set_xticks(axes.get_xticks(), [f"{tick:.2g}" for tick in axes.get_xticks()])
    strip.set_xlim(0, top)
    strip.spines["left"].set_visible(False)
    return figure


def _highest(line: Reliability) -> float:
    values = line.points[["predicted", "observed", "high"]].to_numpy()
    usual = float(np.quantile(line.risks, 0.99))
    return max(usual, float(np.max(values[np.isfinite(values)], initial=0.05)))


def _line(axes: Axes, line: Reliability, *, bars: bool) -> None:
    style, points = line.style, line.points
    observed = points["observed"]
    reach = np.abs(np.array([observed - points["low"], points["high"] - observed]))
    axes.errorbar(
        points["predicted"],
        observed,
        yerr=np.nan_to_num(reach) if bars else None,
        color=style.colour,
        linestyle=style.dash,
        marker=style.marker,
        markersize=6,
        linewidth=1.5,
        elinewidth=1.2,
    )
