"""Estimates with their intervals, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from consilience.study.finding import Estimate
from consilience.study.report.canvas import (
    LINE,
    WIDTH,
    Style,
    blank,
    drawn,
    legend,
    place,
    shorten,
    width_of,
)
from consilience.study.report.theme import stand_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PITCH = 36.0
"""Height of a row: its name on one line, its interval on the next."""

SIDE = 18.0
PLAIN = Style()
FOOT = 48.0


@dataclass(frozen=True)
class Row:
    """One estimate.

    Attributes
    ----------
    label : str
    estimate : Estimate or None
        None where there is none; `text` then says why.
    text : str
        What stands at the right.
    style : Style
    hollow : bool
        Drawn as an outline: rests on few patients.
    """

    label: str
    estimate: Estimate | None
    text: str
    style: Style = PLAIN
    hollow: bool = False


@dataclass(frozen=True)
class Scale:
    """The axis below a forest.

    Attributes
    ----------
    label : str
    reference : float, optional
        Where the dashed line stands.
    """

    label: str
    reference: float | None = None


@drawn
def forest(rows: Sequence[Row], scale: Scale, entries: Sequence[tuple[str, Style]] = ()) -> Figure:
    """Draw a forest plot: each row's name and numbers on one line, its interval below.

    Parameters
    ----------
    rows : sequence of Row
        At least one; drawn from the top.
    scale : Scale
    entries : sequence of (label, Style)
        The legend.
    """
    head = LINE * len(entries) + (6 if entries else 0)
    height = head + PITCH * len(rows) + FOOT
    figure = blank(height)
    legend(figure, entries, line=False)
    axes = place(figure, SIDE, head, SIDE, FOOT)
    axes.set(xlim=_limits(rows, scale.reference), ylim=(PITCH * len(rows), 0), yticks=[])
    axes.spines["left"].set_visible(False)
    for number, row in enumerate(rows):
        _reference(axes, scale.reference, PITCH * number)
        _draw(axes, row, PITCH * number)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(shorten(scale.label, WIDTH - 2 * SIDE))
    return figure


def _reference(axes: Axes, reference: float | None, top: float) -> None:
    """Draw the dashed line beside an interval only, so that it never runs through a name."""
    if reference is not None:
        ends = [top + 20, top + PITCH]
        axes.plot([reference] * 2, ends, color=stand_in("muted"), linewidth=1, dashes=(3, 2))


def _draw(axes: Axes, row: Row, top: float) -> None:
    right = shorten(row.text, 0.6 * WIDTH)
    room = WIDTH - width_of(right) - 14
    across, out = axes.get_yaxis_transform(), (SIDE - 2) / (WIDTH - 2 * SIDE)
    axes.text(1 + out, top + 10, right, transform=across, ha="right", va="center_baseline")
    axes.text(-out, top + 10, shorten(row.label, room), transform=across, va="center_baseline")
    middle = None if row.estimate is None else row.estimate.estimate
    if row.estimate is None or middle is None:
        return
    left, far = axes.get_xlim()
    _interval(axes, row, top + 26)
    face = stand_in("paper") if row.hollow else row.style.colour
    axes.plot(
        [min(max(middle, left), far)],
        [top + 26],
        marker=row.style.marker,
        markersize=7,
        markerfacecolor=face,
        markeredgecolor=row.style.colour,
        markeredgewidth=1.5,
        clip_on=False,
    )


def _interval(axes: Axes, row: Row, y: float) -> None:
    """Draw the interval; an arrow says that it goes on beyond the frame."""
    if row.estimate is None or row.estimate.low is None or row.estimate.high is None:
        return
    left, far = axes.get_xlim()
    low, high = row.estimate.low, row.estimate.high
    ends = [min(max(low, left), far), min(max(high, left), far)]
    axes.plot(ends, [y, y], color=row.style.colour, linewidth=2, solid_capstyle="butt")
    for end, beyond, arrow in ((ends[0], low < left, "<"), (ends[1], high > far, ">")):
        if beyond:
            axes.plot([end], [y], marker=arrow, color=row.style.colour, clip_on=False, markersize=6)


def _limits(rows: Sequence[Row], reference: float | None) -> tuple[float, float]:
    """Return the axis' limits: all estimates, and intervals unless they would drown the rest."""
    known = [row.estimate for row in rows if row.estimate is not None]
    middles = [e.estimate for e in known if e.estimate is not None]
    middles += [] if reference is None else [reference]
    ends = [(e.low, e.high) for e in known if e.low is not None and e.high is not None]
    if not middles:
        return 0.0, 1.0
    typical = float(np.median([high - low for low, high in ends])) if ends else 0.0
    reach = 2 * max(max(middles) - min(middles), typical)
    low = max(min([*middles, *(low for low, _ in ends)]), min(middles) - reach)
    high = min(max([*middles, *(high for _, high in ends)]), max(middles) + reach)
    pad = 0.04 * (high - low) or max(0.05 * abs(high), 0.01)
    return low - pad, high + pad
