"""Which missing test matters: planted effects come out, with the change that theory says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from consilience.cohort import Cohort, Table, bag_of, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import EarlyFusion
from consilience.metrics.scores import Values
from consilience.study.bundle.background import condensed
from consilience.trust.missing_test import by_cost, change_per_cost, missing_tests
from consilience.trust.number import PredictedValue, ProbabilityOf
from consilience.trust.plausible import Plausible

VALUE = PredictedValue("stay", "days")


@dataclass(frozen=True)
class Linear:
    """A linear model of some features; who lacks one stands at its mean, 0."""

    weights: Mapping[tuple[str, str], float]

    def scores(self, cohort: Cohort) -> Values:
        total = np.zeros(len(cohort))
        for name, table in cohort.modalities.items():
            assert isinstance(table, Table)
            weights = [self.weights.get((name, f), 0.0) for f in table.numeric_features]
            has = cohort.has(name)
            rows = table.numeric_at(cohort.positions(name)[has])
            total[has] += np.nan_to_num(rows) @ np.array(weights)
        return Values(total[:, None])


def normal(n: int, covariance: list[list[float]], seed: int) -> pd.DataFrame:
    values = np.random.default_rng(seed).multivariate_normal(
        np.zeros(len(covariance)), covariance, size=n
    )
    names = [f"x{i}" for i in range(len(covariance))]
    return pd.DataFrame(values, columns=names, index=[f"p{i:04d}" for i in range(n)])


def cohort_of(**frames: pd.DataFrame) -> Cohort:
    index = next(iter(frames.values())).index
    tables = {
        name: Table(f, kinds=dict.fromkeys(map(str, f), "continuous")) for name, f in frames.items()
    }
    return Cohort(pd.DataFrame(index=index), tables)


def background_of(cohort: Cohort) -> Cohort:
    found = condensed(cohort, tuple(cohort.modalities))
    assert found is not None
    return found


def ranges(cohort: Cohort) -> dict[tuple[str, str], Plausible]:
    found = {}
    for name, table in cohort.modalities.items():
        assert isinstance(table, Table)
        for feature in table.numeric_features:
            low, high = np.nanquantile(table.frame[feature].to_numpy(float), (0.01, 0.99))
            found[name, feature] = Plausible(float(low), float(high))
    return found


def folded(mean: float, deviation: float) -> float:
    """Return the mean absolute value of a normal variable."""
    return float(stats.foldnorm.mean(abs(mean) / deviation, scale=deviation))


def test_the_expected_change_of_a_linear_model_is_that_of_the_formula() -> None:
    """E|w x| for x normal given what is known: within 15 %, averaged over four cohorts."""
    weight, known = 2.0, 1.2
    changes, lows, highs = [], [], []
    for seed in range(4):
        frame = normal(500, [[1.0, 0.6], [0.6, 1.0]], seed)
        cohort = cohort_of(labs=frame)
        new = cohort_of(labs=pd.DataFrame({"x0": [np.nan], "x1": [known]}, index=["new"]))
        found = missing_tests(
            Linear({("labs", "x0"): weight, ("labs", "x1"): 1.0}),
            new,
            background_of(cohort),
            VALUE,
            plausible=ranges(cohort),
        )
        assert [one.feature for one in found] == ["x0"]
        changes.append(found[0].change)
        lows.append(found[0].low)
        highs.append(found[0].high)
    mean, deviation = weight * 0.6 * known, weight * 0.8
    assert np.mean(changes) == pytest.approx(folded(mean, deviation), rel=0.15)
    for said, share in ((lows, 0.05), (highs, 0.95)):
        truth = known + stats.norm.ppf(share, mean, deviation)
        assert np.mean(said) == pytest.approx(truth, abs=0.25 * deviation)


def test_what_says_most_comes_first_and_what_the_model_does_not_use_not_at_all() -> None:
    frame = normal(300, np.eye(4).tolist(), 1)
    cohort = cohort_of(labs=frame)
    new = cohort_of(labs=pd.DataFrame([[np.nan] * 3 + [0.3]], columns=frame.columns, index=["n"]))
    weights = {("labs", "x0"): 0.5, ("labs", "x1"): -2.0, ("labs", "x3"): 5.0}
    found = missing_tests(
        Linear(weights), new, background_of(cohort), VALUE, plausible=ranges(cohort)
    )
    assert [one.feature for one in found] == ["x1", "x0"]
    assert found[0].change / found[1].change == pytest.approx(4.0, rel=0.15)
    assert found[0].low < found[0].high


def test_what_is_known_already_from_the_others_need_not_be_measured() -> None:
    double = normal(400, [[1.0, 0.97, 0.0], [0.97, 1.0, 0.0], [0.0, 0.0, 1.0]], 2)
    cohort = cohort_of(labs=double)
    new = cohort_of(labs=pd.DataFrame([[np.nan, 0.0, np.nan]], columns=double.columns, index=["n"]))
    weights = {("labs", "x0"): 1.0, ("labs", "x2"): 1.0}
    found = missing_tests(
        Linear(weights), new, background_of(cohort), VALUE, plausible=ranges(cohort)
    )
    change = {one.feature: one.change for one in found}
    assert change["x2"] > 2 * change["x0"]  # 0.8 against 0.2


def test_a_modality_that_was_not_measured_is_one_test_at_the_cost_of_all_of_it() -> None:
    frame = normal(300, np.eye(4).tolist(), 3)
    cohort = cohort_of(labs=frame[["x0", "x1"]], rna=frame[["x2", "x3"]])
    new = cohort_of(labs=pd.DataFrame({"x0": [np.nan], "x1": [0.0]}, index=["n"]))
    weights = {("labs", "x0"): 1.0, ("rna", "x2"): 1.0, ("rna", "x3"): 1.0}
    costs = {("labs", "x0"): 5.0, ("rna", "x2"): 300.0, ("rna", "x3"): 100.0}
    found = missing_tests(
        Linear(weights), new, background_of(cohort), VALUE, costs=costs, plausible=ranges(cohort)
    )
    assert [(one.modality, one.feature, one.cost) for one in found] == [
        ("rna", None, 400.0),
        ("labs", "x0", 5.0),
    ]
    assert found[0].change == pytest.approx(folded(0.0, np.sqrt(2)), rel=0.2)
    assert [one.modality for one in by_cost(found)] == ["labs", "rna"]
    assert change_per_cost(found[0]) == found[0].change / 400
    assert "days" in found[0].sentence and "for each unit of its cost" in found[0].sentence


def test_a_cost_that_is_known_in_part_is_not_told() -> None:
    frame = normal(100, np.eye(3).tolist(), 4)
    cohort = cohort_of(labs=frame[["x0"]], rna=frame[["x1", "x2"]])
    new = cohort_of(labs=pd.DataFrame({"x0": [0.0]}, index=["n"]))
    model, background = Linear({("rna", "x1"): 1.0}), background_of(cohort)
    (one,) = missing_tests(model, new, background, VALUE, costs={("rna", "x1"): 3.0})
    assert one.cost is None and by_cost([one]) == () and np.isnan(change_per_cost(one))
    free = missing_tests(
        model, new, background, VALUE, costs={("rna", "x1"): 0.0, ("rna", "x2"): 0.0}
    )
    assert change_per_cost(free[0]) == np.inf


def test_of_very_many_missing_features_the_important_ones_are_found() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(150, 300)), index=[f"p{i:03d}" for i in range(150)])
    frame = frame.add_prefix("g")
    cohort = cohort_of(rna=frame)
    new = cohort_of(rna=frame.iloc[:1].assign(**{f"g{i}": np.nan for i in range(250)}))
    weights = {("rna", f"g{i}"): 0.01 for i in range(250)} | {
        ("rna", "g240"): 3.0,
        ("rna", "g17"): 2.0,
    }
    found = missing_tests(Linear(weights), new, background_of(cohort), VALUE, most=2)
    assert [one.feature for one in found] == ["g240", "g17"]


def test_nothing_missing_and_nothing_that_can_be_imagined() -> None:
    cohort, y = synthetic_cohort(80, modalities=1, features=3, seed=0)
    tiles = bag_of({name: np.ones((2, 2)) for name in cohort.index})
    model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    background = background_of(cohort)
    number = ProbabilityOf("probability of the event", "1")
    assert missing_tests(model, cohort[[0]], background, number) == ()
    with_tiles = cohort.with_modality("tiles", tiles)
    without = with_tiles.assigned("tiles", tiles, np.full(len(cohort), -1))
    assert missing_tests(model, without[[0]], background, number) == ()
    with pytest.raises(InputError, match="one patient is asked about"):
        missing_tests(model, cohort[:2], background, number)


@pytest.mark.parametrize(
    "learner", [LogisticRegression(), RandomForestClassifier(30, random_state=0)]
)
def test_with_real_models_every_answer_is_legal_and_the_same_again(learner: object) -> None:
    cohort, y = synthetic_cohort(200, modalities=3, features=4, missing=0.4, seed=1)
    model = EarlyFusion(learner).fit(cohort, y)
    background, number = background_of(cohort), ProbabilityOf("probability of the event", "1")
    lacking = np.flatnonzero(~cohort.measured.to_numpy().all(axis=1))[:5]
    for row in lacking:
        patient = cohort[[int(row)]]
        found = missing_tests(model, patient, background, number, plausible=ranges(cohort))
        absent = {name for name in cohort.modalities if not patient.has(name)[0]}
        assert found and {one.modality for one in found} <= absent
        assert [one.change for one in found] == sorted((o.change for o in found), reverse=True)
        assert all(0 <= one.low <= one.high <= 1 for one in found)
        assert found == missing_tests(model, patient, background, number, plausible=ranges(cohort))
        assert all("percentage points" in one.sentence for one in found)


def test_a_missing_category_is_imagined_too() -> None:
    rng = np.random.default_rng(6)
    stage = rng.choice(["i", "ii", "iii"], 240)
    frame = pd.DataFrame(
        {"stage": stage, "age": rng.normal(60, 9, 240)}, index=[f"p{i:03d}" for i in range(240)]
    )
    y = (rng.random(240) < np.select([stage == "iii", stage == "ii"], [0.9, 0.5], 0.1)).astype(int)
    cohort = Cohort(pd.DataFrame(index=frame.index), {"clinic": Table(frame)})
    model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    new = pd.DataFrame({"stage": [None], "age": [60.0]}, index=["new"])
    patient = Cohort(
        pd.DataFrame(index=["new"]), {"clinic": Table(new, kinds={"stage": "categorical"})}
    )
    number = ProbabilityOf("probability of the event", "1")
    names = {("clinic", "stage"): Plausible(label="tumour stage", levels=("i", "ii", "iii"))}
    (found,) = missing_tests(model, patient, background_of(cohort), number, plausible=names)
    assert found.feature == "stage" and found.low < 0.25 and found.high > 0.75
    assert found.sentence.startswith("tumour stage was not measured")
