"""What the methods found, as pictures: one way to draw a kind of discovery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

from consilience.study.discovered import (
    ComponentsFound,
    DiscoveryFound,
    GroupsFound,
    NothingFound,
    PathFound,
    WeightsFound,
)
from consilience.study.finding import Finding
from consilience.study.report.canvas import Chart
from consilience.study.report.choice import path_charts
from consilience.study.report.components import component_charts
from consilience.study.report.curves import alike, curve_charts
from consilience.study.report.subtypes import subtype_charts
from consilience.study.report.weights import weight_charts
from consilience.study.report.wording import plain

LEAD = (
    "Here each method was fitted once, on all patients, to show what it goes by. The pictures "
    "describe these patients; how well each method predicts others is told above, on patients "
    "it had not seen."
)


def discoveries(finding: Finding) -> list[Chart]:
    """Return the charts of all discoveries, in the order of the candidates."""
    charts = [
        replace(chart, group=found.candidate)
        for found, *more in _together(finding.discoveries)
        for chart in (curve_charts([found, *more]) if more else pictured(found, finding))
    ]
    return [replace(chart, key=f"found-{k}-{chart.key}") for k, chart in enumerate(charts)]


def _together(every: Sequence[DiscoveryFound]) -> Iterator[list[Any]]:
    """Yield each discovery by itself, but curves that are alike and follow one another as one."""
    waiting: list[Any] = []
    for found in every:
        if waiting and not _alike(waiting[0], found):
            yield waiting
            waiting = []
        waiting.append(found)
    if waiting:
        yield waiting


def _alike(one: DiscoveryFound, other: DiscoveryFound) -> bool:
    return isinstance(one, PathFound) and isinstance(other, PathFound) and alike(one, other)


def failures(finding: Finding) -> list[str]:
    """Return a sentence for each candidate that could not be asked."""
    return [
        f"What {plain(found.candidate)} found cannot be shown: {plain(found.failed)}"
        for found in finding.discoveries
        if isinstance(found, NothingFound)
    ]


@singledispatch
def pictured(found: DiscoveryFound, finding: Finding) -> list[Chart]:
    """Return the charts of one discovery; a kind registers how it is drawn."""
    raise TypeError(f"no picture is known of a {type(found).__name__}")


@pictured.register
def _components(found: ComponentsFound, finding: Finding) -> list[Chart]:
    return component_charts(found)


@pictured.register
def _weights(found: WeightsFound, finding: Finding) -> list[Chart]:
    return weight_charts(found)


@pictured.register
def _path(found: PathFound, finding: Finding) -> list[Chart]:
    return path_charts(found)


@pictured.register
def _nothing(found: NothingFound, finding: Finding) -> list[Chart]:
    return []


@pictured.register
def _groups(found: GroupsFound, finding: Finding) -> list[Chart]:
    return subtype_charts(found, finding.outcome.unit, finding.outcome.event)
