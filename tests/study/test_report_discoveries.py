"""The pictures of what methods found."""

from __future__ import annotations

import numpy as np
import pytest
from tests.study.discoveries_example import SOURCES, discovering, every_kind
from tests.study.report_reading import NASTY, changed, charts, overlaps, read

from consilience.study.discovered import (
    ComponentFound,
    ComponentsFound,
    GroupFound,
    GroupsFound,
    LoadingFound,
    PathFound,
    WeightsFound,
)
from consilience.study.finding import Finding
from consilience.study.report.canvas import Chart
from consilience.study.report.discoveries import discoveries
from consilience.study.report.render import html
from consilience.study.report.wording import number, percent

KINDS = ("binary", "multiclass", "continuous", "survival")


def pictures(kind: str, *found: object) -> list[Chart]:
    made = discovering(kind)
    return discoveries(changed(made, discoveries=list(found)).finding if found else made.finding)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_picture_with_the_numbers_beside_it(kind: str) -> None:
    made = discovering(kind)
    page = read(made)
    assert "What the methods found" in page.text
    every = charts(made)
    drawn = [chart for key, chart in every.items() if key.startswith("found-")]
    assert [chart.key.split("-")[2] for chart in drawn] == [
        "component", "component", "component", "component", "component", "component",
        "weights", "path", "subtypes", "stability",
    ]  # fmt: skip
    for chart in drawn:
        assert overlaps(chart) == [], chart.key
        assert chart.rows and all(len(row) == len(chart.columns) for row in chart.rows)
        assert len(chart.caption) > 60
        assert chart.title in page.text


def test_the_lead_says_that_nothing_here_was_held_out() -> None:
    text = read(discovering("binary")).text
    assert text.index("on all patients, to show") < text.index("sparse CCA: pair 1")


def test_strength_and_p_value_stand_in_the_title() -> None:
    titles = [chart.title for chart in pictures("binary")]
    assert "sparse CCA: pair 1 (canonical correlation 0.810, p < 0.001)" in titles
    assert "sparse CCA: pair 2 (canonical correlation 0.440, p = 0.031)" in titles
    assert "joint NMF: module 1" in titles


def test_loadings_are_told_source_by_source_the_strongest_first() -> None:
    made = discovering("binary")
    pair = every_kind(made)["sparse CCA"][0].components[0]  # type: ignore[union-attr]
    rows = pictures("binary")[0].rows
    expected = [
        (one.feature, one.modality)
        for source in sorted(SOURCES)
        for one in sorted(
            (each for each in pair.loadings if each.modality == source),
            key=lambda each: -abs(each.weight),
        )
    ]
    assert [(row[0], row[1]) for row in rows] == expected
    weights = {one.feature: one.weight for one in pair.loadings}
    assert all(row[2] == number(weights[row[0]], weights.values()) for row in rows)


def test_of_many_components_the_first_are_drawn_and_that_is_said() -> None:
    modules = [chart for chart in pictures("binary") if chart.title.startswith("joint NMF")]
    assert len(modules) == 4
    assert "2 more components are in finding.json only" in modules[-1].caption
    assert not any("more components" in chart.caption for chart in modules[:-1])


def test_one_that_is_left_is_told_as_one() -> None:
    five = pictures("binary", *_with_components(5))
    assert "1 more component is in finding.json only" in five[-1].caption


def _with_components(number: int) -> list[ComponentsFound]:
    loading = LoadingFound(modality="rna", feature="f", weight=1.0)
    components = [ComponentFound(name=f"c{k}", loadings=[loading]) for k in range(number)]
    return [ComponentsFound(candidate="a", title="t", strength_label="s", components=components)]


def test_pictures_of_one_method_stand_together() -> None:
    made = discovering("binary")
    of = {chart.group for chart in pictures("binary")}
    assert of == {found.candidate for found in made.finding.discoveries}
    body = html(made.finding, made.evidence)
    first, second = body.index("sparse CCA: pair 2"), body.index("joint NMF: module 1")
    assert '<div class="charts">' in body[first:second]
    assert '<div class="charts">' not in body[body.index("sparse CCA: pair 1") : first]


def test_groups_say_the_event_and_not_its_code() -> None:
    finding = discovering("binary").finding
    named = finding.outcome.model_copy(update={"event": "responder = yes"})
    charts = discoveries(finding.model_copy(update={"outcome": named}))
    chart = next(one for one in charts if "subtypes" in one.key)
    assert "with the outcome responder = yes, with Wilson" in chart.caption
    assert "Share with responder = yes (interval)" in chart.columns


def test_signs_are_explained_only_where_there_are_any() -> None:
    signed, *_, module = [c for c in pictures("binary") if "component" in c.key]
    assert "opposite sides" in signed.caption
    assert "opposite sides" not in module.caption


def test_the_path_shows_what_was_chosen_on_a_scale_that_fits() -> None:
    wide = PathFound(
        candidate="a",
        title="path",
        x_label="penalty",
        y_label="loss",
        x=[1e-4, 1e-2, 1.0],
        y=[None, 0.6, 0.5],
        chosen=1.0,
    )
    (chart,) = pictures("binary", wide)
    assert chart.figure.axes[0].get_xscale() == "log"
    wide_from_0 = wide.model_copy(update={"x": [0.0, 0.1, 9.0]})
    assert pictures("binary", wide_from_0)[0].figure.axes[0].get_xscale() == "symlog"
    assert "what was chosen: 1" in chart.caption and "standard error" not in chart.caption
    assert overlaps(chart) == []
    path = next(c for c in pictures("binary") if "path" in c.key)
    narrow = wide.model_copy(update={"x": [1.0, 2.0, 3.0]})
    assert pictures("binary", narrow)[0].figure.axes[0].get_xscale() == "linear"
    assert "one standard error" in path.caption


def test_what_is_not_known_has_no_picture() -> None:
    nothing = [
        ComponentsFound(candidate="a", title="t", strength_label="s", components=[]),
        ComponentsFound(
            candidate="a",
            title="t",
            strength_label="s",
            components=[
                ComponentFound(
                    name="c", loadings=[LoadingFound(modality="m", feature="f", weight=None)]
                )
            ],
        ),
        WeightsFound(candidate="a", title="t", label="w", weights={"m": None}),
        PathFound(candidate="a", title="t", x_label="x", y_label="y", x=[1.0], y=[None]),
        GroupsFound(candidate="a", title="t", groups=[]),
    ]
    assert pictures("binary", *nothing) == []


def test_subtypes_of_a_survival_outcome_are_curves_with_the_test() -> None:
    chart = next(c for c in pictures("survival") if "subtypes" in c.key)
    assert "log-rank test): p < 0.001" in chart.caption
    made = discovering("survival")
    groups = next(f for f in made.finding.discoveries if isinstance(f, GroupsFound))
    for row, group in zip(chart.rows, groups.groups, strict=True):
        assert row[:3] == (group.name, str(group.patients), str(group.events))
        assert list(row[3:]) == ["–" if s is None else percent(s) for s in group.free[1:]]


def test_shares_of_many_classes_are_drawn_of_the_first() -> None:
    rng = np.random.default_rng(0)
    groups = [
        GroupFound(
            name=f"subtype {k}",
            patients=40,
            shares={f"class {c}": float(s) for c, s in enumerate(rng.dirichlet(np.ones(9)))},
        )
        for k in range(3)
    ]
    (chart,) = pictures("multiclass", GroupsFound(candidate="a", title="t", groups=groups))
    assert "Of 9 classes the first 6 are coloured" in chart.caption
    assert len(chart.columns) == 11
    assert overlaps(chart) == []


@pytest.mark.parametrize("kind", KINDS)
def test_markup_and_long_names_stay_text_and_inside(kind: str) -> None:
    made = discovering(kind)
    long = NASTY + "W" * 200
    finding: Finding = made.finding
    text = finding.model_dump_json()
    for word in ("rna", "subtype 1", "sparse CCA", "deviance on inner folds", "Kernel weights"):
        text = text.replace(f'"{word}"', f'"{long} {word}"'.replace(NASTY, "<b>&$x_1$"))
    page = changed(made, discoveries=Finding.model_validate_json(text).discoveries)
    assert "<b>&amp;$x_1$" not in read(page).text
    for key, chart in charts(page).items():
        if key.startswith("found-"):
            assert overlaps(chart) == [], key
