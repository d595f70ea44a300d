"""What would have to be different: laws, and the smallest change against an exhaustive search."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.linear_model import CoxPHSurvivalAnalysis

from consilience.cohort import Cohort, Table, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion
from consilience.metrics.scores import FloatArray, Probabilities, Values
from consilience.records import Counterfactual
from consilience.study.bundle.background import condensed
from consilience.trust.counterfactual import _Grid, counterfactuals
from consilience.trust.importance import Scorer
from consilience.trust.number import EventWithin, Number, PredictedValue, ProbabilityOf
from consilience.trust.plausible import Plausible

Ranges = dict[tuple[str, str], Plausible]
RISK = ProbabilityOf("probability of the event", "1")


def background_of(cohort: Cohort) -> Cohort:
    found = condensed(cohort, tuple(cohort.modalities))
    assert found is not None
    return found


def ranges(cohort: Cohort) -> Ranges:
    found = {}
    for name, table in cohort.modalities.items():
        assert isinstance(table, Table)
        for feature in table.numeric_features:
            low, high = np.nanquantile(table.frame[feature].to_numpy(float), (0.01, 0.99))
            found[name, feature] = Plausible(float(low), float(high))
    return found


def changed(patient: Cohort, found: Counterfactual) -> Cohort:
    """Return the patient with the changes as they are written."""
    tables = {}
    for name, table in patient.modalities.items():
        assert isinstance(table, Table)
        if not patient.has(name)[0]:
            continue
        frame = table.frame.copy()
        for one in found.changes:
            if one.modality == name:
                text = one.feature in table.categorical_features
                value = one.after if text else float(one.after.split()[0])
                frame.loc[frame.index[0], one.feature] = value
        tables[name] = Table(frame, kinds=table.kinds, units=table.units)
    return Cohort(patient.patients, tables)


@dataclass(frozen=True)
class Curve:
    """A probability that any function of the two numbers in `labs` gives."""

    of: Callable[[FloatArray, FloatArray], FloatArray]

    def scores(self, cohort: Cohort) -> Probabilities:
        table = cohort.modalities["labs"]
        assert isinstance(table, Table)
        values = table.numeric
        p = np.asarray(self.of(values[:, 0], values[:, 1]), dtype=float)
        return Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))


def two_labs(n: int = 200, seed: int = 0) -> Cohort:
    rng = np.random.default_rng(seed)
    index = [f"p{i:03d}" for i in range(n)]
    frame = pd.DataFrame(rng.uniform(0, 10, (n, 2)), columns=["a", "b"], index=index)
    return Cohort(pd.DataFrame(index=index), {"labs": Table(frame)})


def one(a: float, b: float) -> Cohort:
    frame = pd.DataFrame({"a": [a], "b": [b]}, index=["new"])
    kinds = {"a": "continuous", "b": "continuous"}
    return Cohort(pd.DataFrame(index=["new"]), {"labs": Table(frame, kinds=kinds)})  # type: ignore[arg-type]


def models() -> list[tuple[str, object, str, Number]]:
    return [
        ("linear", LogisticRegression(), "binary", RISK),
        ("forest", RandomForestClassifier(40, min_samples_leaf=3, random_state=0), "binary", RISK),
        ("ridge", Ridge(), "continuous", PredictedValue("stay", "days")),
        ("cox", CoxPHSurvivalAnalysis(alpha=1.0), "survival", EventWithin("death", 400.0)),
    ]


@pytest.mark.parametrize(("name", "learner", "kind", "number"), models())
def test_laws(name: str, learner: object, kind: str, number: Number) -> None:
    cohort, y = synthetic_cohort(160, kind=kind, modalities=2, features=5, missing=0.2, seed=2)
    method = LateFusion if name == "linear" else EarlyFusion
    model = method(learner).fit(cohort, y)
    background, known = background_of(cohort), ranges(cohort)
    actionable = {key: bounds for key, bounds in known.items() if key[1][-1] in "135"}
    numbers = number.of(model.scores(cohort))
    found_any = 0
    for row in np.argsort(-numbers)[[3, 30, 80, 120]]:
        patient = cohort[[int(row)]]
        goal = float(0.6 * numbers[row] + 0.4 * np.median(numbers))
        found = counterfactuals(model, patient, background, number, actionable, goal=goal)
        again = counterfactuals(model, patient, background, number, actionable, goal=goal)
        assert found == again
        found_any += len(found)
        assert len(found) <= 3
        sets = [frozenset((c.modality, c.feature) for c in f.changes) for f in found]
        assert len(set(sets)) == len(sets)
        assert not any(a < b for a, b in itertools.permutations(sets, 2))
        for one_found in found:
            _obeys(one_found, model, patient, number, actionable)
            side = np.sign(goal - one_found.before)
            assert side * one_found.after >= side * goal
    assert found_any > 0


def _obeys(
    found: Counterfactual, model: Scorer, patient: Cohort, number: Number, actionable: Ranges
) -> None:
    assert 1 <= len(found.changes) <= 3
    assert found.before == number.of(model.scores(patient))[0]
    again = number.of(model.scores(changed(patient, found)))[0]
    assert found.after == pytest.approx(again, rel=1e-12)
    for change in found.changes:
        key = (change.modality, change.feature)
        assert key in actionable and patient.has(change.modality)[0]
        low, high = actionable[key][:2]
        assert low is not None and high is not None
        assert low <= float(change.after) <= high
    assert "the model would answer" in found.sentence


def test_what_care_cannot_change_is_never_touched() -> None:
    cohort = two_labs()
    model = Curve(lambda a, b: 0.05 + 0.09 * a)  # hangs on a alone
    known = ranges(cohort)
    only_b = {("labs", "b"): known["labs", "b"]}
    assert counterfactuals(model, one(9.0, 5.0), background_of(cohort), RISK, only_b) == ()
    assert counterfactuals(model, one(9.0, 5.0), background_of(cohort), RISK, {}) == ()


def test_the_smallest_change_of_one_feature_is_found_where_it_is_known() -> None:
    cohort = two_labs()
    model = Curve(lambda a, b: 0.05 + 0.09 * a)
    (found,) = counterfactuals(
        model, one(9.0, 5.0), background_of(cohort), RISK, ranges(cohort), goal=0.5
    )
    # 0.05 + 0.09 a = 0.5 at a = 5, and values are 0.2 apart.
    assert [change.after for change in found.changes] == ["5"]
    assert found.sentence == (
        "With a 5 instead of 9, and all else as it is, the model would answer 50 % instead of 86 %."
    )


@pytest.mark.parametrize(
    "curve",
    [
        lambda a, b: 1 / (1 + np.exp(-(a + 0.7 * b - 7))),
        lambda a, b: np.clip(0.1 * a * (b > 3) + 0.2, 0, 1),
        lambda a, b: 0.5 + 0.4 * np.sin(a) * np.cos(b / 2),
        lambda a, b: 1 - np.exp(-((a - 4) ** 2 + (b - 6) ** 2) / 8),
    ],
)
@pytest.mark.parametrize("start", [(9.0, 8.0), (2.0, 9.5), (6.5, 1.0)])
def test_no_smaller_change_is_found_by_trying_every_one(
    curve: Callable[[FloatArray, FloatArray], FloatArray], start: tuple[float, float]
) -> None:
    cohort = two_labs()
    model, patient, known = Curve(curve), one(*start), ranges(cohort)
    found = counterfactuals(model, patient, background_of(cohort), RISK, known)
    widths = [high - low for low, high in (bounds[:2] for bounds in known.values())]  # type: ignore[operator]
    steps = np.round(np.arange(0, 10.01, 0.2), 10)
    now = float(curve(*(np.array([v]) for v in start))[0])
    best: dict[str, float] = {}
    for a, b in itertools.product([*steps, start[0]], [*steps, start[1]]):
        moved = [x != y for x, y in zip((a, b), start, strict=True)]
        inside = all(
            m is False or known["labs", n][0] <= v <= known["labs", n][1]
            for m, v, n in zip(moved, (a, b), "ab", strict=True)
        )
        if inside and any(moved) and curve(np.array([a]), np.array([b]))[0] <= now / 2:
            far = abs(a - start[0]) / widths[0] + abs(b - start[1]) / widths[1]
            name = "".join(n for n, m in zip("ab", moved, strict=True) if m)
            best[name] = min(best.get(name, np.inf), far)
    due = {name: far for name, far in best.items() if len(name) == 1} or best
    said = {}
    for one_found in found:
        name = "".join(change.feature for change in one_found.changes)
        at = dict(zip("ab", start, strict=True)) | {
            c.feature: float(c.after) for c in one_found.changes
        }
        said[name] = sum(abs(at[n] - s) / w for n, s, w in zip("ab", start, widths, strict=True))
    assert set(said) >= set(due)
    for name, far in due.items():
        # One feature is searched whole; two on every fifth value, then around the best.
        assert said[name] <= far * (1 + 1e-9) + (0.0 if len(name) == 1 else 0.1)


def test_a_goal_above_is_reached_upwards() -> None:
    cohort = two_labs()
    model = Curve(lambda a, b: 0.05 + 0.09 * a)
    (found,) = counterfactuals(
        model, one(2.0, 5.0), background_of(cohort), RISK, ranges(cohort), goal=0.45
    )
    assert found.after >= 0.45 and float(found.changes[0].after) == 4.6


def test_half_the_risk_is_the_goal_where_none_is_given() -> None:
    cohort = two_labs()
    model = Curve(lambda a, b: 0.09 * a)
    (found,) = counterfactuals(model, one(9.0, 5.0), background_of(cohort), RISK, ranges(cohort))
    assert found.changes[0].after == "4.4"  # 4.5 would be half


def test_the_usual_value_is_the_goal_of_a_value() -> None:
    cohort, y = synthetic_cohort(120, kind="continuous", modalities=1, features=2, seed=3)
    model = EarlyFusion(Ridge()).fit(cohort, y)
    background, number = background_of(cohort), PredictedValue("stay", "days")
    usual = np.median(number.of(model.scores(background)))
    highest = int(np.argmax(number.of(model.scores(cohort))))
    found = counterfactuals(model, cohort[[highest]], background, number, ranges(cohort))
    assert found and all(one_found.after <= usual for one_found in found)


def test_a_category_is_changed_to_another_level() -> None:
    rng = np.random.default_rng(1)
    smoking = rng.choice(["never", "former", "current"], 300)
    frame = pd.DataFrame(
        {"smoking": smoking, "age": rng.normal(60, 8, 300), "aspirin": rng.integers(0, 2, 300)},
        index=[f"p{i:03d}" for i in range(300)],
    )
    y = (rng.random(300) < np.where(smoking == "current", 0.8, 0.15)).astype(int)
    cohort = Cohort(pd.DataFrame(index=frame.index), {"clinic": Table(frame)})
    model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    patient = cohort[[int(np.flatnonzero(smoking == "current")[0])]]
    actionable = {
        ("clinic", "smoking"): Plausible(label="smoking status"),
        ("clinic", "aspirin"): Plausible(0.0, 1.0),
    }
    found = counterfactuals(model, patient, background_of(cohort), RISK, actionable)
    assert found[0].changes[0].feature == "smoking"
    assert found[0].changes[0].after in ("never", "former")
    assert "smoking status" in found[0].sentence
    again = RISK.of(model.scores(changed(patient, found[0])))[0]
    assert found[0].after == pytest.approx(again, rel=1e-12)


def test_values_of_yes_and_no_and_counts_stay_such() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"on_drug": rng.integers(0, 2, 200), "visits": rng.poisson(4, 200)},
        index=[f"p{i:03d}" for i in range(200)],
    )
    kinds = {"on_drug": "binary", "visits": "count"}
    cohort = Cohort(
        pd.DataFrame(index=frame.index),
        {"labs": Table(frame.astype(float), kinds=kinds)},  # type: ignore[arg-type]
    )
    model = Curve(lambda a, b: np.clip(0.2 + 0.3 * a + 0.05 * b, 0, 1))
    new = Table(pd.DataFrame({"on_drug": [1.0], "visits": [8.0]}, index=["n"]), kinds=kinds)  # type: ignore[arg-type]
    patient = Cohort(pd.DataFrame(index=["n"]), {"labs": new})
    found = counterfactuals(model, patient, background_of(cohort), RISK, ranges(cohort))
    assert found
    for change in (change for one_found in found for change in one_found.changes):
        value = float(change.after)
        assert value in (0.0, 1.0) if change.feature == "on_drug" else value == round(value)


def test_values_that_do_not_go_with_the_rest_of_the_patient_are_not_proposed() -> None:
    rng = np.random.default_rng(3)
    weight = rng.normal(80, 15, 500)
    waist = weight + rng.normal(0, 3, 500)
    frame = pd.DataFrame({"a": weight, "b": waist}, index=[f"p{i:03d}" for i in range(500)])
    cohort = Cohort(pd.DataFrame(index=frame.index), {"labs": Table(frame)})
    model = Curve(lambda a, b: 1 / (1 + np.exp(-(a - 80) / 5)))
    only = {("labs", "a"): ranges(cohort)["labs", "a"]}
    asked = (background_of(cohort), RISK, only)
    # With a waist of 110 a weight of 75 is not plausible, though many have it.
    assert counterfactuals(model, one(110.0, 110.0), *asked, goal=0.3) == ()
    assert counterfactuals(model, one(86.0, 82.0), *asked, goal=0.5) != ()


def test_what_was_not_measured_of_the_patient_is_not_changed() -> None:
    cohort = two_labs()
    model = Curve(lambda a, b: np.nan_to_num(0.05 + 0.09 * a, nan=0.8))
    patient = one(np.nan, 5.0)
    assert counterfactuals(model, patient, background_of(cohort), RISK, ranges(cohort)) == ()


def test_three_features_together_where_two_are_not_enough() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        rng.uniform(0, 10, (300, 4)), columns=list("abcd"), index=[f"p{i:03d}" for i in range(300)]
    )
    cohort = Cohort(pd.DataFrame(index=frame.index), {"labs": Table(frame)})

    class Sum:
        def scores(self, asked: Cohort) -> Values:
            table = asked.modalities["labs"]
            assert isinstance(table, Table)
            return Values(table.numeric[:, :3].sum(axis=1, keepdims=True))

    new = pd.DataFrame([[9.0, 9.0, 9.0, 9.0]], columns=list("abcd"), index=["n"])
    patient = Cohort(
        pd.DataFrame(index=["n"]), {"labs": Table(new, kinds=dict.fromkeys("abcd", "continuous"))}
    )
    number = PredictedValue("sum")
    found = counterfactuals(Sum(), patient, background_of(cohort), number, ranges(cohort), goal=6.0)
    assert [len(one_found.changes) for one_found in found] == [3]
    assert {change.feature for change in found[0].changes} == {"a", "b", "c"}
    moved = 27 - sum(float(change.after) for change in found[0].changes)
    assert moved == pytest.approx(21.0, abs=0.3)  # no further than is needed


def test_units_stand_with_values_and_mistakes_are_named() -> None:
    cohort = two_labs()
    model = Curve(lambda a, b: 0.05 + 0.09 * a)
    known = {("labs", "a"): Plausible(0.0, 10.0, "Lactate", "mmol/L")}
    (found,) = counterfactuals(model, one(9.0, 5.0), background_of(cohort), RISK, known, goal=0.5)
    assert (found.changes[0].before, found.changes[0].after) == ("9 mmol/L", "5 mmol/L")
    assert "Lactate 5 mmol/L instead of 9 mmol/L" in found.sentence
    with pytest.raises(InputError, match="'labs' has no feature 'aa'"):
        counterfactuals(model, one(9, 5), background_of(cohort), RISK, {("labs", "aa"): (0, 1)})
    with pytest.raises(InputError, match="the goal must be a number"):
        counterfactuals(model, one(9, 5), background_of(cohort), RISK, known, goal=float("nan"))
    with pytest.raises(InputError, match="one patient is asked about"):
        counterfactuals(model, cohort, background_of(cohort), RISK, known)


@pytest.mark.parametrize(
    ("before", "least", "most"),
    [(3.1, 1.0, 3.1), (1.5, 1.0, 2.0), (0.5, 0.5, 2.0)],
    ids=["above it", "within it", "below it"],
)
def test_nothing_is_proposed_out_of_the_reference_range(
    before: float, least: float, most: float
) -> None:
    known = Plausible(0.0, 4.0, reference=(1.0, 2.0))
    group = _with(np.random.default_rng(0).uniform(0, 4, 40))
    patient = _with(np.array([before]))
    feature = _Grid.of(patient, group, {("labs", "a"): known}).features[0]
    assert min(feature.values) >= least
    assert max(feature.values) <= most
    assert len(feature.values) > 5
    free = known._replace(reference=(None, None))
    assert min(_Grid.of(patient, group, {("labs", "a"): free}).features[0].values) < 0.5


def _with(values: FloatArray) -> Cohort:
    index = pd.Index([f"p{i}" for i in range(len(values))])
    labs = Table(pd.DataFrame({"a": values}, index=index))
    return Cohort(pd.DataFrame(index=index), {"labs": labs})
