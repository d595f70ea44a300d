import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.ensemble import RandomSurvivalForest
from tests.laws.cohorts import complete_cohort, gappy_cohort
from tests.laws.methods import KINDS, Case, data, fitted, methods
from tests.trust.asked import VALUE, Formula, cohort_of, effects_of

from consilience.cohort import Cohort, Table
from consilience.cohort.bag import bag_of
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion
from consilience.fusion.deep import DeepFusion
from consilience.records import Explanation
from consilience.trust import game
from consilience.trust.explanation import explain
from consilience.trust.number import EventWithin, Number, PredictedValue, ProbabilityOf

ONE = ProbabilityOf("p", "1")


def number_for(kind: str, model: object) -> Number:
    numbers = {
        "binary": lambda: ONE,
        "multiclass": lambda: ProbabilityOf("p", "high"),
        "continuous": lambda: PredictedValue("v"),
        "survival": lambda: EventWithin("e", float(np.quantile(model.unique_times_, 0.6))),
    }
    return numbers[kind]()


def told(model, patient, number) -> float:
    return float(number.linked(number.of(model.scores(patient)))[0])


def total(explanation: Explanation) -> float:
    return explanation.baseline + sum(one.effect for one in explanation.contributions)


def cases() -> list[Case]:
    found = []
    for turn, (name, method) in enumerate(methods().items()):
        kinds = [kind for kind in KINDS if kind in method.learns]
        found += [Case(name, kinds[turn % len(kinds)])]
    return found


def test_there_are_methods_to_explain():
    assert len(cases()) > 20


@pytest.mark.parametrize("case", cases(), ids=str)
def test_baseline_and_effects_are_the_number_told(case):
    """Of every method that is exported, whatever the patient lacks, the same each time."""
    model, (cohort, _) = fitted(case), data(case.kind)
    number, background = number_for(case.kind, model), cohort[:16]
    measured = cohort.measured.to_numpy().sum(axis=1)[20:]
    asked = [20 + int(np.argmax(measured == n)) for n in (3, 2, 0)]
    exact = 1e-6
    for place in asked:
        patient = cohort[[place]]
        found = explain(model, patient, background, number)
        if issubclass(methods()[case.method], DeepFusion):
            exact = 0.01 if "gradients" in found.method else 1e-5
        assert total(found) == pytest.approx(told(model, patient, number), abs=exact)
        assert found == explain(model, patient, background, number)
        assert found.scale == number.scale and found.patient == patient.index[0]
        sizes = [abs(one.effect) for one in found.contributions]
        assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_was_not_measured_contributes_as_a_whole(place):
    cohort, y = gappy_cohort("binary", nobody=0.0)
    model = LateFusion(LogisticRegression()).fit(cohort, y)
    name = list(cohort.modalities)[place]
    patient = cohort[np.flatnonzero(~cohort.has(name))[:1]]
    found = explain(model, patient, cohort[:20], ONE)
    own = [one for one in found.contributions if one.modality == name]
    assert [(one.feature, one.value) for one in own] == [(None, "not measured")]


@pytest.mark.parametrize(
    "learner", [LogisticRegression(), RandomForestClassifier(10, random_state=0)]
)
def test_the_order_of_features_and_modalities_changes_nothing(learner):
    cohort, y = gappy_cohort("binary", features=9)
    model = LateFusion(learner).fit(cohort, y)
    turned = Cohort(
        cohort.patients,
        {
            name: Table(cohort.modalities[name].frame.iloc[:, ::-1])
            for name in reversed(list(cohort.modalities))
        },
    )
    known = np.flatnonzero(cohort.measured.all(axis=1).to_numpy())[:2]
    for place in known:
        one = explain(model, cohort[[place]], cohort[50:66], ONE)
        other = effects_of(explain(model, turned[[place]], turned[50:66], ONE))
        for key, effect in effects_of(one).items():
            assert other[key] == pytest.approx(effect, abs=1e-9)


def test_a_feature_that_is_not_used_gets_exactly_nothing_even_along_few_paths():
    cohort = cohort_of(a=300, b=300)
    model = Formula(lambda x: x[:, 0] * x[:, 1] + x[:, 2] * x[:, 0], a=["a7", "a9"], b=["b3"])
    found = explain(model, cohort[[0]], cohort[1:], VALUE)
    assert "paths" in found.method
    used = {("a", "a7"), ("a", "a9"), ("b", "b3")}
    assert {key for key, effect in effects_of(found).items() if effect} == used
    assert total(found) == pytest.approx(told(model, cohort[[0]], VALUE), abs=1e-9)


def test_the_baseline_is_the_mean_of_the_background_on_the_scale():
    cohort, y = gappy_cohort("survival", nobody=0.0)
    forest = RandomSurvivalForest(10, min_samples_leaf=5, random_state=0)
    model = EarlyFusion(forest).fit(cohort, y)
    number, background = EventWithin("e", 40.0), cohort[:12]
    found = explain(model, cohort[[30]], background, number)
    usual = number.linked(number.of(model.scores(background))).mean()
    assert found.baseline == pytest.approx(usual, abs=1e-12)


def test_a_modality_that_is_no_table_contributes_as_a_whole():
    cohort, y, _ = complete_cohort("binary", n=60)
    rng = np.random.default_rng(0)
    tiles = bag_of({p: rng.normal(y[i], 1, (4, 3)) for i, p in enumerate(cohort.index)})
    both = cohort.with_modality("tiles", tiles)
    for method in (EarlyFusion, LateFusion):
        model = method(LogisticRegression()).fit(both, y)
        for background in (both[30:], cohort[30:]):  # condensed patients have no tiles
            found = explain(model, both[[1]], background, ONE)
            assert total(found) == pytest.approx(told(model, both[[1]], ONE), abs=1e-6)
            effects = effects_of(found)
            assert effects["tiles", None] != 0
            assert [key for key in effects if key[0] == "tiles"] == [("tiles", None)]


def test_values_are_written_with_their_units():
    ids = ["a", "b", "c"]
    frame = pd.DataFrame(
        {"ldh": [612.0, 200.0, np.nan], "sex": ["male", "female", "male"]}, index=ids
    )
    cohort = Cohort(pd.DataFrame(index=ids), {"labs": Table(frame, units={"ldh": "U/L"})})
    model = Formula(lambda x: np.nan_to_num(x[:, 0]), labs=["ldh"])
    values = [
        {c.feature: c.value for c in explain(model, cohort[[i]], cohort, VALUE).contributions}
        for i in (0, 2)
    ]
    assert values[0] == {"ldh": "612 U/L", "sex": "male"}
    assert values[1]["ldh"] == "not measured"


def test_mistakes_are_named():
    cohort = cohort_of(a=2)
    model = Formula(lambda x: x[:, 0], a=["a0"])
    with pytest.raises(InputError, match="one patient is explained at a time, not 2"):
        explain(model, cohort[:2], cohort, VALUE)
    with pytest.raises(InputError, match="holds nobody"):
        explain(model, cohort[[0]], cohort[:0], VALUE)
    with pytest.raises(InputError, match="no probabilities"):
        explain(model, cohort[[0]], cohort, ONE)


@pytest.mark.parametrize("method", [EarlyFusion, LateFusion])
@pytest.mark.parametrize("kind", ["continuous", "multiclass"])
def test_asking_in_small_parts_changes_nothing(method, kind, monkeypatch):
    cohort, y = gappy_cohort(kind)
    learner = {"continuous": Ridge(), "multiclass": LogisticRegression()}[kind]
    model = method(learner).fit(cohort, y)
    asked = (model, cohort[[25]], cohort[:16], number_for(kind, model))
    whole = explain(*asked)
    monkeypatch.setattr(game, "AT_ONCE", 60)  # numbers: four or five patients
    parts = effects_of(explain(*asked))
    assert parts == pytest.approx(effects_of(whole), abs=1e-9)
