"""Components of several sources: which features go together, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consilience.study.discovered import ComponentFound, ComponentsFound, LoadingFound
from consilience.study.report.bars import Bar, bars
from consilience.study.report.canvas import Chart, Style
from consilience.study.report.wording import number, p_clause, plain

MOST_COMPONENTS = 4
"""Components drawn of one method; `finding.json` holds all."""

MOST_BARS = 24
"""Features drawn of one component, shared out among the sources; the table has all."""


def component_charts(found: ComponentsFound) -> list[Chart]:
    """Return a chart for each of the first components."""
    drawn = [one for one in found.components if _weighed(one)][:MOST_COMPONENTS]
    left = len(found.components) - len(drawn)
    what = "component is" if left == 1 else "components are"
    more = f" {left} more {what} in finding.json only." if left else ""
    styles = _styles(found.components)
    charts = [_chart(found, one, styles) for one in drawn]
    return [*charts[:-1], *(_with(chart, more) for chart in charts[-1:])]


def _with(chart: Chart, more: str) -> Chart:
    return replace(chart, caption=chart.caption + more)


def _weighed(component: ComponentFound) -> list[LoadingFound]:
    return [one for one in component.loadings if one.weight is not None]


def _styles(components: Sequence[ComponentFound]) -> dict[str, Style]:
    """Return how each source is drawn, the same in every component of a method."""
    names = dict.fromkeys(one.modality for each in components for one in each.loadings)
    return {name: Style(place) for place, name in enumerate(sorted(names))}


def _chart(found: ComponentsFound, component: ComponentFound, styles: dict[str, Style]) -> Chart:
    ranked = _ranked(component, list(styles))
    among = [one.weight for one in ranked]
    each = max(2, MOST_BARS // max(1, len({one.modality for one in ranked})))
    shown = [one for one in ranked if _place(one, ranked) < each]
    sources = dict.fromkeys(one.modality for one in shown)
    rest = len(ranked) - len(shown)
    table = f" The table lists {rest} weaker ones too." if rest else ""
    return Chart(
        key="component",
        title=f"{plain(found.candidate)}: {plain(component.name)}{_strength(found, component)}",
        caption=f"{_start(found.title)}. {_reading(ranked)}{_notes(component)}{table}",
        figure=bars(
            [Bar(one.feature, one.weight or 0.0, styles[one.modality]) for one in shown],
            "Weight of the feature",
            [(name, styles[name]) for name in sources],
        ),
        columns=("Feature", "Source", "Weight"),
        rows=[
            (plain(one.feature), plain(one.modality), number(one.weight, among)) for one in ranked
        ],
    )


def _ranked(component: ComponentFound, names: Sequence[str]) -> list[LoadingFound]:
    """Return the features, source by source, the strongest of each first."""
    return sorted(
        _weighed(component), key=lambda one: (names.index(one.modality), -abs(one.weight or 0.0))
    )


def _place(one: LoadingFound, ranked: Sequence[LoadingFound]) -> int:
    return [other for other in ranked if other.modality == one.modality].index(one)


def _strength(found: ComponentsFound, component: ComponentFound) -> str:
    parts = []
    if component.strength is not None:
        parts.append(f"{plain(found.strength_label)} {number(component.strength)}")
    if component.p_value is not None:
        parts.append(p_clause(component.p_value))
    return f" ({', '.join(parts)})" if parts else ""


def _notes(component: ComponentFound) -> str:
    text = _start(component.notes)
    return f" {text}." if text else ""


def _start(words: str) -> str:
    """Return words as a sentence begins, without its full stop."""
    text = plain(words).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}"


def _reading(ranked: Sequence[LoadingFound]) -> str:
    signed = any((one.weight or 0.0) < 0 for one in ranked)
    sides = (
        "Features whose bars point to the same side count the same way; those on opposite sides "
        "count against each other."
        if signed
        else "All count the same way: a patient high in these features is high in it."
    )
    return f"Each bar is a feature, its length the weight it has here. {sides}"
