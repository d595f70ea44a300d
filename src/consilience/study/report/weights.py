"""A number a source, such as the weight of its kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from consilience.study.discovered import WeightsFound
from consilience.study.report.bars import Bar, bars
from consilience.study.report.canvas import Chart, Style
from consilience.study.report.wording import number, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 30
"""Bars drawn; the table has all."""

ONE = Style()


def weight_charts(found: WeightsFound) -> list[Chart]:
    """Return the chart of the weights; none if there are none."""
    known = {name: weight for name, weight in found.weights.items() if weight is not None}
    if not known:
        return []
    return [
        Chart(
            key="weights",
            title=f"{plain(found.candidate)}: {plain(found.title)}",
            caption=(
                f"Each bar, with the number beside it: {plain(found.label)}. A small number does "
                "not mean that there is nothing to know from a source: what it knows may already "
                "be in another."
            ),
            figure=weight_bars(known, found.label),
            columns=("Of", _start(found.label)),
            rows=[(plain(name), number(weight, known.values())) for name, weight in known.items()],
        )
    ]


def weight_bars(weights: Mapping[str, float], label: str) -> Figure:
    """Return bars with their numbers, the first at the top."""
    shown = dict(list(weights.items())[:MOST])
    found = [
        Bar(name, weight, ONE, number(weight, shown.values())) for name, weight in shown.items()
    ]
    return bars(found, _start(label))


def _start(label: str) -> str:
    text = plain(label)
    return f"{text[:1].upper()}{text[1:]}"
