"""What stands on the page, in the order in which it is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from consilience.metrics import Metric, metrics_for
from consilience.study.evidence import Evidence
from consilience.study.finding import (
    Answer,
    CandidateFinding,
    CheckFinding,
    Contribution,
    Estimate,
    Finding,
    Verdict,
)
from consilience.study.report import (
    by_outcome,
    comparisons,
    discoveries,
    knowing,
    robustness,
    upset,
)
from consilience.study.report.canvas import Chart
from consilience.study.report.comparisons import NAMES
from consilience.study.report.series import MOST_CLASSES
from consilience.study.report.wording import (
    count,
    duration,
    number,
    plain,
    signed,
    subject,
    with_interval,
)
from consilience.study.verdict import ALPHA

MOST_DETAILS = 20
"""Rows of a check's details on the page; `finding.json` holds all."""

_ANSWERS: dict[Answer, tuple[str, str, str]] = {
    "together more": ("good", "▲", "Together they know more"),
    "no gain shown": ("neutral", "=", "No gain shown"),
    "together less": ("bad", "▼", "Together they know less"),
    "cannot tell": ("warning", "?", "This study cannot tell"),
}

_STATUS = {
    "passed": ("good", "✓"),
    "warning": ("warning", "!"),
    "failed": ("bad", "✗"),
    "not run": ("neutral", "–"),
}

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """A key number."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Note:
    """A sentence that must not be overlooked."""

    text: str
    tone: str


@dataclass(frozen=True)
class Section:
    """A heading with figures; it is left out where it would be empty."""

    key: str
    heading: str
    charts: Sequence[Chart]
    lead: str = ""
    notes: Sequence[Note] = ()

    @property
    def groups(self) -> list[list[Chart]]:
        """The charts, those that belong together side by side."""
        return [list(charts) for _, charts in groupby(self.charts, key=lambda one: one.group)]

    @property
    def beside(self) -> bool:
        """Whether the table stands beside the figure: it is alone, and the table short."""
        return len(self.charts) == 1 and 0 < len(self.charts[0].rows) <= 12


@dataclass(frozen=True)
class Check:
    """A check as the page shows it."""

    name: str
    status: str
    sentence: str
    tone: str
    sign: str
    columns: Cells
    rows: list[Cells]
    total: int


@dataclass(frozen=True)
class Page:
    """All that the template reads."""

    title: str
    about: str
    tone: str
    sign: str
    answer: str
    verdict: Verdict
    keys: list[Key]
    measured: Chart
    flow: list[dict[str, str]]
    sections: list[Section]
    checks: list[Check]
    columns: Cells
    rows: list[Cells]
    table_note: str
    failed: list[tuple[str, str]]
    methods: list[str]
    checklist: list[Cells]
    checklist_note: str
    provenance: list[Cells]
    settings: str
    footer: str
    charts: list[Chart] = field(default_factory=list)


def page_of(finding: Finding, evidence: Evidence) -> Page:
    """Return the page of a finding."""
    tone, sign, answer = _ANSWERS[finding.verdict.answer]
    sections = _sections(finding, evidence)
    measured = upset.measured(finding.cohort)
    columns, rows = _all_measures(finding)
    return Page(
        title=plain(finding.title),
        about=_about(finding),
        tone=tone,
        sign=sign,
        answer=answer,
        verdict=finding.verdict,
        keys=_keys(finding),
        measured=measured,
        flow=_flow(finding),
        sections=sections,
        checks=[_check(check) for check in finding.checks],
        columns=columns,
        rows=rows,
        table_note=_table_note(finding),
        failed=[(plain(c.name), plain(c.failed)) for c in finding.candidates if c.failed],
        methods=finding.methods.split("\n\n"),
        checklist=[(i.item, i.topic, i.status, i.answer) for i in finding.checklist],
        checklist_note=_checklist_note(finding),
        provenance=_provenance(finding),
        settings=json.dumps(finding.provenance.study, indent=2, ensure_ascii=False, default=str),
        footer=_footer(finding),
        charts=[measured, *(chart for section in sections for chart in section.charts)],
    )


def _about(finding: Finding) -> str:
    cohort, outcome = finding.cohort, finding.outcome
    sources = len(cohort.modalities)
    return (
        f"{count(cohort.analysed)} patients of {plain(cohort.name)}, {sources} "
        f"source{'s' if sources != 1 else ''} of data, predicting {plain(outcome.name)}."
    )


def _keys(finding: Finding) -> list[Key]:
    verdict, label = finding.verdict, finding.metric_label
    keys = []
    if verdict.difference is not None:
        difference = verdict.difference
        keys.append(
            Key(
                f"Difference in {label} (above 0 is better)",
                signed(difference.estimate),
                _to(difference, signed=True),
            )
        )
    for what, name in (
        ("Together", verdict.best_fused),
        ("Best source alone", verdict.best_single),
    ):
        for candidate in finding.candidates:
            if candidate.name == name:
                own = Estimate(estimate=candidate.estimate, low=candidate.low, high=candidate.high)
                title = f"{what}: {plain(name)}, {label}"
                keys.append(Key(title, number(own.estimate), _to(own)))
    return keys


def _to(estimate: Estimate, *, signed: bool = False) -> str:
    text = with_interval(estimate, difference=signed)
    return text[text.index("(") :] if "(" in text else ""


def _flow(finding: Finding) -> list[dict[str, str]]:
    flow = finding.cohort.flow
    after = [*(step.patients for step in flow[1:]), 0]
    return [
        {
            "step": plain(step.step),
            "patients": count(step.patients),
            "left_out": count(step.left_out) if step.left_out else "",
            "reason": plain(step.reason),
            # Fewer than at the next step: a part of the patients, not a step on the way.
            "aside": "yes" if step.patients < following else "",
        }
        for step, following in zip(flow, after, strict=True)
    ]


def _sections(finding: Finding, evidence: Evidence) -> list[Section]:
    about = subject(finding)
    who = "" if about is None else f"Model shown: {plain(about.name)}."
    return [
        Section(
            "compare",
            "How the candidates compare",
            _there(comparisons.candidates(finding), comparisons.differences(finding)),
        ),
        Section(
            "adds",
            "What each source adds",
            _there(comparisons.contributions(finding)),
            notes=_said_plainly(finding.contributions),
        ),
        Section(
            "tells-apart",
            "Discrimination: how well it tells patients apart",
            by_outcome.discrimination(finding, evidence),
            lead=f"{who}{_classes_drawn(finding)}" if finding.outcome.kind == "multiclass" else "",
        ),
        Section(
            "use",
            "Calibration and use: can its predictions be taken at their word?",
            _there(
                *by_outcome.calibration(finding, evidence), by_outcome.decision(finding, evidence)
            ),
        ),
        Section(
            "groups",
            "Subgroups: for whom it holds",
            _there(comparisons.subgroups(finding)),
            lead=who,
        ),
        Section(
            "knows",
            "When the model knows: how sure it is, and when it is silent",
            _there(knowing.coverage(finding), knowing.answered(finding)),
            lead=knowing.lead(finding),
            notes=[Note(text, "neutral") for text in knowing.notes(finding)],
        ),
        _robustness(finding),
        Section(
            "matters",
            "What it goes by: sources and features",
            _there(
                comparisons.importance(finding, features=False),
                comparisons.importance(finding, features=True),
            ),
            lead=who,
        ),
        Section(
            "found",
            "What the methods found",
            discoveries.discoveries(finding),
            lead=discoveries.LEAD,
            notes=[Note(text, "warning") for text in discoveries.failures(finding)],
        ),
    ]


def _robustness(finding: Finding) -> Section:
    """Return the curves of the scores as measurements go missing."""
    return Section(
        "missing",
        "Robustness: when measurements are missing",
        _there(robustness.robustness(finding)),
        lead=robustness.LEAD,
        notes=[
            *(Note(text, "neutral") for text in robustness.said(finding)),
            *(Note(text, "warning") for text in robustness.failures(finding)),
        ],
    )


def _classes_drawn(finding: Finding) -> str:
    classes = len(finding.cohort.classes or ())
    if classes <= MOST_CLASSES:
        return " Each class is drawn against all others."
    return (
        f" The {MOST_CLASSES} largest of the {classes} classes are drawn, each against all others."
    )


def _there(*charts: Chart | None) -> list[Chart]:
    return [chart for chart in charts if chart is not None]


def _said_plainly(contributions: Iterable[Contribution]) -> list[Note]:
    """Return a sentence for each source that is shown to help or to hurt."""
    notes = []
    for found in contributions:
        difference, name = found.difference, plain(found.modality)
        interval = with_interval(difference, difference=True)
        if found.hurts:
            notes.append(Note(f"Adding {name} makes the predictions worse: {interval}.", "bad"))
        elif (difference.low or 0.0) > 0 and (difference.p_adjusted or 0.0) < ALPHA:
            notes.append(Note(f"Adding {name} makes the predictions better: {interval}.", "good"))
    if not notes and contributions:
        text = "No source is shown to add to the others, and none is shown to do harm."
        notes.append(Note(text, "neutral"))
    return notes


def _check(check: CheckFinding) -> Check:
    tone, sign = _STATUS[check.status]
    columns = tuple(dict.fromkeys(str(key) for row in check.details for key in row))
    return Check(
        name=check.name[:1].upper() + check.name[1:],
        status=check.status,
        sentence=check.sentence,
        tone=tone,
        sign=sign,
        columns=columns,
        rows=[
            tuple(_cell(row.get(column)) for column in columns)
            for row in check.details[:MOST_DETAILS]
        ],
        total=len(check.details),
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return number(value) if isinstance(value, float) else plain(value)


def _all_measures(finding: Finding) -> tuple[Cells, list[Cells]]:
    labels = {metric.name: metric.label for metric in metrics_for(finding.outcome.kind)}
    others = list(dict.fromkeys(name for c in finding.candidates for name in c.others))
    columns = (
        "Candidate",
        "Kind",
        finding.metric_label,
        "Difference to best alone",
        "Patients it knows of",
        f"{finding.metric_label} among those",
        *(labels.get(name, name.replace("_", " ")) for name in others),
        "Sources",
    )
    return columns, [_measures(candidate, others) for candidate in finding.candidates]


def _measures(found: CandidateFinding, others: Sequence[str]) -> Cells:
    own = Estimate(estimate=found.estimate, low=found.low, high=found.high)
    difference = found.difference_to_best_single
    return (
        plain(found.name),
        NAMES[found.role],
        "failed" if found.failed else with_interval(own),
        "–" if difference is None else with_interval(difference, difference=True),
        count(found.informed),
        "–" if found.among_informed is None else with_interval(found.among_informed),
        *(with_interval(found.others[n]) if n in found.others else "–" for n in others),
        plain(", ".join(found.modalities)),
    )


def _table_note(finding: Finding) -> str:
    shown = {finding.metric, *(name for c in finding.candidates for name in c.others)}
    directions = [
        f"{metric.label} ({_best(metric)})"
        for metric in metrics_for(finding.outcome.kind)
        if metric.name in shown
    ]
    return (
        "Estimates on patients the model had not seen, with intervals in brackets. Patients whom "
        f"a candidate knows nothing of count with the average prediction. {', '.join(directions)}."
    )


def _best(metric: Metric) -> str:
    if metric.ideal is not None:
        return f"{metric.ideal:g} is best"
    return "higher is better" if metric.higher_is_better else "lower is better"


def _checklist_note(finding: Finding) -> str:
    counts = {
        status: sum(item.status == status for item in finding.checklist)
        for status in ("filled", "for the authors", "not applicable")
    }
    return (
        f"{counts['filled']} entries are filled by the run, {counts['for the authors']} are left "
        f"for the authors, {counts['not applicable']} do not apply."
    )


def _provenance(finding: Finding) -> list[Cells]:
    origin = finding.provenance
    return [
        ("Created", origin.created),
        ("Time taken", duration(origin.seconds)),
        *_costs(origin.fit_seconds),
        ("Seed", str(origin.seed)),
        ("Data fingerprint", finding.cohort.fingerprint),
        *((f"Version of {name}", version) for name, version in origin.versions.items()),
    ]


def _costs(seconds: Mapping[str, float]) -> list[Cells]:
    """Return what a fold of each candidate took, the slowest first."""
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    told = "; ".join(f"{plain(name)} {number(taken)} s" for name, taken in ranked)
    return [("Time of a fold, to fit and predict", told)] if told else []


def _footer(finding: Finding) -> str:
    version = finding.provenance.versions.get("consilience", "")
    return (
        f"Made by consilience {version}. A research finding, not a medical device: it does not "
        "replace a physician's judgement. The same numbers are in finding.json."
    )
