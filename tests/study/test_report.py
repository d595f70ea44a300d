from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.study.report_example import Example, example
from tests.study.report_reading import (
    Reader,
    changed,
    charts,
    hostile,
    overlaps,
    read,
)

from consilience.metrics import Probabilities
from consilience.study.evidence import Evidence
from consilience.study.finding import (
    Contribution,
    Difference,
    Estimate,
    Flow,
    Importance,
    Pattern,
)
from consilience.study.report import render_report
from consilience.study.report.page import page_of
from consilience.study.report.render import html as page_text
from consilience.study.report.wording import with_interval

KINDS = ("binary", "multiclass", "continuous", "survival")


# --- what a reader finds -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_comes_first_and_the_sections_follow_in_order(kind: str) -> None:
    made = example(kind)
    page = read(made)
    verdict = made.finding.verdict
    order = [
        verdict.sentence,
        verdict.reliance,
        verdict.for_whom,
        "Who was measured by what",
        "From the files to the analysis",
        "How the candidates compare",
        "What each source adds",
        "Discrimination",
        "Subgroups",
        "What it goes by",
        "Ways a study can fool itself",
        "All candidates, all measures",
        "We predicted",
        "TRIPOD+AI checklist",
        "Where these numbers come from",
    ]
    places = [page.text.index(words) for words in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("binary", {"roc", "precision-recall", "reliability", "benefit"}),
        ("multiclass", {"roc", "precision-recall", "reliability"}),
        ("continuous", {"agreement"}),
        ("survival", {"event-free", "event-free-2", "reliability", "benefit"}),
    ],
)
def test_each_kind_of_outcome_has_its_curves(kind: str, keys: set[str]) -> None:
    always = {"measured", "candidates", "differences", "contributions", "subgroups"}
    found = page_of(example(kind).finding, example(kind).evidence).charts
    assert [chart.key for chart in found if chart.key in keys | always] == [
        chart.key for chart in found if chart.key not in {"sources", "features"}
    ]
    assert keys | always | {"sources", "features"} == {chart.key for chart in found}
    for chart in found:
        assert len(chart.caption) > 60
        assert chart.rows
        assert all(len(row) == len(chart.columns) for row in chart.rows)


def test_every_number_of_the_finding_is_on_the_page() -> None:
    made = example("survival")
    text = read(made).text
    for candidate in made.finding.candidates:
        own = Estimate(estimate=candidate.estimate, low=candidate.low, high=candidate.high)
        assert with_interval(own) in text
        for other in candidate.others.values():
            assert with_interval(other) in text
    for group in made.finding.subgroups:
        assert f"{group.column}: {group.group}" in text
    for item in made.finding.checklist:
        assert " ".join(item.answer.split()) in text
    for name, version in made.finding.provenance.versions.items():
        assert f"Version of {name} {version}" in text
    assert made.finding.cohort.fingerprint in text


def test_where_a_source_hurts_it_is_said_plainly() -> None:
    worse = Difference(estimate=-0.05, low=-0.08, high=-0.02)
    better = Difference(estimate=0.05, low=0.02, high=0.08)
    made = changed(
        example("binary"),
        contributions=[
            Contribution(modality="m1", difference=worse, hurts=True),
            Contribution(modality="m2", difference=better, hurts=False),
        ],
    )
    text = read(made).text
    assert "Adding m1 makes the predictions worse: −0.050 (−0.080 to −0.020)." in text
    assert "Adding m2 makes the predictions better: +0.050 (+0.020 to +0.080)." in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_well_formed_and_described_for_those_who_do_not_see_it(kind: str) -> None:
    page = read(example(kind))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    links = {value[1:] for value in page.values("href") if value.startswith("#")}
    links |= {v for value in page.values("aria-labelledby") for v in value.split()}
    assert links <= set(ids)
    drawings = [attribute for attribute in page.attributes if attribute[:2] == ("svg", "role")]
    assert len(drawings) == len(page_of(example(kind).finding, example(kind).evidence).charts)
    assert page.text.count("The numbers as a table") >= len(drawings) - 4


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_asks_for_nothing_outside_itself(kind: str, tmp_path: Path) -> None:
    made = example(kind)
    render_report(made.finding, made.evidence, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Reader(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "base", "form", "image"}
    assert all(value.startswith("#") for name in ("href", "src") for value in page.values(name))
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert "#fe01" not in text  # every stand-in colour has become a variable
    assert len(text.encode()) < 1_000_000


def test_of_very_many_features_the_page_lists_those_that_matter_most() -> None:
    drops = np.random.default_rng(0).normal(0, 0.01, 3000)
    found = [
        Importance(modality="rna", feature=f"gene {k}", drop=Estimate(estimate=float(drop)))
        for k, drop in enumerate(drops)
    ]
    made = changed(example("binary"), importance=found)
    chart = charts(made)["features"]
    assert [row[0] for row in chart.rows] == [
        f"gene {k} (rna)" for k in np.argsort(-drops, kind="stable")[:100]
    ]
    assert "all 3,000 are in finding.json" in chart.caption


def test_a_measure_that_is_best_in_the_middle_is_not_said_to_be_best_high() -> None:
    note = page_of(example("binary").finding, example("binary").evidence).table_note
    assert "Calibration slope (1 is best)" in note
    assert "Calibration intercept (0 is best)" in note
    assert "Brier score (lower is better)" in note


def test_the_same_finding_gives_the_same_bytes() -> None:
    made = example("survival")
    again = page_text(made.finding, made.evidence)
    assert page_text(made.finding, made.evidence) == again


# --- what users may write ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["multiclass", "survival"])
def test_markup_in_names_is_shown_as_text(kind: str) -> None:
    page = read(hostile(example(kind)))
    assert "script" not in page.tags
    assert page.text.count("<script>alert('1')</script> & \"$x_1$\"") > 20
    assert not any(name.startswith("on") for _, name, _ in page.attributes)


@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_in_any_script_and_without_an_end_stay_inside_the_figure() -> None:
    made = example("binary")
    names = ["神経膠芽腫の遺伝子発現データ" * 4, "W" * 300, "tab\tand\x00null\nline", "👩‍⚕️ ward"]
    found = [
        c.model_copy(update={"name": name})
        for c, name in zip(made.finding.candidates, names, strict=False)
    ]
    page = changed(made, candidates=found)
    text = read(page).text
    assert names[0] in text
    assert names[1] in text
    assert "tab andnull line" in text
    assert overlaps(charts(page)["candidates"]) == []


# --- unusual studies ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_a_study_of_one_source(kind: str) -> None:
    made = example(kind)
    finding = made.finding
    only = [c for c in finding.candidates if c.role == "single"][:1]
    lone = only[0].model_copy(update={"difference_to_best_single": None})
    verdict = finding.verdict.model_copy(
        update={
            "best_fused": None,
            "difference": None,
            "answer": "cannot tell",
            "best_single": lone.name,
        }
    )
    cohort = finding.cohort.model_copy(
        update={
            "modalities": finding.cohort.modalities[:1],
            "patterns": [Pattern(modalities=lone.modalities, patients=180)],
        }
    )
    page = changed(
        made,
        candidates=[lone],
        verdict=verdict,
        cohort=cohort,
        contributions=[],
        subgroups=[],
        importance=[],
        checks=[],
        checklist=[],
    )
    text = read(page).text
    assert "This study cannot tell" in text
    assert "1 source of data" in text
    assert "No check was run." in text
    assert "What each source adds" not in text
    for chart in page_of(page.finding, page.evidence).charts:
        assert overlaps(chart) == [], chart.key


def test_a_failed_candidate_is_shown_with_its_reason() -> None:
    made = example("binary")
    name = str(made.finding.verdict.best_fused)
    failed = [
        c
        if c.name != name
        else c.model_copy(
            update={
                "estimate": None,
                "low": None,
                "high": None,
                "difference_to_best_single": None,
                "others": {},
                "among_informed": None,
                "failed": "failed in 2 of 6 folds: a <matrix> is singular",
            }
        )
        for c in made.finding.candidates
    ]
    scores = {key: told for key, told in made.evidence.scores.items() if key != name}
    page = Example(
        made.finding.model_copy(update={"candidates": failed}),
        Evidence(made.evidence.target, scores),
        made.protocol,
    )
    text = read(page).text
    assert f"{name} : failed in 2 of 6 folds: a <matrix> is singular" in text
    rows = {row[0]: row for row in charts(page)["candidates"].rows}
    assert rows[name][2] == "failed"
    assert "nan" not in text.lower().split()


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_undefined_numbers_are_said_to_be_undefined(kind: str) -> None:
    made = example(kind)
    nothing = Difference(estimate=None)
    page = changed(
        made,
        candidates=[
            c.model_copy(
                update={"low": None, "high": None, "others": {"log_loss": Estimate(estimate=None)}}
            )
            for c in made.finding.candidates
        ],
        contributions=[Contribution(modality="m1", difference=nothing, hurts=False)],
        subgroups=[
            g.model_copy(update={"score": Estimate(estimate=None)}) for g in made.finding.subgroups
        ],
        importance=[Importance(modality="m1", feature=None, drop=Estimate(estimate=None))],
        verdict=made.finding.verdict.model_copy(update={"difference": nothing}),
    )
    text = read(page).text
    assert "not defined" in text
    assert "(no interval)" in text
    assert not {"nan", "None", "inf"} & set(text.split())


def test_of_many_classes_the_largest_are_drawn_and_that_is_said() -> None:
    made = example("multiclass")
    rng = np.random.default_rng(0)
    labels = np.array([f"class {k}" for k in range(9)])
    y = rng.choice(labels, 300, p=np.arange(1, 10) / 45)
    told = [Probabilities(rng.dirichlet(np.ones(9), 300), labels) for _ in range(2)]
    target = replace(made.evidence.target, y=y)
    counts = {label: int((y == label).sum()) for label in labels}
    cohort = made.finding.cohort.model_copy(update={"classes": counts})
    page = Example(
        made.finding.model_copy(update={"cohort": cohort}),
        Evidence(target, {str(made.finding.verdict.best_fused): told}),
        made.protocol,
    )
    chart = charts(page)["roc"]
    largest = sorted(counts, key=lambda label: -counts[label])[:6]
    assert [column.partition(" (")[0] for column in chart.columns[1:]] == largest
    assert overlaps(chart) == []
    assert "The 6 largest of the 9 classes are drawn" in read(page).text


def test_no_patient_with_the_outcome_leaves_the_curves_out() -> None:
    made = example("binary")
    target = replace(made.evidence.target, y=np.zeros_like(made.evidence.target.y))
    page = replace(made, evidence=Evidence(target, made.evidence.scores))
    assert not {"roc", "reliability", "benefit"} & set(charts(page))


@pytest.mark.parametrize("kind", KINDS)
def test_a_dozen_patients_and_one_repeat(kind: str) -> None:
    made = example(kind)
    y = made.evidence.target.y
    strata = y["event"] if y.dtype.names else (y if kind != "continuous" else y > 0)
    rows = np.concatenate([np.flatnonzero(strata == s)[:4] for s in np.unique(strata)])
    target = replace(made.evidence.target, y=y[rows])
    scores = {name: [told[0].take(rows)] for name, told in made.evidence.scores.items()}
    page = replace(made, evidence=Evidence(target, scores))
    found = page_of(page.finding, page.evidence).charts
    assert len(found) > 6
    for chart in found:
        assert overlaps(chart) == [], chart.key


def test_a_step_that_counts_a_part_of_the_patients_is_set_aside() -> None:
    made = example("binary")
    flow = [
        Flow(step="in the files", patients=10),
        Flow(step="with nothing measured", patients=2),
        Flow(step="analysed", patients=10),
    ]
    page = changed(made, cohort=made.finding.cohort.model_copy(update={"flow": flow}))
    steps = page_of(page.finding, page.evidence).flow
    assert [bool(step["aside"]) for step in steps] == [False, True, False]
