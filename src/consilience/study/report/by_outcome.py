"""Which curves each kind of outcome has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.outcome import OutcomeKind
from consilience.metrics.censoring import FollowUp
from consilience.metrics.curves import (
    calibration_points,
    net_benefit,
    survival_calibration_points,
)
from consilience.metrics.scores import FloatArray, SurvivalCurves
from consilience.study.evidence import Evidence
from consilience.study.finding import Finding
from consilience.study.report.agreement import agreement
from consilience.study.report.benefit import THRESHOLDS, Benefit, benefit
from consilience.study.report.canvas import Chart
from consilience.study.report.event_free import event_free
from consilience.study.report.ranking import precision_recall, roc
from consilience.study.report.reliability import Reliability, reliability
from consilience.study.report.series import (
    Series,
    binary_series,
    class_series,
    compared,
    event_risks,
    mean_risk,
)
from consilience.study.report.wording import plain

Charts = Callable[[Finding, Evidence], list[Chart]]
Lines = Callable[[Finding, Evidence], list[Series]]


def discrimination(finding: Finding, evidence: Evidence) -> list[Chart]:
    """Return how well patients are told apart: ROC and precision-recall, Kaplan-Meier, or dots."""
    return _DISCRIMINATION[finding.outcome.kind](finding, evidence)


def calibration(finding: Finding, evidence: Evidence) -> list[Chart]:
    """Return whether risks come true; a number's is part of its discrimination figure."""
    return _CALIBRATION[finding.outcome.kind](finding, evidence)


def decision(finding: Finding, evidence: Evidence) -> Chart | None:
    """Return the decision curve of a yes-or-no outcome, or of survival at the horizon."""
    return next(iter(_DECISION[finding.outcome.kind](finding, evidence)), None)


def _ranking(lines: Lines, finding: Finding, evidence: Evidence) -> list[Chart]:
    series = [s for s in lines(finding, evidence) if s.drawable]
    return [roc(series), precision_recall(series)] if series else []


def _groups(patients: int) -> int:
    """Return into how many groups to put patients: ten of at least 20, but no fewer than two."""
    return int(np.clip(patients // 20, 2, 10))


def _reliability(lines: Lines, finding: Finding, evidence: Evidence) -> list[Chart]:
    series = [s for s in lines(finding, evidence) if s.drawable]
    drawn = [Reliability(s.label, _points(s), s.mean, s.style) for s in series]
    return [reliability(drawn, plain(finding.outcome.name))] if drawn else []


def _points(series: Series) -> pd.DataFrame:
    happened, risks = series.happened.astype(int), series.mean
    return calibration_points(happened, risks, _groups(len(risks)))


def _event_free(finding: Finding, evidence: Evidence) -> list[Chart]:
    charts = [
        event_free(plain(name), finding.outcome.unit, evidence.target.y, mean_risk(scores))
        for name, scores, _ in compared(finding, evidence)
    ]
    return [*charts[:1], *(replace(chart, key=f"{chart.key}-2") for chart in charts[1:])]


def _agreement(finding: Finding, evidence: Evidence) -> list[Chart]:
    unit = f" ({finding.outcome.unit})" if finding.outcome.unit else ""
    return [
        agreement(
            plain(name),
            f"{plain(finding.outcome.name)}{unit}",
            np.asarray(evidence.target.y, dtype=float),
            np.mean([each.values[:, 0] for each in scores], axis=0),
        )
        for name, scores, _ in compared(finding, evidence)[:1]
    ]


def _survival_reliability(finding: Finding, evidence: Evidence) -> list[Chart]:
    horizon, y = finding.outcome.horizon, evidence.target.y
    if horizon is None:
        return []
    lines = []
    for label, risks, style in event_risks(finding, evidence, horizon):
        curves = SurvivalCurves(1 - risks[:, None], np.array([horizon]))
        found = survival_calibration_points(y, curves, horizon, min(5, _groups(len(y))))
        known = found[np.isfinite(found["observed"])]
        events = known.rename(columns={"low": "high", "high": "low"})
        shares = ["predicted", "observed", "low", "high"]
        events[shares] = 1 - events[shares]
        if len(events):
            lines.append(Reliability(label, events.iloc[::-1], risks, style))
    return [reliability(lines, _by(finding))] if lines else []


def _by(finding: Finding) -> str:
    outcome = finding.outcome
    return f"{plain(outcome.name)} by {outcome.horizon:.4g} {outcome.unit}".strip()


def _net_benefit(finding: Finding, evidence: Evidence) -> list[Chart]:
    series = [s for s in binary_series(finding, evidence) if s.drawable]
    if not series:
        return []
    tables = {
        s.label: [net_benefit(s.happened.astype(int), p, THRESHOLDS) for p in s.predictions]
        for s in series
    }
    lines = [
        Benefit(s.label, np.mean([t["model"] for t in tables[s.label]], axis=0), s.style)
        for s in series
    ]
    everyone = tables[series[0].label][0]["treat_all"].to_numpy()
    return [benefit(lines, everyone, plain(finding.outcome.name))]


def _survival_net_benefit(finding: Finding, evidence: Evidence) -> list[Chart]:
    horizon, y = finding.outcome.horizon, evidence.target.y
    if horizon is None:
        return []
    lines = [
        Benefit(label, _censored_benefit(y, risks, horizon), style)
        for label, risks, style in event_risks(finding, evidence, horizon)
    ]
    everyone = _censored_benefit(y, np.ones(len(y)), horizon)
    return [benefit(lines, everyone, _by(finding))] if lines else []


def _censored_benefit(y: npt.NDArray[np.void], risks: FloatArray, horizon: float) -> FloatArray:
    """Return net benefit where some are censored: the share with the event is Kaplan-Meier's.

    References
    ----------
    Vickers, A. J. et al. (2008). Extensions to decision curve analysis. BMC Medical
    Informatics and Decision Making 8, 53.
    """
    follow_up = FollowUp.of(y)
    last = int(np.searchsorted(follow_up.times, horizon, side="right"))
    ordered, values = risks[follow_up.order], np.zeros(len(THRESHOLDS))
    for place, threshold in enumerate(THRESHOLDS):
        treated = (ordered >= threshold).astype(float)
        survival, _ = follow_up.kaplan_meier(treated[None, :])
        events = 1 - float(survival[0, last - 1]) if last else 0.0
        odds = threshold / (1 - threshold)
        values[place] = treated.mean() * (events - (1 - events) * odds)
    return values


def _none(_: Finding, __: Evidence) -> list[Chart]:
    return []


_DISCRIMINATION: dict[OutcomeKind, Charts] = {
    "binary": partial(_ranking, binary_series),
    "multiclass": partial(_ranking, class_series),
    "continuous": _agreement,
    "survival": _event_free,
}
_CALIBRATION: dict[OutcomeKind, Charts] = {
    "binary": partial(_reliability, binary_series),
    "multiclass": partial(_reliability, class_series),
    "continuous": _none,
    "survival": _survival_reliability,
}
_DECISION: dict[OutcomeKind, Charts] = {
    "binary": _net_benefit,
    "multiclass": _none,
    "continuous": _none,
    "survival": _survival_net_benefit,
}
