"""Kaplan-Meier curves of patients in thirds of their predicted risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.metrics.curves import kaplan_meier
from consilience.metrics.scores import FloatArray
from consilience.study.report.canvas import Chart, Style
from consilience.study.report.steps import Steps, draw_steps
from consilience.study.report.wording import count, percent

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

    def steps(self, times: FloatArray) -> Steps:
        """Return the Kaplan-Meier curve to draw, with who is still followed at some times."""
        curve = kaplan_meier(self.y["event"], self.y["time"])
        time, survival, low, high = (
            curve[column].to_numpy() for column in ("time", "survival", "low", "high")
        )
        label = f"{self.label} ({len(self.y):,} patients)"
        return Steps(label, self.style, time, survival, low, high, self.at_risk(times))


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
        figure=draw_steps([group.steps(times) for group in groups], unit, times),
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
