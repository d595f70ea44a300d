"""Kaplan-Meier curves of patients in thirds of their predicted risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from consilience.metrics.curves import kaplan_meier
from consilience.metrics.scores import FloatArray
from consilience.study.report.canvas import LINE, Chart, Style, blank, drawn, legend, place, shorten
from consilience.study.report.theme import stand_in
from consilience.study.report.wording import count, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THIRDS = ("lowest third of risk", "middle third", "highest third of risk")
STYLES = (Style(2), Style(0), Style(1))


@dataclass(frozen=True)
class Group:
    """Patients of one third."""

    label: str
    y: npt.NDArray[Any]
    style: Style

    def at_risk(self, times: FloatArray) -> list[int]:
        """Return how many are still followed at each time."""
        return [int((self.y["time"] >= time).sum()) for time in times]


def thirds(y: npt.NDArray[Any], risk: FloatArray) -> list[Group]:
    """Return patients in thirds of risk; equal risks stay together, an empty third is left out."""
    edges = np.quantile(risk, [1 / 3, 2 / 3])
    third = np.searchsorted(edges, risk, side="left")
    return [Group(THIRDS[k], y[third == k], STYLES[k]) for k in range(3) if (third == k).any()]


def event_free(label: str, unit: str, y: npt.NDArray[Any], risk: FloatArray) -> Chart:
    """Return the Kaplan-Meier chart of a candidate.

    Parameters
    ----------
    label : str
        The candidate.
    unit : str
        Of the time.
    y : structured ndarray (event, time) of shape (n_patients,)
    risk : ndarray of shape (n_patients,)
        Higher is worse.
    """
    groups = thirds(y, risk)
    times = _ticks(float(y["time"].max()))
    return Chart(
        key="event-free",
        title=f"Free of the event, by predicted risk ({label})",
        caption=(
            "Kaplan-Meier curves of patients in thirds of the risk predicted when they were held "
            "out. Lines far apart and in order mean that the model tells patients apart; shading "
            "is the 95% interval. Below: how many were still followed at each time."
        ),
        figure=_draw(groups, unit, times),
        columns=("Group", "Patients", "Events", *(f"Free at {t:g} {unit}" for t in times[1:])),
        rows=[
            (
                group.label,
                count(len(group.y)),
                count(int(group.y["event"].sum())),
                *_free(group, times[1:]),
            )
            for group in groups
        ],
    )


def _free(group: Group, times: FloatArray) -> list[str]:
    curve = kaplan_meier(group.y["event"], group.y["time"])
    last = group.y["time"].max()
    steps = np.searchsorted(curve["time"], times, side="right") - 1
    survival = curve["survival"].to_numpy()[steps]
    return [percent(s) if t <= last else "–" for t, s in zip(times, survival, strict=True)]


def _ticks(last: float) -> FloatArray:
    from matplotlib.ticker import MaxNLocator

    ticks = np.asarray(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(0, last))
    return ticks[(ticks >= 0) & (ticks <= last)]


@drawn
def _draw(groups: Sequence[Group], unit: str, times: FloatArray) -> Figure:
    below = LINE * (len(groups) + 1)
    figure = blank(310 + LINE * len(groups) + below)
    legend(figure, [(f"{g.label} ({len(g.y):,} patients)", g.style) for g in groups])
    axes = place(figure, 58, 12 + LINE * len(groups), 24, 48 + below)
    for group in groups:
        _curve(axes, group)
    last = max(float(group.y["time"].max()) for group in groups)
    shares = np.linspace(0, 1, 6)
    axes.set(xlim=(0, last), ylim=(0, 1.02), xticks=times, yticks=shares)
    axes.set_xticklabels([f"{time:g}" for time in times])
    axes.set_yticklabels([percent(share) for share in shares])
    axes.set(xlabel=shorten(f"Time ({unit})", 300) if unit else "Time", ylabel="Free of the event")
    _at_risk(axes, groups, times)
    return figure


def _curve(axes: Axes, group: Group) -> None:
    curve, style = kaplan_meier(group.y["event"], group.y["time"]), group.style
    time, survival, low, high = (
        curve[column].to_numpy() for column in ("time", "survival", "low", "high")
    )
    known = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(
        time, low, high, where=known, step="post", color=style.colour, alpha=0.15, linewidth=0
    )
    axes.step(time, survival, where="post", color=style.colour, linestyle=style.dash, linewidth=2)
    axes.plot(time[-1], survival[-1], marker=style.marker, color=style.colour, clip_on=False)


def _at_risk(axes: Axes, groups: Sequence[Group], times: FloatArray) -> None:
    """Write below the axis how many are still followed, a line a group."""
    height = axes.get_window_extent().height
    across = axes.get_xaxis_transform()
    axes.text(
        -0.14,
        -58 / height,
        "Still followed",
        transform=axes.transAxes,
        va="center_baseline",
        color=stand_in("muted"),
    )
    for row, group in enumerate(groups):
        y = -(58 + LINE * (row + 1)) / height
        axes.plot(
            -0.11,
            y,
            transform=axes.transAxes,
            marker=group.style.marker,
            color=group.style.colour,
            clip_on=False,
        )
        for time, followed in zip(times, group.at_risk(times), strict=True):
            axes.text(
                time, y, number_of(followed), transform=across, ha="center", va="center_baseline"
            )


def number_of(followed: int) -> str:
    """Return a count that fits between two ticks."""
    return count(followed) if followed < 100_000 else f"{number(followed / 1000)}k"
