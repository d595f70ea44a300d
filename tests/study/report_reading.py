"""How the report's tests read a page and its figures, and findings that strain it."""

from __future__ import annotations

import html.parser
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.study.report_example import Example

from consilience.study.evidence import Evidence
from consilience.study.finding import (
    Estimate,
    Flow,
    Importance,
    ModalitySummary,
    Pattern,
    SubgroupFinding,
)
from consilience.study.report.canvas import Chart
from consilience.study.report.page import page_of
from consilience.study.report.render import html as page_text

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
