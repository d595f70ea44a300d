"""Which measurement that was not made would change the answer most.

For each missing feature, or modality, the expected absolute change of the number told:
E |f(x with the result) - f(x)|, over the conditional distribution of the result given what
was measured (see `conditional`). It is a value of information in the answer's own unit, not
in outcomes (Raiffa and Schlaifer, "Applied Statistical Decision Theory", 1961, ch. 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.records import MissingTest
from consilience.trust.conditional import conditional
from consilience.trust.importance import Scorer
from consilience.trust.number import Number
from consilience.trust.plausible import (
    Bounds,
    Key,
    Plausible,
    name_of,
    plausible_each,
    told,
    told_change,
)
from consilience.trust.varying import Column, measured_table, one_patient, varied

DRAWS = 200  # of a result
SCREENED = 10  # draws on which features are first compared where there are many
MOST_TRIED = 40  # features that are then looked at closely
MOST_NUMBERS = 4_000_000  # in one question to the model


def missing_tests(
    model: Scorer,
    patient: Cohort,
    background: Cohort,
    number: Number,
    *,
    costs: Mapping[Key, float] | None = None,
    plausible: Mapping[Key, Bounds] | None = None,
    most: int = 5,
) -> tuple[MissingTest, ...]:
    """Return what was not measured of a patient, what would change the answer most first.

    A modality that did not measure him is one test, at the cost of all its features if all
    are known; of a table that did, each missing feature is one. What moves nothing is left
    out. Where more than 40 features are missing, those 40 are tried that move the answer
    most on a few draws.

    Parameters
    ----------
    model : fitted estimator with ``scores(cohort)``
    patient : Cohort
        Of one patient.
    background : Cohort
        Condensed training patients. Modalities that it does not have (bags, images) cannot
        be imagined, and are not among the tests.
    number : Number
        Which number is told.
    costs : mapping of (modality, feature) to float, optional
    plausible : mapping of (modality, feature) to Plausible, optional
        Ranges, names and units.
    most : int
        How many are returned.

    Returns
    -------
    tuple of MissingTest

    Raises
    ------
    InputError
        If it is not one patient.
    """
    known = plausible_each(plausible)
    tests = _not_measured(one_patient(patient), background)
    features = [key for keys in tests.values() for key in keys]
    if not features:
        return ()
    results = conditional(patient, background, features, known).draws(DRAWS, seed=0)
    asked = _Question(model, patient, background, number, results)
    shortlist = asked.shortlist(tests)
    moved = {test: asked.answers(tests[test], DRAWS) for test in shortlist}
    now = asked.now
    told_of = _Words(number, now, known, dict(costs or {}))
    found = [told_of.of(test, tests[test], answers) for test, answers in moved.items()]
    ranked = sorted((one for one in found if one.change > 0), key=_rank)
    return tuple(ranked[:most])


def by_cost(tests: Sequence[MissingTest]) -> tuple[MissingTest, ...]:
    """Return those tests whose cost is known, the most change for the cost first.

    A test that costs nothing comes before all others.
    """
    priced = [one for one in tests if one.cost is not None]
    return tuple(sorted(priced, key=lambda one: (-change_per_cost(one), _rank(one))))


def change_per_cost(test: MissingTest) -> float:
    """Return the expected change for each unit of cost, NaN where the cost is not known."""
    if test.cost is None:
        return float("nan")
    return test.change / test.cost if test.cost > 0 else float("inf")


Test = tuple[str, str | None]  # modality, and a feature or None for the whole


def _rank(test: MissingTest) -> tuple[float, str, str]:
    return -test.change, test.modality, test.feature or ""


def _not_measured(patient: Cohort, background: Cohort) -> dict[Test, list[Key]]:
    """Return what could be measured yet, and the features that it would show."""
    tests: dict[Test, list[Key]] = {}
    for name, table in background.modalities.items():
        if not isinstance(table, Table):
            continue
        held = table.frame.notna().any()
        features = [feature for feature in table.features if held[feature]]
        own = measured_table(patient, name)
        if own is None:
            if name not in patient.modalities or isinstance(patient.modalities[name], Table):
                tests[name, None] = [(name, feature) for feature in features]
            continue
        unknown = own.frame.isna().iloc[0].to_dict()
        gaps = [feature for feature in features if unknown.get(feature, False)]
        tests |= {(name, feature): [(name, feature)] for feature in gaps}
    return {test: keys for test, keys in tests.items() if keys}


@dataclass(frozen=True)
class _Question:
    """A model asked about one patient with results that he does not have."""

    model: Scorer
    patient: Cohort
    background: Cohort
    number: Number
    results: Mapping[Key, Column]

    @property
    def now(self) -> float:
        """What is told without any of them."""
        return float(self.number.of(self.model.scores(self.patient))[0])

    def answers(self, keys: Sequence[Key], n: int) -> FloatArray:
        """Return the number told with each of the first `n` results of some features."""
        width = max(self.patient.shape[1], self.background.shape[1], 1)
        step = max(1, MOST_NUMBERS // width)
        found = []
        for start in range(0, n, step):
            part = slice(start, min(start + step, n))
            columns: dict[str, dict[str, Column]] = {}
            for name, feature in keys:
                columns.setdefault(name, {})[feature] = self.results[name, feature][part]
            size = part.stop - part.start
            cohort = varied(self.patient, columns, size, self.background)
            found.append(self.number.of(self.model.scores(cohort)))
        return np.concatenate(found)

    def shortlist(self, tests: Mapping[Test, Sequence[Key]]) -> list[Test]:
        """Return the tests to look at closely: all, or those that move most on a few draws."""
        if len(tests) <= MOST_TRIED:
            return list(tests)
        now = self.now
        moved = {t: np.abs(self.answers(k, SCREENED) - now).mean() for t, k in tests.items()}
        return sorted(tests, key=lambda test: (-moved[test], str(test)))[:MOST_TRIED]


@dataclass(frozen=True)
class _Words:
    """What is said of tests: numbers, cost and sentence."""

    number: Number
    now: float
    known: Mapping[Key, Plausible]
    costs: Mapping[Key, float]

    def of(self, test: Test, keys: Sequence[Key], answers: FloatArray) -> MissingTest:
        modality, feature = test
        low, high = (float(q) for q in np.quantile(answers, (0.05, 0.95)))
        change = float(np.abs(answers - self.now).mean())
        cost = self._cost(keys)
        what = repr(modality) if feature is None else name_of(keys[0], self.known.get(keys[0]))
        sentence = (
            f"{what} was not measured: its result is expected to move the answer by "
            f"{told_change(self.number, change)} (now {told(self.number, self.now)}, then "
            f"probably between {told(self.number, low)} and {told(self.number, high)})"
        )
        if cost:
            sentence += f", {told_change(self.number, change / cost)} for each unit of its cost"
        return MissingTest(
            modality=modality,
            feature=feature,
            change=change,
            low=low,
            high=high,
            cost=cost,
            sentence=sentence + ".",
        )

    def _cost(self, keys: Sequence[Key]) -> float | None:
        """Return what all of them cost together, None where one's cost is not known."""
        if any(key not in self.costs for key in keys):
            return None
        return float(sum(self.costs[key] for key in keys))
