"""Which predictions are drawn: whose, of what, one set a repeat of cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.metrics.scores import FloatArray, Probabilities, Scores, SurvivalCurves
from consilience.study.evidence import Evidence
from consilience.study.finding import Finding
from consilience.study.report.canvas import Style
from consilience.study.report.wording import plain, subject

MOST_CLASSES = 6
"""Classes drawn, the largest first; more lines than this cannot be told apart."""


@dataclass(frozen=True)
class Series:
    """Probabilities of one thing, as one line of a figure.

    Attributes
    ----------
    label : str
    happened : ndarray of shape (n_patients,), bool
    predictions : list of ndarray of shape (n_patients,)
        One a repeat.
    style : Style
    """

    label: str
    happened: npt.NDArray[np.bool_]
    predictions: list[FloatArray]
    style: Style

    @property
    def mean(self) -> FloatArray:
        """Each patient's prediction, averaged over the repeats."""
        return np.asarray(np.mean(self.predictions, axis=0))

    @property
    def drawable(self) -> bool:
        """Whether both outcomes occur: without, no curve is defined."""
        return bool(self.happened.any() and not self.happened.all())


def compared(finding: Finding, evidence: Evidence) -> list[tuple[str, Sequence[Scores], Style]]:
    """Return the candidates that figures show: the verdict's, and the best source alone."""
    about = subject(finding)
    names = [about.name] if about else []
    best = finding.verdict.best_single
    names += [best] if best is not None and best not in names else []
    return [
        (name, evidence.scores[name], Style(place))
        for place, name in enumerate(names)
        if evidence.scores.get(name)
    ]


def binary_series(finding: Finding, evidence: Evidence) -> list[Series]:
    """Return the probability of the outcome, a line a candidate."""
    happened = np.asarray(evidence.target.y) == np.unique(evidence.target.y)[-1]
    return [
        Series(plain(name), happened, [_probability(s, -1) for s in scores], style)
        for name, scores, style in compared(finding, evidence)
    ]


def class_series(finding: Finding, evidence: Evidence) -> list[Series]:
    """Return each class against the rest, a line a class, of the verdict's candidate."""
    shown = compared(finding, evidence)[:1]
    y = np.asarray(evidence.target.y)
    found = []
    for _, scores, _ in shown:
        classes = [str(label) for label in getattr(scores[0], "classes", ())]
        ordered = sorted(
            range(len(classes)), key=lambda k: -int((y.astype(str) == classes[k]).sum())
        )
        for place, k in enumerate(ordered[:MOST_CLASSES]):
            happened = y.astype(str) == classes[k]
            label = f"{plain(classes[k])} ({int(happened.sum()):,} patients)"
            found.append(
                Series(label, happened, [_probability(s, k) for s in scores], Style(place))
            )
    return found


def event_risks(
    finding: Finding, evidence: Evidence, horizon: float
) -> list[tuple[str, FloatArray, Style]]:
    """Return the predicted risk of the event by the horizon, (n_patients,), a candidate each."""
    return [
        (plain(name), np.mean([1 - at(s, horizon) for s in scores], axis=0), style)
        for name, scores, style in compared(finding, evidence)
    ]


def at(scores: Scores, horizon: float) -> FloatArray:
    """Return the predicted survival at a time, (n_patients,)."""
    assert isinstance(scores, SurvivalCurves)
    return scores.at([horizon])[:, 0]


def mean_risk(scores: Sequence[Any]) -> FloatArray:
    """Return each patient's risk, averaged over the repeats."""
    return np.asarray(np.mean([each.risk for each in scores], axis=0))


def _probability(scores: Scores, column: int) -> FloatArray:
    assert isinstance(scores, Probabilities)
    return scores.values[:, column]
