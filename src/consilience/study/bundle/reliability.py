"""When a model knows, and how surely: what a bundle carries to say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from consilience.cohort import Cohort
from consilience.metrics.scores import FloatArray, Probabilities, Scores, SurvivalCurves, Values
from consilience.records import Interval
from consilience.study.part import Part
from consilience.trust.abstention import Silence
from consilience.trust.came_about import came_about
from consilience.trust.conformal import ClassSets, ValueIntervals
from consilience.trust.drift import Distributions
from consilience.trust.number import EventWithin, Number
from consilience.trust.recalibration import Recalibration
from consilience.trust.support import Range, Support, out_of_range, ranges_of
from consilience.trust.survival_bounds import TimeBounds
from consilience.trust.taxonomy import Labels, Taxonomy
from consilience.trust.thresholds import FEWEST, Threshold

LEVEL = 0.9
NOTHING = "nothing that the model reads was measured."
MOST_NAMED = 3  # values out of range that are named one by one
NOTE = (
    "Learned from cross-validation: each patient was scored by a model that never saw him, and "
    "the model here was refitted on all of them. For a model that hardly changes when a patient "
    "is left out, the promised share holds (jackknife; Barber et al., Annals of Statistics 2021, "
    "49:486); the coverage measured in the study says how nearly. It is a promise for patients "
    "like those of the study, as many of whom are right, and not one for a single patient."
)


class Reliability(Part):
    """What is needed to state uncertainty and to be silent; empty if the study did not learn it.

    Parameters
    ----------
    patients : int
        From how many held-out patients it was learned; 0: nothing was learned.
    taxonomy : Taxonomy
        The groups within which uncertainty is judged.
    sets, intervals, bounds
        Of classes, of values, of times: the one that fits the outcome.
    recalibration : Recalibration
        How the number told differs from the model's.
    cuts : tuple of float, optional
        Thirds of the numbers told of the study's patients.
    horizon : float, optional
        The time by which an event is told of, for survival.
    spread : float, optional
        Between the 10th and 90th percentile of the outcome, for values.
    unit : str
        Of the value.
    ranges, supports
        What training patients look like.
    silence : Silence
        When a number is not told although it could be.
    distributions : Distributions, optional
        How the study's patients were spread, for drift to be seen.
    note : str
        What the promise rests on.
    """

    patients: int = 0
    taxonomy: Taxonomy = Taxonomy()
    sets: ClassSets | None = None
    intervals: ValueIntervals | None = None
    bounds: TimeBounds | None = None
    recalibration: Recalibration = Recalibration()
    cuts: tuple[float, float] | None = None
    horizon: float | None = None
    spread: float | None = None
    unit: str = ""
    ranges: tuple[Range, ...] = ()
    supports: tuple[Support, ...] = ()
    silence: Silence = Silence()
    distributions: Distributions | None = None
    note: str = Field("", description="what the promise rests on")

    @classmethod
    def of(
        cls,
        scores: Sequence[Scores],
        y: npt.NDArray[Any],
        number: Number | None,
        groups: Sequence[str],
        cohort: Cohort,
        *,
        folds: Sequence[npt.NDArray[np.intp]] = (),
        unit: str = "",
    ) -> Self:
        """Learn from predictions of patients whom the model had not seen.

        Parameters
        ----------
        scores : sequence of Scores
            One a repeat of cross-validation, of the cohort's patients in their order.
        y : ndarray of shape (n_patients,)
            Their outcome.
        number : Number, optional
            What is told of each of them, of two classes the last one's probability; None
            where it differs between them (the probability of the likeliest of many classes).
        groups : sequence of str
            Columns of `patients` within which uncertainty is judged if there are enough.
        cohort : Cohort
            With the modalities that the model reads.
        folds : sequence of ndarray of int
            The test patients of one repeat, to judge recalibration out of sample; without
            them nothing is recalibrated.
        unit : str
            Of a value.
        """
        taxonomy = Taxonomy.of(cohort.patients, groups, fewest=FEWEST)
        told = recalibrated(scores, y, number, folds)
        sure = _sureness(scores[0], told.scores, y, taxonomy.groups(cohort))
        supports = [Support.of(cohort, name) for name in cohort.modalities]
        found = cls(
            patients=len(y),
            taxonomy=taxonomy,
            unit=unit,
            horizon=number.horizon if isinstance(number, EventWithin) else None,
            ranges=ranges_of(cohort),
            supports=tuple(one for one in supports if one is not None),
            note=NOTE,
            recalibration=told.line,
            cuts=None if number is None else _thirds(told.numbers),
            **sure,
        )
        silent = np.array([bool(reasons) for reasons in found.silences(cohort, scores[0])])
        spread = Distributions.of(cohort, np.where(silent, np.nan, told.numbers))
        return found.model_copy(update={"distributions": spread})

    def told(self, number: Number, numbers: FloatArray) -> FloatArray:
        """Return numbers as they should be told: the model's, or recalibrated."""
        return self.recalibration.of(numbers, number)

    def level(self, number: float) -> Literal["low", "middle", "high"] | None:
        """Return where a number, as told, stands among the study's patients; None: unknown."""
        if self.cuts is None:
            return None
        if number <= self.cuts[0]:
            return "low"
        return "middle" if number <= self.cuts[1] else "high"

    def interval(self, patient: Cohort, scores: Scores, *, level: float = LEVEL) -> Interval | None:
        """Return the interval of a value, or the lower bound of a time, of a cohort of one.

        Scores are the model's own; the interval is around the number as it is told.
        """
        found = self._bounded(patient, scores, level)
        if found is None or (found[0].low is None and found[0].high is None):
            return None
        return found[0]

    def classes(self, patient: Cohort, scores: Scores, *, level: float = LEVEL) -> tuple[str, ...]:
        """Return the classes that cannot be ruled out of a cohort of one, the likeliest first."""
        moved = self.recalibration.moved(scores)
        if self.sets is None or not isinstance(moved, Probabilities):
            return ()
        return self.sets.sets(moved, self.taxonomy.groups(patient), level)[0].labels

    def notes(self, patient: Cohort, scores: Scores, *, level: float = LEVEL) -> tuple[str, ...]:
        """Return what should be known of how the uncertainty of a cohort of one was judged."""
        threshold = self._threshold(patient, scores, level)
        return (threshold.fallback,) if threshold is not None and threshold.fallback else ()

    def silent(
        self, patient: Cohort, scores: Scores, *, number: float | None = None
    ) -> tuple[str, ...]:
        """Return why no number is told of a cohort of one; empty where one is told.

        Parameters
        ----------
        patient : Cohort
            Of one patient.
        scores : Scores
            What the model says of him.
        number : float, optional
            The number that would be told, for a zone of silence (see `Silence`).
        """
        zone = [] if number is None else self.silence.of_number(number)
        return (*self.silences(patient, scores)[0], *zone)

    def silences(self, cohort: Cohort, scores: Scores) -> list[tuple[str, ...]]:
        """Return, for each patient, why no number is told of him; zones are not looked at."""
        measured = [cohort.has(name) for name in cohort.modalities]
        nothing = ~np.logical_or.reduce(measured) if measured else np.ones(len(cohort), dtype=bool)
        far = [_named(sentences) for sentences in out_of_range(cohort, self.ranges)]
        strange = [one.strange(cohort) for one in self.supports]
        uncertain = self._uncertain(cohort, scores)
        return [
            (NOTHING,)
            if nothing[row]
            else tuple(r for r in (*far[row], *(s[row] for s in strange), *uncertain[row]) if r)
            for row in range(len(cohort))
        ]

    def _uncertain(self, cohort: Cohort, scores: Scores) -> list[list[str]]:
        """Return, for each patient, why what is said of him says too little."""
        level, groups = self.silence.level, self.taxonomy.groups(cohort)
        moved = self.recalibration.moved(scores)
        if self.sets is not None and isinstance(moved, Probabilities):
            found = self.sets.sets(moved, groups, level)
            possible = len(self.sets.labels)
            return [self.silence.of_set(one.labels, possible, level) for one in found]
        if self.intervals is not None and self.spread is not None and isinstance(moved, Values):
            each = self.intervals.intervals(moved, groups, level)
            return [self.silence.of_interval(one, self.spread, self.unit) for one, _ in each]
        return [[] for _ in range(len(cohort))]

    def _bounded(
        self, patient: Cohort, scores: Scores, level: float
    ) -> tuple[Interval, Threshold] | None:
        groups, moved = self.taxonomy.groups(patient), self.recalibration.moved(scores)
        if self.intervals is not None and isinstance(moved, Values):
            return self.intervals.intervals(moved, groups, level)[0]
        if self.bounds is not None and isinstance(moved, SurvivalCurves):
            return self.bounds.bounds(moved, groups, level)[0]
        return None

    def _threshold(self, patient: Cohort, scores: Scores, level: float) -> Threshold | None:
        if self.sets is not None and isinstance(scores, Probabilities):
            groups = self.taxonomy.groups(patient)
            return self.sets.sets(scores, groups, level)[0].threshold
        found = self._bounded(patient, scores, level)
        return None if found is None else found[1]


@singledispatch
def _sureness(
    first: Scores, scores: Sequence[Any], y: npt.NDArray[Any], groups: Sequence[Labels]
) -> dict[str, Any]:
    raise TypeError(f"nothing says how sure {type(first).__name__} are")


@_sureness.register
def _(
    first: Probabilities, scores: Sequence[Any], y: npt.NDArray[Any], groups: Sequence[Labels]
) -> dict[str, Any]:
    return {"sets": ClassSets.of(scores, y, groups)}


@_sureness.register
def _(
    first: Values, scores: Sequence[Any], y: npt.NDArray[Any], groups: Sequence[Labels]
) -> dict[str, Any]:
    low, high = np.quantile(y, (0.1, 0.9))
    return {"intervals": ValueIntervals.of(scores, y, groups), "spread": float(high - low)}


@_sureness.register
def _(
    first: SurvivalCurves, scores: Sequence[Any], y: npt.NDArray[Any], groups: Sequence[Labels]
) -> dict[str, Any]:
    return {"bounds": TimeBounds.of(scores, y, groups)}


@dataclass(frozen=True)
class Recalibrated:
    """What is told of patients held out.

    Attributes
    ----------
    numbers : ndarray of shape (n_patients,)
        Moved by the line.
    line : Recalibration
        Of all of them.
    scores : list of Scores
        Each fold moved by the line of the others: by its own, the residuals of few patients
        would be smaller than those of new ones.
    """

    numbers: FloatArray
    line: Recalibration
    scores: list[Scores]


def recalibrated(
    scores: Sequence[Scores],
    y: npt.NDArray[Any],
    number: Number | None,
    folds: Sequence[npt.NDArray[np.intp]],
) -> Recalibrated:
    """Return what is told of each patient, and by which line; see `Reliability.of`."""
    if number is None:  # of the likeliest of several classes
        likeliest = np.mean([one.values for one in scores], axis=0).max(axis=1)
        return Recalibrated(np.asarray(likeliest), Recalibration(), list(scores))
    own = np.asarray(np.mean([number.of(one) for one in scores], axis=0))
    if not folds:
        return Recalibrated(own, Recalibration(), list(scores))
    outcome, weights = came_about(number, y)
    line = Recalibration.learned(number, own, outcome, weights, folds)
    moved = [one.values.copy() for one in scores]
    for fold in folds if line.applied else ():
        rest = weights > 0
        rest[fold] = False
        others = Recalibration.fitted(number, own[rest], outcome[rest], weights[rest])
        for values, one in zip(moved, scores, strict=True):
            values[fold] = others.moved(one.take(fold)).values
    each = [replace(one, values=values) for one, values in zip(scores, moved, strict=True)]
    return Recalibrated(line.of(own, number), line, each)


def _thirds(numbers: FloatArray) -> tuple[float, float]:
    first, second = np.quantile(numbers, (1 / 3, 2 / 3))
    return float(first), float(second)


def _named(sentences: list[str]) -> list[str]:
    """Return the first sentences, and how many more there are."""
    more = len(sentences) - MOST_NAMED
    rest = [f"{more} more value{'s are' if more > 1 else ' is'} out of range."] if more > 0 else []
    return [*sentences[:MOST_NAMED], *rest]
