"""Numbers as bars, one a line, with their names at the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

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

PITCH = 20.0
"""Height of a bar with the space around it."""

GAP = 8.0
"""Between bars of one style and those of the next."""

NAMES = 170.0
"""The most that names take of the width."""

FOOT = 46.0


@dataclass(frozen=True)
class Bar:
    """One number.

    Attributes
    ----------
    label : str
    value : float
    style : Style
    text : str
        What stands beyond its end.
    """

    label: str
    value: float
    style: Style
    text: str = ""


@drawn
def bars(found: Sequence[Bar], label: str, entries: Sequence[tuple[str, Style]] = ()) -> Figure:
    """Draw bars from the top, those of one style together.

    Parameters
    ----------
    found : sequence of Bar
        At least one.
    label : str
        Of the axis.
    entries : sequence of (label, Style)
        The legend.
    """
    head = LINE * len(entries) + 10
    tops = _tops(found)
    figure = blank(head + tops[-1] + PITCH + FOOT)
    legend(figure, entries, line=False)
    names = [shorten(bar.label, NAMES) for bar in found]
    left = max(width_of(name) for name in names) + 12
    right = max([12.0, *(width_of(bar.text) + 10 for bar in found if bar.text)])
    axes = place(figure, left, head, right, FOOT)
    axes.set(ylim=(tops[-1] + PITCH, 0), yticks=[], xlim=_limits(found))
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color=stand_in("muted"), linewidth=1)
    for bar, name, top in zip(found, names, tops, strict=True):
        _draw(axes, bar, name, top + PITCH / 2)
    axes.locator_params(axis="x", nbins=4)
    # The label may be wider than the frame: it is centred on the figure.
    frame = WIDTH - left - right
    axes.set_xlabel(shorten(label, WIDTH - 12), x=(WIDTH / 2 - left) / frame)
    return figure


def _tops(found: Sequence[Bar]) -> list[float]:
    tops = [0.0]
    for bar, following in pairwise(found):
        tops.append(tops[-1] + PITCH + (GAP if bar.style != following.style else 0))
    return tops


def _limits(found: Sequence[Bar]) -> tuple[float, float]:
    """Return the axis' limits: 0 and all bars, with room for the marks at their ends."""
    low = min(0.0, *(bar.value for bar in found), 0.0)
    high = max(0.0, *(bar.value for bar in found), 0.0)
    if low == high:
        return 0.0, 1.0
    pad = 0.05 * (high - low)
    return (low - pad if low < 0 else 0.0), (high + pad if high > 0 else 0.0)


def _draw(axes: Axes, bar: Bar, name: str, middle: float) -> None:
    axes.barh(middle, bar.value, height=0.55 * PITCH, color=bar.style.colour, alpha=0.75)
    axes.plot(
        [bar.value],
        [middle],
        marker=bar.style.marker,
        color=bar.style.colour,
        markersize=6,
        clip_on=False,
    )
    across = axes.get_yaxis_transform()
    near = {"textcoords": "offset pixels", "va": "center_baseline", "annotation_clip": False}
    axes.annotate(name, (0, middle), xycoords=across, xytext=(-8, 0), ha="right", **near)  # type: ignore[arg-type]
    if bar.text:
        axes.annotate(bar.text, (1, middle), xycoords=across, xytext=(6, 0), ha="left", **near)  # type: ignore[arg-type]
