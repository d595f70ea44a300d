"""What would have to be different for the model to answer otherwise, of what care can change.

The smallest change of few actionable features after which the number told is beyond a goal
(Wachter, Mittelstadt and Russell, Harvard JOLT 2018, 31:841; in few features, several
different ones: Mothilal, Sharma and Tan, FAT* 2020). Values stay within the 1st and 99th
percentile of the training patients and within what is plausible given all else that was
measured of this patient (his mean plus and minus 2.33 deviations of `conditional`). Where a
reference range is known, none goes out of it, nor further out than the patient is: nobody
treats creatinine to below what is normal.

The search is a grid: every numeric feature takes round values about a fortieth of its range
apart, every category its levels. One feature is searched whole; two and three on every
fifth value, and then on all values around the best. How far a change goes is the sum of
|change| / range, a category counting as 1 (Gower, Biometrics 1971, 27:857).

It says what the model would answer for such a patient. What a treatment would do is another
question, which observational data do not answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, suggestion
from consilience.records import Change, Counterfactual
from consilience.trust.conditional import Conditionals
from consilience.trust.importance import Scorer
from consilience.trust.number import Number, PredictedValue
from consilience.trust.plausible import (
    Bounds,
    Key,
    Plausible,
    name_of,
    plausible_each,
    told,
    with_unit,
)
from consilience.trust.varying import Column, measured_table, one_patient, varied

STEPS = 40  # values of a numeric feature
COARSE = 5  # every so many of them are tried first where features change together
FEATURES_OF_PAIRS = 8
FEATURES_OF_TRIPLES = 5
DEVIATIONS = 2.3263  # 1st to 99th percentile of a normal distribution, to either side
MOST_NUMBERS = 4_000_000  # in one question to the model


def counterfactuals(
    model: Scorer,
    patient: Cohort,
    background: Cohort,
    number: Number,
    actionable: Mapping[Key, Bounds],
    *,
    goal: float | None = None,
    most: int = 3,
) -> tuple[Counterfactual, ...]:
    """Return the smallest changes after which the model would answer otherwise.

    Fewest features first, then the smallest change; after the first, a feature that was
    used already counts twice, so that the answers differ. No set of features is listed
    twice, and none that holds another that is enough by itself. Features that were not
    measured of the patient are not changed.

    Parameters
    ----------
    model : fitted estimator with ``scores(cohort)``
    patient : Cohort
        Of one patient.
    background : Cohort
        Condensed training patients.
    number : Number
        Which number is told.
    actionable : mapping of (modality, feature) to Plausible or (low, high)
        What care can change, and the 1st and 99th percentile of the training patients;
        the levels of a category.
    goal : float, optional
        The number to be crossed: to come down to it for a patient above it, up to it for
        one below. By default half the risk; for a value, the median of the answers for the
        condensed patients.
    most : int
        How many are returned.

    Returns
    -------
    tuple of Counterfactual
        Empty where nothing plausible crosses the goal.

    Raises
    ------
    InputError
        If it is not one patient, or the goal is no number.
    """
    table = _Grid.of(one_patient(patient), background, plausible_each(actionable))
    now = float(number.of(model.scores(patient))[0])
    due = usual_goal(number, now, model, background) if goal is None else float(goal)
    if not np.isfinite(due):
        raise InputError(f"the goal must be a number, not {goal!r}.")
    search = _Search(model, patient, background, number, table, now, due)
    if now == due:
        return ()
    found = search.smallest(most)
    return tuple(search.worded(one) for one in found)


@singledispatch
def usual_goal(number: Number, now: float, model: Scorer, background: Cohort) -> float:
    """Return the goal where none is given: half the risk."""
    return now / 2


@usual_goal.register
def _(number: PredictedValue, now: float, model: Scorer, background: Cohort) -> float:
    return float(np.median(number.of(model.scores(background))))


Value = float | str


@dataclass(frozen=True)
class _Feature:
    """An actionable feature of this patient: what he has, and what he could have."""

    key: Key
    before: Value
    values: tuple[Value, ...]  # with what he has, in order where they are numbers
    distances: FloatArray
    known: Plausible

    @property
    def coarse(self) -> npt.NDArray[np.intp]:
        """Places of every fifth value, the first and the last, and what he has."""
        if isinstance(self.before, str):
            return np.arange(len(self.values))
        some = {*range(0, len(self.values), COARSE), len(self.values) - 1}
        return np.array(sorted(some | {self.values.index(self.before)}), dtype=np.intp)

    def around(self, place: int) -> npt.NDArray[np.intp]:
        """Return the places between the coarse ones on either side of one."""
        if isinstance(self.before, str):
            return np.arange(len(self.values))
        coarse = self.coarse
        at = int(np.searchsorted(coarse, place))
        first, last = coarse[max(at - 1, 0)], coarse[min(at + 1, len(coarse) - 1)]
        return np.arange(first, last + 1)


class _Grid:
    """The values that each actionable feature of a patient may take."""

    def __init__(self, features: Sequence[_Feature]) -> None:
        self.features = tuple(features)

    @classmethod
    def of(cls, patient: Cohort, background: Cohort, actionable: Mapping[Key, Plausible]) -> _Grid:
        if not actionable:
            return cls(())
        found, probable = [], Conditionals(patient, background, actionable)
        for key in sorted(actionable):
            table = measured_table(patient, key[0])
            if table is None:
                continue
            if key[1] not in table.kinds:
                raise InputError(
                    f"{key[0]!r} has no feature {key[1]!r}.{suggestion(key[1], table.features)}"
                )
            before = table.frame[key[1]].iloc[0]
            if pd.isna(before):
                continue
            one = _feature(key, table, before, actionable[key], probable)
            found += [] if one is None else [one]
        return cls(found)


def _feature(
    key: Key, table: Table, before: Value, known: Plausible, probable: Conditionals
) -> _Feature | None:
    """Return what a feature may be, None where it may be nothing else."""
    known = known if known.unit else known._replace(unit=table.units.get(key[1], ""))
    kind = table.kinds[key[1]]
    if kind == "categorical":
        levels = tuple(dict.fromkeys([str(before), *(known.levels or probable.levels(key))]))
        far = np.array([float(level != before) for level in levels])
        return _Feature(key, str(before), levels, far, known) if len(levels) > 1 else None
    if kind == "binary":
        values = tuple(sorted({float(before), 0.0, 1.0}))
        far = np.abs(np.array(values) - float(before))
        return _Feature(key, float(before), values, far, known)
    return _number_feature(key, float(before), known, probable, whole=kind == "count")


def _number_feature(
    key: Key, before: float, known: Plausible, probable: Conditionals, *, whole: bool
) -> _Feature | None:
    if known.low is None or known.high is None or not known.high > known.low:
        return None
    low, high = _to_the_usual(before, known, *_plausible_span(key, known, probable))
    step = _round_step((known.high - known.low) / STEPS)
    step = max(step, 1.0) if whole else step
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    values = {float(f"{place * step:.12g}") for place in range(first, last + 1)}
    values = {value for value in values if low <= value <= high}
    if not values - {before}:
        return None
    ordered = tuple(sorted(values | {before}))
    far = np.abs(np.array(ordered) - before) / (known.high - known.low)
    return _Feature(key, before, ordered, far, known)


def _plausible_span(key: Key, known: Plausible, probable: Conditionals) -> tuple[float, float]:
    """Return what is plausible of this patient, given all else that was measured of him."""
    assert known.low is not None
    assert known.high is not None
    if key not in probable:
        return known.low, known.high
    given = probable.of([key])
    middle, spread = given.middle(key), given.deviation(key)
    low, high = middle - DEVIATIONS * spread, middle + DEVIATIONS * spread
    return max(known.low, low), min(known.high, high)


def _to_the_usual(before: float, known: Plausible, low: float, high: float) -> tuple[float, float]:
    """Return the span cut to the reference range, or to where the patient is outside of it."""
    least, most = known.reference
    low = low if least is None else max(low, min(least, before))
    return low, high if most is None else min(high, max(most, before))


def _round_step(step: float) -> float:
    """Return the nearest of 1, 2 and 5 times a power of ten that is not above a step."""
    power = 10.0 ** np.floor(np.log10(step))
    return float(max(m for m in (1.0, 2.0, 5.0) if m * power <= step * (1 + 1e-9)) * power)


@dataclass(frozen=True)
class _Found:
    """Values of some features that cross the goal."""

    features: tuple[_Feature, ...]
    places: tuple[int, ...]
    after: float

    @property
    def distance(self) -> float:
        return float(sum(f.distances[p] for f, p in zip(self.features, self.places, strict=True)))

    @property
    def rank(self) -> tuple[int, float, tuple[Key, ...]]:
        return len(self.features), self.distance, tuple(f.key for f in self.features)


@dataclass(frozen=True)
class _Search:
    """A model, a patient and a goal."""

    model: Scorer
    patient: Cohort
    background: Cohort
    number: Number
    grid: _Grid
    now: float
    goal: float

    def smallest(self, most: int) -> list[_Found]:
        """Return the best of every set of features, until there are enough."""
        found, left = [], []
        for feature in self.grid.features:
            best, reach = self._best((feature,), [np.arange(len(feature.values))])
            found += [] if best is None else [best]
            left += [] if best is not None else [(reach, feature)]
        left.sort(key=lambda one: (-one[0], one[1].key))
        promising = [feature for reach, feature in left if reach > 0 or len(left) <= 3]
        for size, many in ((2, FEATURES_OF_PAIRS), (3, FEATURES_OF_TRIPLES)):
            if len(found) < most:
                found += self._together(promising[:many], size, found)
        return _diverse(found, most)

    def _together(
        self, features: Sequence[_Feature], size: int, known: Sequence[_Found]
    ) -> Iterator[_Found]:
        enough = [{f.key for f in one.features} for one in known]
        for chosen in itertools.combinations(sorted(features, key=lambda f: f.key), size):
            if any(keys <= {f.key for f in chosen} for keys in enough):
                continue
            best, _ = self._best(chosen, [f.coarse for f in chosen])
            if best is None:
                continue
            near = [f.around(p) for f, p in zip(chosen, best.places, strict=True)]
            closer, _ = self._best(chosen, near)
            yield best if closer is None else min(best, closer, key=lambda one: one.rank)

    def _best(
        self, features: tuple[_Feature, ...], places: Sequence[npt.NDArray[np.intp]]
    ) -> tuple[_Found | None, float]:
        """Return the smallest change that crosses the goal, and how far any goes towards it."""
        grid = np.array(list(itertools.product(*places)), dtype=np.intp)
        far = sum(f.distances[grid[:, i]] for i, f in enumerate(features))
        changed = np.all([f.distances[grid[:, i]] > 0 for i, f in enumerate(features)], axis=0)
        grid, far = grid[changed], np.asarray(far)[changed]
        if not len(grid):
            return None, 0.0
        answers = self._answers(features, grid)
        towards = np.sign(self.goal - self.now) * (answers - self.now)
        crossing = np.flatnonzero(towards >= abs(self.goal - self.now))
        if not len(crossing):
            return None, float(towards.max())
        order = np.lexsort((-towards[crossing], far[crossing]))
        place = crossing[order[0]]
        return _Found(features, tuple(grid[place].tolist()), float(answers[place])), np.inf

    def _answers(self, features: tuple[_Feature, ...], grid: npt.NDArray[np.intp]) -> FloatArray:
        step = max(1, MOST_NUMBERS // max(self.patient.shape[1], 1))
        found = []
        for start in range(0, len(grid), step):
            part = grid[start : start + step]
            columns: dict[str, dict[str, Column]] = {}
            for i, feature in enumerate(features):
                values = [feature.values[place] for place in part[:, i]]
                modality, name = feature.key
                columns.setdefault(modality, {})[name] = _column(values)
            cohort = varied(self.patient, columns, len(part), self.background)
            found.append(self.number.of(self.model.scores(cohort)))
        return np.concatenate(found)

    def worded(self, found: _Found) -> Counterfactual:
        changes, parts = [], []
        for feature, place in zip(found.features, found.places, strict=True):
            unit = feature.known.unit
            before = with_unit(_text(feature.before, 4), unit)
            after = with_unit(_text(feature.values[place], 12), unit)  # as it was asked about
            modality, name = feature.key
            changes.append(Change(modality=modality, feature=name, before=before, after=after))
            parts.append(f"{name_of(feature.key, feature.known)} {after} instead of {before}")
        sentence = (
            f"With {' and '.join(parts)}, and all else as it is, the model would answer "
            f"{told(self.number, found.after)} instead of {told(self.number, self.now)}."
        )
        return Counterfactual(
            changes=tuple(changes), before=self.now, after=found.after, sentence=sentence
        )


def _diverse(found: Sequence[_Found], most: int) -> list[_Found]:
    """Return the best first, then each time the best that shares few features with those."""
    left, chosen = sorted(found, key=lambda one: one.rank), list[_Found]()
    while left and len(chosen) < most:
        used = {f.key for one in chosen for f in one.features}
        shared = [len(used & {f.key for f in one.features}) for one in left]
        sizes = [len(one.features) + n for one, n in zip(left, shared, strict=True)]
        chosen.append(left.pop(int(np.argmin(sizes))))
    return chosen


def _column(values: Sequence[Value]) -> Column:
    if isinstance(values[0], str):
        return [str(value) for value in values]
    return np.array(values, dtype=float)


def _text(value: Value, digits: int) -> str:
    return value if isinstance(value, str) else f"{value:.{digits}g}"
