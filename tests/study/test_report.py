from __future__ import annotations

import html.parser
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.study.report_example import Example, example

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics import Probabilities
from consilience.study.evidence import Evidence
from consilience.study.finding import (
    Contribution,
    Difference,
    Estimate,
    Finding,
    Flow,
    Importance,
    ModalitySummary,
    Pattern,
    SubgroupFinding,
)
from consilience.study.report import render_report
from consilience.study.report.by_outcome import _censored_benefit
from consilience.study.report.canvas import SIZE, Chart, shorten, width_of
from consilience.study.report.event_free import thirds
from consilience.study.report.page import page_of
from consilience.study.report.render import html as page_text
from consilience.study.report.theme import DARK, LIGHT, SERIES, TEXT
from consilience.study.report.wording import number, signed, with_interval

KINDS = ("binary", "multiclass", "continuous", "survival")
NASTY = "<script>alert('1')</script> & \"$x_1$\" "
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Reader(html.parser.HTMLParser):
    """Reads a page strictly: tags must close in order; keeps words, attributes and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


def read(made: Example) -> Reader:
    return Reader(page_text(made.finding, made.evidence))


def changed(made: Example, **update: Any) -> Example:
    return replace(made, finding=made.finding.model_copy(update=update))


def charts(made: Example) -> dict[str, Chart]:
    return {chart.key: chart for chart in page_of(made.finding, made.evidence).charts}


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


def hostile(made: Example) -> Example:
    """Return the finding with markup in every text that a user can set."""
    finding = made.finding

    def bad(text: str) -> str:
        return NASTY + text

    candidates = [
        c.model_copy(update={"name": bad(c.name), "modalities": [bad(m) for m in c.modalities]})
        for c in finding.candidates
    ]
    cohort = finding.cohort.model_copy(
        update={
            "name": bad("cohort"),
            "modalities": [
                m.model_copy(update={"name": bad(m.name)}) for m in finding.cohort.modalities
            ],
            "patterns": [
                Pattern(modalities=[bad(m) for m in p.modalities], patients=p.patients)
                for p in finding.cohort.patterns
            ],
            "flow": [Flow(step=bad("step"), patients=3, left_out=1, reason=bad("why"))],
        }
    )
    verdict = finding.verdict.model_copy(
        update={
            "sentence": bad("sentence"),
            "best_single": bad(str(finding.verdict.best_single)),
            "best_fused": bad(str(finding.verdict.best_fused)),
        }
    )
    return Example(
        finding.model_copy(
            update={
                "title": bad("title"),
                "candidates": candidates,
                "cohort": cohort,
                "verdict": verdict,
                "methods": bad("methods"),
                "outcome": finding.outcome.model_copy(update={"name": bad("outcome")}),
                "importance": [
                    Importance(modality=bad("m"), feature=bad("f"), drop=Estimate(estimate=0.1))
                ],
                "subgroups": [
                    g.model_copy(update={"column": bad(g.column), "group": bad(g.group)})
                    for g in finding.subgroups
                ],
                "checks": [
                    c.model_copy(update={"details": [{bad("key"): bad("value")}]})
                    for c in finding.checks
                ],
                "provenance": finding.provenance.model_copy(update={"study": {bad("k"): bad("v")}}),
            }
        ),
        Evidence(made.evidence.target, {bad(name): s for name, s in made.evidence.scores.items()}),
        made.protocol,
    )


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


# --- figures -----------------------------------------------------------------------------


def drawn_texts(chart: Chart) -> list[tuple[str, Any]]:
    """Return every text that is drawn, with its box in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    found: list[tuple[str, Any]] = []
    original = Text.draw

    def recording(self: Text, renderer: Any, *args: Any, **kwargs: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), self.get_window_extent(renderer)))
        original(self, renderer, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(Text, "draw", recording)
        FigureCanvasAgg(chart.figure).draw()
    return found


def overlaps(chart: Chart) -> list[tuple[str, str]]:
    """Return pairs of texts that touch, and texts that stick out of the figure."""
    texts = drawn_texts(chart)
    assert texts
    pairs = [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(texts, 2)
        if one.x0 < other.x1 - 0.5
        and other.x0 < one.x1 - 0.5
        and one.y0 < other.y1 - 0.5
        and other.y0 < one.y1 - 0.5
    ]
    width, height = chart.figure.get_size_inches() * 72
    out = [
        (text, "the edge")
        for text, box in texts
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    return pairs + out


def crowded(made: Example) -> Example:
    """Return the finding with 13 sources, 20 candidates, 50 groups and long names."""
    finding = made.finding
    long = "expression of all genes measured in the tumour, batch "
    candidates = [
        c.model_copy(update={"name": f"{long}{place} {c.name}"})
        for place, c in enumerate((finding.candidates * 3)[:20])
    ]
    names = [f"modality with a long name {k}" for k in range(13)]
    rng = np.random.default_rng(0)
    patterns = [
        Pattern(modalities=[n for n in names if rng.random() < 0.6], patients=int(20000 / (k + 1)))
        for k in range(60)
    ]
    groups = [
        SubgroupFinding(
            column="hospital where the patient was treated",
            group=f"Hospital of the City number {k}",
            patients=12345,
            events=12,
            score=Estimate(estimate=float(v), low=float(v) - 0.2, high=float(v) + 0.2),
            calibration=Estimate(estimate=1.0),
            small=k % 2 == 0,
        )
        for k, v in enumerate(rng.uniform(0.4, 0.8, 50))
    ]
    cohort = finding.cohort.model_copy(
        update={
            "modalities": [
                ModalitySummary(name=n, kind="table", patients=20000, features=9) for n in names
            ],
            "patterns": patterns,
        }
    )
    return changed(made, candidates=candidates, cohort=cohort, subgroups=groups)


def as_it_is(made: Example) -> Example:
    return made


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        *((kind, as_it_is) for kind in KINDS),
        ("binary", crowded),
        ("survival", hostile),
        ("continuous", hostile),
    ],
)
def test_no_two_labels_of_a_figure_overlap(kind: str, change: Callable[[Example], Example]) -> None:
    made = change(example(kind))
    for chart in page_of(made.finding, made.evidence).charts:
        assert overlaps(chart) == [], chart.key


def test_the_test_of_overlap_sees_an_overlap() -> None:
    chart = charts(example("binary"))["candidates"]
    figure = chart.figure
    figure.text(0.5, 0.5, "one label")
    figure.text(0.51, 0.5, "another label")
    assert ("one label", "another label") in overlaps(chart)


def test_a_crowded_report_stays_small() -> None:
    made = crowded(example("binary"))
    assert len(page_text(made.finding, made.evidence).encode()) < 3_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_patients_stay_small(kind: str) -> None:
    made = example(kind)
    rows = np.random.default_rng(0).integers(0, len(made.evidence.target.y), 2000)
    target = replace(made.evidence.target, y=made.evidence.target.y[rows])
    scores = {name: [s.take(rows) for s in told] for name, told in made.evidence.scores.items()}
    text = page_text(made.finding, Evidence(target, scores))
    assert len(text.encode()) < 1_000_000


# --- curves ------------------------------------------------------------------------------


def test_the_listed_roc_points_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import roc_curve

    made = example("binary")
    name = str(made.finding.verdict.best_fused)
    y = made.evidence.target.y
    curves = [roc_curve(y, s.values[:, 1])[:2] for s in made.evidence.scores[name]]
    half = float(np.mean([np.interp(0.5, *curve) for curve in curves]))
    chart = charts(made)["roc"]
    row = next(row for row in chart.rows if row[0] == "50%")
    assert row[1] == number(half)


def test_thirds_of_risk_are_ordered_and_keep_equal_risks_together() -> None:
    y = np.empty(9, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = True, np.arange(1, 10)
    groups = thirds(y, np.arange(9)[::-1].astype(float))
    assert [group.y["time"].tolist() for group in groups] == [[7, 8, 9], [4, 5, 6], [1, 2, 3]]
    assert groups[0].at_risk(np.array([0.0, 8.0, 10.0])) == [3, 2, 0]
    same = thirds(y, np.ones(9))
    assert [len(group.y) for group in same] == [9]


def test_net_benefit_without_censoring_is_that_of_the_binary_outcome() -> None:
    from consilience.metrics.curves import net_benefit
    from consilience.study.report.benefit import THRESHOLDS

    rng = np.random.default_rng(1)
    y = np.empty(200, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = True, rng.exponential(10, 200)
    risks = rng.uniform(0, 1, 200)
    happened = (y["time"] <= 7).astype(int)
    expected = net_benefit(happened, risks, THRESHOLDS)["model"]
    np.testing.assert_allclose(_censored_benefit(y, risks, 7.0), expected, atol=1e-12)


def test_calibration_of_survival_is_of_the_event_with_ordered_ends() -> None:
    rows = charts(example("survival"))["reliability"].rows
    predicted = [float(row[1]) for row in rows if row[0] == rows[0][0]]
    assert predicted == sorted(predicted)
    for _, _, observed, _ in rows:
        middle, low, high = (float(part) for part in re.findall(r"[\d.]+", observed))
        assert low <= middle <= high


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


# --- words and colours -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.71249, "0.712"),
        (-0.0499, "−0.050"),
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (12.345, "12.35"),
        (-1234.5, "−1,234"),
        (0.00123, "0.0012"),
        (4.5e-7, "0.00000045"),
        (None, "not defined"),
        (float("nan"), "not defined"),
        (float("inf"), "not defined"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_numbers_beside_each_other_have_as_many_decimals() -> None:
    estimate = Estimate(estimate=0.033, low=-0.00002, high=0.08)
    assert with_interval(estimate, difference=True) == "+0.033 (0.000 to +0.080)"
    assert with_interval(Estimate(estimate=0.5)) == "0.500 (no interval)"
    assert signed(0.004, [0.2]) == "+0.004"


def test_shorten_fits_the_width_and_keeps_what_fits() -> None:
    assert shorten("short", 200) == "short"
    cut = shorten("a name that is far too long for its place", 130)
    head, _, tail = cut.partition("…")
    assert "a name that is far too long".startswith(head)
    assert "for its place".endswith(tail)
    assert len(head) >= len(tail) > 3
    assert width_of(cut) <= 130 < width_of(cut) + 3 * SIZE
    assert shorten("x" * 99, 1) == "…"


def luminance(colour: str) -> float:
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_lines_reach_wcag_aa(theme: dict[str, str]) -> None:
    for paper in ("paper", "panel"):
        for name in TEXT:
            assert contrast(theme[name], theme[paper]) >= 4.5, (name, paper)
    for name in SERIES:
        assert contrast(theme[name], theme["paper"]) >= 3, name


# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(colour: str, matrix: Any) -> Any:
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(matrix) @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.maximum(to_xyz @ seen / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", BLINDNESS)
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_colours_side_by_side_differ_for_every_sight(theme: dict[str, str], sight: str) -> None:
    """Beside colour, every series has a dash and a marker of its own."""
    for one, other in itertools.combinations(SERIES, 2):
        distance = np.linalg.norm(
            lab(theme[one], BLINDNESS[sight]) - lab(theme[other], BLINDNESS[sight])
        )
        assert distance > 12, (one, other, distance)


def test_every_status_has_a_sign_of_its_own() -> None:
    made = example("binary")
    found: Finding = made.finding
    statuses = ("passed", "warning", "failed", "not run")
    checks = [found.checks[0].model_copy(update={"status": status}) for status in statuses]
    signs = [c.sign for c in page_of(changed(made, checks=checks).finding, made.evidence).checks]
    assert len(set(signs)) == 4
