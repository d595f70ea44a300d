"""The curve along which a method chose a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from consilience.metrics.scores import FloatArray
from consilience.study.discovered import PathFound
from consilience.study.report.canvas import WIDTH, Chart, Style, drawn, graph, shorten, width_of
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import number, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LISTED = 50
WIDE = 40.0
"""Where the largest of positive settings is more than so often the smallest, they are drawn
on a scale of powers of ten."""

CURVE, CHOSEN = Style(0), Style(1)


def path_charts(found: PathFound) -> list[Chart]:
    """Return the chart of the path; none where no point of it is known."""
    known = [k for k, y in enumerate(found.y) if y is not None]
    if not known:
        return []
    listed = [known[k] for k in np.unique(np.linspace(0, len(known) - 1, MOST_LISTED).astype(int))]
    band = " Shading is one standard error to each side." if found.se else ""
    chosen = "" if found.chosen is None else f" The dashed line marks {_chosen(found)}."
    near = (
        " Settings whose bands overlap do about equally well: where the curve is flat, the choice "
        "matters little."
        if found.se
        else " Where the curve is flat, the choice matters little."
    )
    return [
        Chart(
            key="path",
            title=f"{plain(found.candidate)}: {plain(found.title)}",
            caption=(
                f"To the right: {plain(found.x_label)}. Upwards: {plain(found.y_label)}."
                f"{band}{chosen}{near}"
            ),
            figure=_draw(found),
            columns=(plain(found.x_label), plain(found.y_label), "Standard error"),
            rows=[
                (number(found.x[k]), number(found.y[k]), number(found.se[k]) if found.se else "–")
                for k in listed
            ],
        )
    ]


def _chosen(found: PathFound) -> str:
    return f"what was chosen: {found.chosen:.4g}"


def _stretch(axes: Axes, x: FloatArray) -> None:
    """Give small settings as much room as large ones where they differ by powers of ten."""
    positive = x[x > 0]
    if x.min() < 0 or not len(positive) or x.max() <= WIDE * positive.min():
        axes.locator_params(axis="x", nbins=5)
        return
    if x.min() > 0:
        axes.set_xscale("log")
    else:
        least = float(positive.min())
        axes.set_xscale("symlog", linthresh=least, linscale=0.5)
        axes.set_xlim(-0.2 * least, 1.3 * float(x.max()))
    shown, end = [], -np.inf
    for value in np.unique(x):  # labels that do not touch
        middle = float(axes.transData.transform((value, 0))[0])
        half = width_of(f"{value:g}") / 2
        if middle - half > end + 6:
            shown.append(float(value))
            end = middle + half
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.minorticks_off()


def make_room(axes: Axes) -> None:
    """Leave so much at the left as the numbers and the name of the axis need."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    widest = max(width_of(f"{tick:.4g}") for tick in axes.get_yticks())
    box, left = axes.get_position(), (widest + 34) / WIDTH
    axes.set_position((left, box.y0, box.x1 - left, box.height))


@drawn
def _draw(found: PathFound) -> Figure:
    entries = [(found.y_label, CURVE)]
    entries += [] if found.chosen is None else [(_chosen(found), CHOSEN)]
    figure, axes = graph(entries, height=290)
    x = np.array(found.x)
    y = np.array([np.nan if value is None else value for value in found.y])
    if found.se is not None:
        se = np.array([np.nan if value is None else value for value in found.se])
        axes.fill_between(x, y - se, y + se, color=CURVE.colour, alpha=0.18, linewidth=0)
    every = max(1, len(x) // 20)
    axes.plot(
        x, y, color=CURVE.colour, linewidth=2, marker=CURVE.marker, markersize=5, markevery=every
    )
    if found.chosen is not None:
        axes.axvline(found.chosen, color=CHOSEN.colour, linewidth=2, linestyle=CHOSEN.dash)
        nearest = int(np.nanargmin(np.where(np.isnan(y), np.nan, np.abs(x - found.chosen))))
        axes.plot(x[nearest], y[nearest], CHOSEN.marker, color=CHOSEN.colour, markersize=8)
    axes.locator_params(axis="y", nbins=5)
    make_room(axes)
    _stretch(axes, x)
    axes.yaxis.label.set_color(stand_in("ink"))
    axes.set(xlabel=shorten(found.x_label, 320), ylabel=shorten(found.y_label, 240))
    return figure
