"""Curves that fall in steps: shares of patients free of an event, with who is still followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from consilience.metrics.scores import FloatArray
from consilience.study.report.canvas import LINE, Style, blank, drawn, legend, place, shorten
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import count, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Steps:
    """One curve.

    Attributes
    ----------
    label : str
        What the legend says.
    style : Style
    time, survival, low, high : ndarray of shape (n_steps,)
        It falls at the times; the ends of the interval are NaN where it has none.
    followed : sequence of int
        Patients still followed at the axis' ticks.
    """

    label: str
    style: Style
    time: FloatArray
    survival: FloatArray
    low: FloatArray
    high: FloatArray
    followed: Sequence[int]


@drawn
def draw_steps(lines: Sequence[Steps], unit: str, times: Sequence[float] | FloatArray) -> Figure:
    """Draw curves with their intervals, and below them how many are still followed.

    Parameters
    ----------
    lines : sequence of Steps
        At least one.
    unit : str
        Of the time.
    times : sequence of float
        Where the axis has its ticks.
    """
    below = LINE * (len(lines) + 1)
    figure = blank(310 + LINE * len(lines) + below)
    legend(figure, [(line.label, line.style) for line in lines])
    axes = place(figure, 58, 12 + LINE * len(lines), 24, 48 + below)
    for line in lines:
        _curve(axes, line)
    last = max(float(line.time[-1]) for line in lines)
    shares = np.linspace(0, 1, 6)
    axes.set(xlim=(0, last), ylim=(0, 1.02), xticks=times, yticks=shares)
    axes.set_xticklabels([f"{time:g}" for time in times])
    axes.set_yticklabels([percent(share) for share in shares])
    axes.set(xlabel=shorten(f"Time ({unit})", 300) if unit else "Time", ylabel="Free of the event")
    _at_risk(axes, lines, times)
    return figure


def _curve(axes: Axes, line: Steps) -> None:
    time, survival, low, high, style = line.time, line.survival, line.low, line.high, line.style
    known = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(
        time, low, high, where=known, step="post", color=style.colour, alpha=0.15, linewidth=0
    )
    axes.step(time, survival, where="post", color=style.colour, linestyle=style.dash, linewidth=2)
    axes.plot(time[-1], survival[-1], marker=style.marker, color=style.colour, clip_on=False)


def _at_risk(axes: Axes, lines: Sequence[Steps], times: Sequence[float] | FloatArray) -> None:
    """Write below the axis how many are still followed, a line a group."""
    height = axes.get_window_extent().height
    across = axes.get_xaxis_transform()
    axes.text(
        -0.14,
        -58 / height,
        "Number at risk",
        transform=axes.transAxes,
        va="center_baseline",
        color=stand_in("muted"),
    )
    for row, line in enumerate(lines):
        y = -(58 + LINE * (row + 1)) / height
        axes.plot(
            -0.11,
            y,
            transform=axes.transAxes,
            marker=line.style.marker,
            color=line.style.colour,
            clip_on=False,
        )
        for time, followed in zip(times, line.followed, strict=True):
            axes.text(
                time, y, number_of(followed), transform=across, ha="center", va="center_baseline"
            )


def number_of(followed: int) -> str:
    """Return a count that fits between two ticks."""
    return count(followed) if followed < 100_000 else f"{number(followed / 1000)}k"
