"""Decision curves: whether treating by the prediction does more good than harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from consilience.metrics.scores import FloatArray
from consilience.study.report.canvas import Chart, Style, drawn, graph
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THRESHOLDS = np.arange(0.01, 0.991, 0.01)
ALL = Style(4)


@dataclass(frozen=True)
class Benefit:
    """Net benefit of one way to decide, at `THRESHOLDS`."""

    label: str
    values: FloatArray
    style: Style


def benefit(lines: Sequence[Benefit], everyone: FloatArray, what: str) -> Chart:
    """Return the decision curve chart.

    Parameters
    ----------
    lines : sequence of Benefit
        The models.
    everyone : ndarray of shape (n_thresholds,)
        Net benefit of treating everyone.
    what : str
        The risk that is decided on.
    """
    shown = _range(lines, everyone)
    whole = [*lines, Benefit("treat everyone", everyone, ALL)]
    listed = [k for k in np.flatnonzero(shown) if round(100 * THRESHOLDS[k]) % 5 == 0]
    return Chart(
        key="benefit",
        title=f"Decision curve: {what}",
        caption=(
            "To the right: the risk from which one would treat. Upwards: the net benefit, true "
            "cases treated less false alarms weighed by that threshold, per patient. A model "
            "helps where its line lies above both treating everyone and treating no one (the "
            "dashed line at 0)."
        ),
        figure=_draw(whole, shown),
        columns=("Treat from a risk of", *(line.label for line in whole)),
        rows=[
            (percent(THRESHOLDS[k]), *(number(float(line.values[k])) for line in whole))
            for k in listed
        ],
    )


def _range(lines: Sequence[Benefit], everyone: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which thresholds to draw: up to where no way to decide is of use any more."""
    best = np.nanmax([everyone, *(line.values for line in lines)], axis=0)
    useful = np.flatnonzero(best > 0)
    last = min(len(THRESHOLDS) - 1, (int(useful[-1]) if len(useful) else 0) + 5)
    return np.arange(len(THRESHOLDS)) <= max(last, 20)


@drawn
def _draw(lines: Sequence[Benefit], shown: npt.NDArray[np.bool_]) -> Figure:
    figure, axes = graph([(line.label, line.style) for line in lines], height=320)
    top = max(0.02, float(np.nanmax([line.values[shown].max() for line in lines])))
    axes.axhline(0, color=stand_in("muted"), linewidth=1, linestyle=(0, (4, 3)))
    for line in lines:
        axes.plot(
            THRESHOLDS[shown],
            line.values[shown],
            color=line.style.colour,
            linestyle=line.style.dash,
            marker=line.style.marker,
            markevery=(2 + 3 * line.style.place, max(1, int(shown.sum()) // 5)),
            markersize=5,
            linewidth=2,
        )
    axes.set(ylim=(-0.3 * top, 1.1 * top), xlim=(0, float(THRESHOLDS[shown][-1])))
    axes.set(xlabel="Treat from a risk of", ylabel="Net benefit")
    axes.locator_params(nbins=5)
    axes.xaxis.set_major_formatter(lambda share, _: percent(share))
    return figure
