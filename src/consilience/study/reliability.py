"""When the model knows, learned and measured from what a study said of patients held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from consilience.cohort import Cohort
from consilience.metrics import Probabilities, Scores, SurvivalCurves, Values
from consilience.study.bundle.documents import Manifest
from consilience.study.bundle.reliability import LEVEL, Reliability, recalibrated
from consilience.study.bundle.shown import shown_number
from consilience.study.evaluation import Evaluation
from consilience.study.protocol import Fold
from consilience.study.reliability_found import AnsweredFound, CoverageFound, ReliabilityFound
from consilience.trust import strata_of
from consilience.trust.abstention import risk_coverage
from consilience.trust.came_about import came_about
from consilience.trust.conformal import ClassSets, ValueIntervals
from consilience.trust.number import Number
from consilience.trust.support import strangeness
from consilience.trust.survival_bounds import TimeBounds, Uncensored
from consilience.trust.taxonomy import Labels

Y: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.floating]
Rows: TypeAlias = npt.NDArray[np.intp]
Said: TypeAlias = Literal["classes", "values", "times"]

FEWEST_LEARNED = 40  # patients, to learn anything from
FEWEST_SHOWN = 20  # in a group whose coverage gets an interval
Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class HeldOut:
    """What was said of patients by models that never saw them, where anything was known of them.

    Attributes
    ----------
    candidate : str
    cohort : Cohort
        With the modalities that the model reads.
    y : ndarray of shape (n_patients,)
    scores : list of Scores
        One a repeat.
    folds : list of ndarray of int
        The test patients of the first repeat.
    columns : list of str
        Within which uncertainty is judged.
    number : Number or None
        What is told; None where it is of another class for each.
    unit : str
    """

    candidate: str
    cohort: Cohort
    y: Y
    scores: list[Scores]
    folds: list[Rows]
    columns: list[str]
    number: Number | None
    unit: str

    @classmethod
    def of(
        cls,
        evaluation: Evaluation,
        cohort: Cohort,
        y: Y,
        folds: Sequence[Fold],
        columns: Sequence[str],
        manifest: Manifest,
    ) -> HeldOut | None:
        """Gather it from an evaluation; None if there are too few patients.

        Parameters
        ----------
        evaluation : Evaluation
            Of the candidate that the bundle holds.
        cohort : Cohort
            The patients, with the modalities that the model reads.
        y : ndarray of shape (n_patients,)
        folds : sequence of Fold
        columns : sequence of str
        manifest : Manifest
            The bundle's.
        """
        known = evaluation.informed.copy()
        for one in evaluation.scores:
            known &= np.isfinite(one.values).all(axis=1)
        rows = np.flatnonzero(known)
        if len(rows) < FEWEST_LEARNED:
            return None
        place = np.full(len(known), -1)
        place[rows] = np.arange(len(rows))
        tests = [place[fold.test] for fold in folds if fold.repeat == 0]
        label = str(np.unique(y)[-1]) if manifest.kind == "binary" else ""
        return cls(
            candidate=evaluation.candidate.name,
            cohort=cohort[rows],
            y=y[rows],
            scores=[one.take(rows) for one in evaluation.scores],
            folds=[test[test >= 0] for test in tests],
            columns=list(columns),
            number=None if manifest.kind == "multiclass" else shown_number(manifest, label),
            unit=manifest.unit,
        )

    def learned(self) -> Reliability:
        """Return what a bundle carries."""
        return Reliability.of(
            self.scores,
            self.y,
            self.number,
            self.columns,
            self.cohort,
            folds=self.folds,
            unit=self.unit,
        )

    def measured(self, learned: Reliability) -> ReliabilityFound:
        """Return how it held, each fold judged by thresholds learned from the others."""
        groups = learned.taxonomy.groups(self.cohort)
        levels = (learned.silence.level, LEVEL)
        told = [self._told(fold) for fold in self.folds]
        judged = {level: self._judged(told, groups, level) for level in levels}
        strata = [("", "all patients", np.ones(len(self.y), dtype=bool)), *self._strata()]
        coverage = [
            _coverage(judged[level], members, (column, group, level))
            for level in levels
            for column, group, members in strata
            if members.any() and (level == LEVEL or not column)
        ]
        said, possible = _SAID[type(self.scores[0])], self.scores[0].values.shape[1]
        silent = judged[levels[0]].sizes == possible if said == "classes" else None
        moved = recalibrated(self.scores, self.y, self.number, self.folds).scores
        error, sureness, curve = _curve(self.scores[0], replace(self, scores=moved))
        return ReliabilityFound(
            candidate=self.candidate,
            of=said,
            groups=[split.column for split in learned.taxonomy.splits],
            coverage=coverage,
            error=error,
            sureness=sureness,
            curve=curve,
            silence_level=learned.silence.level,
            too_uncertain=None if silent is None else float(silent.mean()),
            recalibration=learned.recalibration.sentence if self.number is not None else "",
            note=learned.note,
        )

    def _strata(self) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
        """Return the groups of each column, and of the outcome's classes."""
        patients = self.cohort.patients
        found = [
            (column, one.label, one.members)
            for column in self.columns
            for one in strata_of(patients[column])
        ]
        if isinstance(self.scores[0], Probabilities):
            found += [("outcome", str(c), self.y == c) for c in self.scores[0].classes]
        return found

    def _told(self, fold: Rows) -> tuple[Scores, Scores]:
        """Return the first repeat's scores as they are told, of all but a fold and of the fold.

        How they are moved is learned from all but the fold.
        """
        rest = self._without(fold)
        folds = [np.searchsorted(rest, other) for other in self.folds if other is not fold]
        scores = [one.take(rest) for one in self.scores]
        found = recalibrated(scores, self.y[rest], self.number, folds)
        return found.scores[0], found.line.moved(self.scores[0].take(fold))

    def _without(self, fold: Rows) -> Rows:
        return np.setdiff1d(np.arange(len(self.y)), fold)

    def _judged(
        self, told: Sequence[tuple[Scores, Scores]], groups: Sequence[Labels], level: float
    ) -> Judged:
        """Return what was missed of each patient, in the first repeat."""
        missed, sizes = np.full(len(self.y), np.nan), np.full(len(self.y), np.nan)
        for fold, (others, own) in zip(self.folds, told, strict=True):
            rest = self._without(fold)
            both = [[groups[row] for row in rows] for rows in (rest, fold)]
            found = _missed(own, (others, self.y[rest]), both, level)
            missed[fold], sizes[fold] = found(self.y[fold])
        weights = _weights(self.scores[0], self.y)
        return Judged(np.where(np.isnan(missed), 0.0, missed) * weights, sizes, ~np.isnan(missed))


@dataclass(frozen=True)
class Judged:
    """What was missed of each patient, weighted; how large what was said is; who was judged."""

    missed: FloatArray
    sizes: FloatArray
    known: npt.NDArray[np.bool_]


def _coverage(
    judged: Judged, members: npt.NDArray[np.bool_], whose: tuple[str, str, float]
) -> CoverageFound:
    column, group, level = whose
    rows = members & judged.known
    missed, n = judged.missed[rows], int(rows.sum())
    share = float(np.clip(1 - missed.mean(), 0.0, 1.0)) if n else 0.0
    low: float | None = None
    high: float | None = None
    if n >= FEWEST_SHOWN:
        low, high = _interval(missed, share)
    size = float(judged.sizes[rows].mean()) if n else 0.0
    return CoverageFound(
        column=column,
        group=group,
        patients=n,
        level=level,
        coverage=share,
        low=low,
        high=high,
        size=size,
    )


def _interval(missed: FloatArray, share: float) -> tuple[float, float]:
    """Return Wilson's interval of a share; of weighted misses the one of their scatter."""
    n = len(missed)
    if np.isin(missed, (0.0, 1.0)).all():
        bounds = stats.binomtest(n - int(missed.sum()), n).proportion_ci(method="wilson")
        return float(bounds.low), float(bounds.high)
    reach = Z * float(missed.std(ddof=1)) / np.sqrt(n)
    return max(share - reach, 0.0), min(share + reach, 1.0)


@singledispatch
def _missed(scores: Scores, rest: tuple[Any, Y], groups: Sequence[Any], level: float) -> Any:
    """Return a function from the outcome to what was missed of each, and the sizes."""
    raise TypeError(f"nothing says how sure {type(scores).__name__} are")


@_missed.register
def _(scores: Probabilities, rest: tuple[Any, Y], groups: Sequence[Any], level: float) -> Any:
    sure = ClassSets.of([rest[0]], rest[1], groups[0], levels=(level,))
    sets = sure.sets(scores, groups[1], level)
    sizes = np.array([len(one.labels) for one in sets], dtype=float)
    return lambda y: (
        np.array([str(true) not in one.labels for one, true in zip(sets, y, strict=True)]),
        sizes,
    )


@_missed.register
def _(scores: Values, rest: tuple[Any, Y], groups: Sequence[Any], level: float) -> Any:
    sure = ValueIntervals.of([rest[0]], rest[1], groups[0], levels=(level,))
    found = [one for one, _ in sure.intervals(scores, groups[1], level)]
    low = np.array([-np.inf if one.low is None else one.low for one in found])
    high = np.array([np.inf if one.high is None else one.high for one in found])
    return lambda y: ((y < low) | (y > high), high - low)


@_missed.register
def _(scores: SurvivalCurves, rest: tuple[Any, Y], groups: Sequence[Any], level: float) -> Any:
    sure = TimeBounds.of([rest[0]], rest[1], groups[0], levels=(level,))
    low = np.array([one.low or 0.0 for one, _ in sure.bounds(scores, groups[1], level)])
    return lambda y: (y["event"] & (y["time"] < low), low)


@singledispatch
def _weights(scores: Scores, y: Y) -> FloatArray:
    """Return for how many patients each counts who was missed."""
    return np.ones(len(y))


@_weights.register
def _(scores: SurvivalCurves, y: Y) -> FloatArray:
    return Uncensored.of(y).weights(y)


@singledispatch
def _curve(scores: Scores, held: HeldOut) -> tuple[str, str, list[AnsweredFound]]:
    """Return what the error is, what patients are ordered by, and the curve."""
    raise TypeError(f"nothing says how sure {type(scores).__name__} are")


@_curve.register
def _(scores: Probabilities, held: HeldOut) -> tuple[str, str, list[AnsweredFound]]:
    values = np.mean([one.values for one in held.scores], axis=0)
    wrong = (scores.classes[np.argmax(values, axis=1)] != held.y).astype(float)
    points = _points(wrong, values.max(axis=1), np.ones(len(wrong)))
    return "share whose likeliest class is wrong", "probability of the likeliest class", points


@_curve.register
def _(scores: SurvivalCurves, held: HeldOut) -> tuple[str, str, list[AnsweredFound]]:
    assert held.number is not None
    outcome, weights = came_about(held.number, held.y)
    if not (weights > 0).any():
        return "", "", []
    risk = np.mean([held.number.of(one) for one in held.scores], axis=0)
    wrong = ((risk > 0.5) != (outcome > 0.5)).astype(float)
    points = _points(wrong, np.abs(risk - 0.5), weights)
    says = held.number.says.removeprefix("probability of ")
    return (
        f"share for whom {says} is foretold wrongly",
        "distance of the risk from one half",
        points,
    )


@_curve.register
def _(scores: Values, held: HeldOut) -> tuple[str, str, list[AnsweredFound]]:
    far = strangeness(held.cohort)
    if far is None:
        return "", "", []
    value = np.mean([one.values[:, 0] for one in held.scores], axis=0)
    points = _points(np.abs(held.y - value), -far, np.ones(len(far)))
    unit = f" ({held.unit})" if held.unit else ""
    return f"mean absolute error{unit}", "likeness to the other patients", points


def _points(losses: FloatArray, sureness: FloatArray, weights: FloatArray) -> list[AnsweredFound]:
    return [
        AnsweredFound(
            share=one.share, patients=one.patients, error=one.error, low=one.low, high=one.high
        )
        for one in risk_coverage(losses, sureness, weights)
    ]


_SAID: dict[type[Scores], Said] = {
    Probabilities: "classes",
    Values: "values",
    SurvivalCurves: "times",
}
