"""Several curves of one kind in one picture, such as the learning curves of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from consilience.study.discovered import PathFound
from consilience.study.report.canvas import Chart, Style, drawn, graph, shorten
from consilience.study.report.choice import make_room, path_charts
from consilience.study.report.wording import number, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVE, CHOSEN = Style(0), Style(1)


def alike(one: PathFound, other: PathFound) -> bool:
    """Return whether two curves have the same axes and the same candidate."""
    return all(
        getattr(one, name) == getattr(other, name) for name in ("candidate", "x_label", "y_label")
    )


def curve_charts(found: Sequence[PathFound]) -> list[Chart]:
    """Return one chart of all curves, which are alike; a single one is drawn as a path."""
    known = [each for each in found if any(y is not None for y in each.y)]
    if len(known) < 2:
        return [chart for each in known for chart in path_charts(each)]
    first = known[0]
    x, y = plain(first.x_label), plain(first.y_label)
    return [
        Chart(
            key="path",
            title=f"{plain(first.candidate)}: {plain(first.title)} and {len(known) - 1} more",
            caption=(
                f"To the right: {x}. Upwards: {y}. There is a line for each of {len(known)}; the "
                "squares mark what was chosen of each. Lines that differ much say how much hangs "
                "on chance."
            ),
            figure=_draw(known),
            columns=("Line", f"Points ({x})", f"Chosen ({x})", f"There: {y}", f"Last: {y}"),
            rows=[_row(each) for each in known],
        )
    ]


def _row(found: PathFound) -> tuple[str, ...]:
    known = [value for value in found.y if value is not None]
    chosen = "–" if found.chosen is None else f"{found.chosen:.4g}"
    there = number(_at_chosen(found), known) if found.chosen is not None else "–"
    return plain(found.title), f"{len(known)}", chosen, there, number(known[-1], known)


def _at_chosen(found: PathFound) -> float | None:
    """Return the height of a curve where it was chosen."""
    nearest = int(np.argmin(np.abs(np.array(found.x) - (found.chosen or 0.0))))
    return found.y[nearest]


@drawn
def _draw(lines: Sequence[PathFound]) -> Figure:
    chosen = [line for line in lines if line.chosen is not None]
    entries = [(f"{lines[0].y_label}, a line each", CURVE)]
    entries += [("what was chosen", CHOSEN)] if chosen else []
    figure, axes = graph(entries, height=290)
    for line in lines:
        heights = np.array([np.nan if value is None else value for value in line.y])
        axes.plot(line.x, heights, color=CURVE.colour, linewidth=1.5, alpha=0.8)
    for line in chosen:
        point = np.array([line.chosen, _at_chosen(line)], dtype=float)
        axes.plot(*point[:, None], CHOSEN.marker, color=CHOSEN.colour, markersize=7)
    axes.locator_params(nbins=5)
    make_room(axes)
    axes.set(xlabel=shorten(lines[0].x_label, 320), ylabel=shorten(lines[0].y_label, 240))
    return figure
