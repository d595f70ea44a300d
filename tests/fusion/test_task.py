"""Kinds of outcome: what they accept, their losses, their curves."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.svm import LinearSVC
from sksurv.functions import StepFunction
from sksurv.linear_model import (
    CoxnetSurvivalAnalysis,
    CoxPHSurvivalAnalysis,
    IPCRidge,
)
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

from consilience.errors import InputError
from consilience.fusion.task import (
    MOST_TIMES,
    Classification,
    Regression,
    SurvivalTask,
    learner_type,
    task_of,
)
from consilience.metrics.scores import SurvivalCurves


def survival_of(event, time):
    return Surv.from_arrays(event, time, name_event="event", name_time="time")


# --- what is accepted ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        [0, 1, 1, 0],
        [True, False, True, True],
        ["no", "yes", "no", "yes"],
        pd.Series(["no", "yes", "no", "yes"], index=list("abcd")),
        pd.Series([0, 1, 1, 0], dtype="Int64"),
        pd.Series([True, False, True, False], dtype="boolean"),
        pd.Series(["b", "a", "a", "b"], dtype="category"),
        np.array([0, 1, 1, 0], dtype=object),
        np.array([0.0, 1.0, 1.0, 0.0]),
    ],
)
def test_classes_come_in_many_forms(y):
    task, checked = task_of(y, LogisticRegression())
    assert isinstance(task, Classification)
    np.testing.assert_array_equal(checked, list(y))
    np.testing.assert_array_equal(task.classes, sorted(set(y)))


@pytest.mark.parametrize("y", [[1, 2.5, 3], pd.Series([1, 2, 3], dtype="Int64"), [True, False, 1]])
def test_numbers_come_in_many_forms(y):
    task, checked = task_of(y, Ridge())
    assert isinstance(task, Regression)
    np.testing.assert_array_equal(checked, np.array(list(y), dtype=float))


@pytest.mark.parametrize("event", [[True, False, True], [1, 0, 1], [1.0, 0.0, 1.0]])
def test_survival_comes_with_events_of_any_type(event):
    y = np.array(
        list(zip(event, [1, 2, 3], strict=True)), dtype=[("a", type(event[0])), ("b", int)]
    )
    task, checked = task_of(y, CoxPHSurvivalAnalysis())
    assert isinstance(task, SurvivalTask)
    np.testing.assert_array_equal(checked["event"], [True, False, True])
    np.testing.assert_array_equal(checked["time"], [1.0, 2.0, 3.0])


SURVIVAL = survival_of([True, False, True], [3.0, 4.0, 5.0])


@pytest.mark.parametrize(
    ("y", "learner", "sentence"),
    [
        (
            [0.1, 0.2, 0.5],
            LogisticRegression(),
            "classifier needs one class a patient, but y is cont",
        ),
        ([[0, 1], [1, 0]], LogisticRegression(), r"one value a patient, but its shape is \(2, 2\)"),
        ([[0, 1], [1]], LogisticRegression(), "one value a patient"),
        ([0, np.nan, 1], LogisticRegression(), "known for every patient, but entry 1 is nan"),
        (["a", None, "b"], LogisticRegression(), "known for every patient, but entry 1 is None"),
        ([1, "a", 2], LogisticRegression(), None),
        (np.array([1, "a"], dtype=object), LogisticRegression(), "mixes .* 'int', 'str'"),
        ([1, 1, 1], LogisticRegression(), "one class"),
        (["a", "b"], Ridge(), "needs a number a patient"),
        ([1.0, np.nan], Ridge(), "entry 1 is nan"),
        ([1.0, -np.inf], Ridge(), "finite numbers, but entry 1 is -inf"),
        (SURVIVAL, Ridge(), "Ridge is a regressor, but the outcome is survival"),
        (SURVIVAL, LogisticRegression(), "LogisticRegression is a classifier, but .* survival"),
        ([0, 1, 1], CoxPHSurvivalAnalysis(), "neither a classifier nor a regressor.*from_arrays"),
        (
            survival_of([True, False], [-1.0, 2.0]),
            CoxPHSurvivalAnalysis(),
            r"must be positive, but that of entry 0 is -1",
        ),
        (
            survival_of([True, False], [1.0, np.nan]),
            CoxPHSurvivalAnalysis(),
            "must be positive, but that of entry 1 is nan",
        ),
        (
            np.array([(3.5, True), (4.5, False)], dtype=[("time", float), ("event", bool)]),
            CoxPHSurvivalAnalysis(),
            "event .* and time .* in that order",
        ),
        (survival_of([False, False], [1.0, 2.0]), CoxPHSurvivalAnalysis(), "no event was seen"),
        ([0, 1], None, "scikit-learn estimator, not None"),
        ([0, 1], LogisticRegression, r"give an instance: LogisticRegression\(\)"),
    ],
)
def test_outcomes_that_cannot_be_learned_are_refused(y, learner, sentence):
    if sentence is None:  # NumPy makes text of such a list: three classes
        assert len(task_of(y, learner)[0].classes) == 3
        return
    with pytest.raises(InputError, match=sentence):
        task_of(y, learner)


def test_the_type_of_a_learner():
    assert learner_type(LogisticRegression()) == "classifier"
    assert learner_type(Ridge()) == "regressor"
    assert learner_type(CoxPHSurvivalAnalysis()) is None
    assert learner_type(IPCRidge()) is None  # tagged a regressor, and learns survival


# --- folds ----------------------------------------------------------------------------------


def test_folds_hold_equal_shares_of_classes_and_of_events():
    y = np.repeat([0, 1], [80, 20])
    task, y = task_of(y, LogisticRegression())
    for train, test in task.folds(y, 5, 0):
        assert y[test].sum() == 4
        assert set(train) | set(test) == set(range(100))
        assert not set(train) & set(test)
    lifetimes = survival_of(y == 1, np.arange(1.0, 101))
    task, lifetimes = task_of(lifetimes, CoxPHSurvivalAnalysis())
    assert [lifetimes["event"][test].sum() for _, test in task.folds(lifetimes, 5, 0)] == [4] * 5


@pytest.mark.parametrize(("wanted", "found"), [(2, 2), (5, 3), (1000, 3)])
def test_there_are_no_more_folds_than_patients_in_the_rarest_class(wanted, found):
    task, y = task_of([0] * 20 + [1] * 3, LogisticRegression())
    assert len(task.folds(y, wanted, 0)) == found


def test_a_class_of_one_patient_does_not_cost_the_others_their_folds():
    task, y = task_of(["a"] * 20 + ["b"] * 20 + ["c"], LogisticRegression())
    assert len(task.folds(y, 5, 0)) == 5


@pytest.mark.parametrize("folds", [1, 0, -3, 2.5, "five", None])
def test_too_few_folds_are_refused(folds):
    task, y = task_of([0, 1, 0, 1], LogisticRegression())
    with pytest.raises(InputError, match="folds must be a whole number of at least 2"):
        task.folds(y, folds, 0)


# --- losses and scales --------------------------------------------------------------------------


def test_the_loss_of_classes_is_the_log_loss():
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], 60)
    task, y = task_of(y, LogisticRegression())
    values = rng.dirichlet([1, 1, 1], 60)
    assert task.loss(y, values).mean() == pytest.approx(log_loss(y, values), abs=1e-12)


def test_features_are_log_odds_from_the_prior():
    task, _ = task_of([0] * 30 + [1] * 10, LogisticRegression())
    p = np.array([0.9, 0.25, 0.1])
    found = task.features(np.column_stack([1 - p, p]))[:, 0]
    np.testing.assert_allclose(found, np.log(p / (1 - p)) - np.log(0.25 / 0.75), atol=1e-12)
    assert found[1] == pytest.approx(0.0, abs=1e-12)


def simulated(n: int, censoring: float, seed: int = 0):
    """Proportional hazards with exponential times; returns y, the linear predictor, the task."""
    rng = np.random.default_rng(seed)
    predictor = 0.7 * rng.normal(size=n)
    time = rng.exponential(100 * np.exp(-predictor))
    end = rng.exponential(100 / censoring, size=n)
    y = survival_of(time <= end, np.minimum(time, end))
    task, y = task_of(y, CoxPHSurvivalAnalysis())
    return y, predictor, task


@pytest.mark.parametrize("censoring", [0.5, 2.0, 5.0], ids=["third", "two thirds", "four fifths"])
def test_the_survival_loss_is_proper(censoring):
    """The true curves lose less than distorted ones, by four standard errors of the difference."""
    n = 40_000
    y, predictor, task = simulated(n, censoring)
    hazard = np.exp(predictor)[:, None] * task.times / 100
    truth = task.loss(y, np.exp(-hazard))
    middle = hazard[:, [len(task.times) // 2]]
    distorted = {
        "too high": 1.25 * hazard,
        "too low": 0.8 * hazard,
        "too flat": np.exp(0.7 * predictor)[:, None] * task.times / 100,
        "too steep": np.exp(1.3 * predictor)[:, None] * task.times / 100,
        "early": np.exp(predictor)[:, None] * (task.times / 100) ** 0.8,
        "late": np.exp(predictor)[:, None] * (task.times / 100) ** 1.2,
        "no events late": np.minimum(hazard, middle),
        "prior": np.tile(-np.log(np.clip(task.prior, 1e-9, 1)), (n, 1)),
    }
    for name, other in distorted.items():
        excess = task.loss(y, np.exp(-other)) - truth
        assert excess.mean() > 4 * excess.std() / np.sqrt(n), name


@pytest.mark.parametrize("censoring", [0.5, 5.0])
def test_the_survival_loss_is_least_within_four_percent_of_the_true_hazard(censoring):
    """Ten intervals instead of the exact times cost this much and no more."""
    n = 100_000
    y, predictor, task = simulated(n, censoring, seed=1)
    hazard = np.exp(predictor)[:, None] * task.times / 100
    factors = np.array([0.9, 0.94, 0.98, 1.0, 1.02, 1.06, 1.1])
    mean = [task.loss(y, np.exp(-factor * hazard)).mean() for factor in factors]
    best = np.polynomial.Polynomial.fit(factors, mean, 2).deriv().roots()[0]
    assert abs(best - 1) < 0.04


def test_the_survival_loss_by_hand():
    y = survival_of([True] * 10 + [False], [10.0 * i for i in range(1, 11)] + [55.0])
    task, y = task_of(y, CoxPHSurvivalAnalysis())
    np.testing.assert_array_equal(task.edges, [10.0 * i for i in range(1, 10)])
    curve = np.linspace(0.9, 0.0, 10)  # at 10, 20, ..., 100
    loss = task.loss(y, np.tile(curve, (11, 1)))
    np.testing.assert_allclose(loss[:9], -np.log(0.1), atol=1e-9)
    assert loss[9] == pytest.approx(-np.log(0.1))  # beyond the last edge: all that is left
    assert loss[10] == pytest.approx(-np.log(0.5))  # known to live at 55: survival there


def test_the_prior_of_survival_is_kaplan_meier():
    y, _, task = simulated(300, 1.0)
    time, survival = kaplan_meier_estimator(y["event"], y["time"])
    km = StepFunction(time, survival, domain=(0, None))
    np.testing.assert_allclose(task.prior, km(task.times), atol=1e-12)


def test_the_grid_of_times_is_bounded_and_loses_no_order():
    y, predictor, task = simulated(3000, 0.5)
    assert len(task.times) == MOST_TIMES
    assert task.times[-1] == y["time"][y["event"]].max()


# --- curves ---------------------------------------------------------------------------------


def fitted_cox(n: int = 150, p: int = 3):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, p))
    time = rng.exponential(np.exp(-X[:, 0])) * 10
    end = rng.exponential(20, n)
    y = survival_of(time <= end, np.minimum(time, end))
    task, y = task_of(y, CoxPHSurvivalAnalysis())
    return task, X, y, task.prepared(CoxPHSurvivalAnalysis(alpha=0.1)).fit(X, y)


def test_curves_at_any_time_are_the_step_functions():
    task, X, y, cox = fitted_cox()
    steps = cox.predict_survival_function(X[:9])
    values = np.array([step.y for step in steps])
    curves = SurvivalCurves(values, steps[0].x)
    asked = np.concatenate([steps[0].x[::7], np.linspace(steps[0].x[0], steps[0].x[-1], 50)])
    np.testing.assert_array_equal(curves.at(asked), [step(asked) for step in steps])
    np.testing.assert_array_equal(curves.at([0.0, 1e-9]), 1.0)
    np.testing.assert_array_equal(curves.at([1e9])[:, 0], values[:, -1])
    np.testing.assert_array_equal(task.ask(cox, X[:9]), [step(task.times) for step in steps])


def test_the_risk_is_the_time_lost_by_direct_integration():
    task, X, _, cox = fitted_cox()
    curves = task.scores(task.ask(cox, X))
    fine = np.linspace(0, task.times[-1], 400_001)
    middles = (fine[1:] + fine[:-1]) / 2
    alive = curves.take(slice(0, 5)).at(middles).mean(axis=1) * task.times[-1]
    np.testing.assert_allclose(curves.risk[:5], task.times[-1] - alive, rtol=1e-4)


def test_the_risk_ranks_as_the_linear_predictor():
    task, X, _, cox = fitted_cox()
    risk = task.decide(task.ask(cox, X))
    np.testing.assert_array_equal(np.argsort(risk), np.argsort(cox.predict(X)))


def test_huge_linear_predictors_give_legal_curves():
    task, X, _, cox = fitted_cox()
    far = np.vstack([1e4 * X[:20], -1e4 * X[:20], 1e300 * X[:2]])
    with np.errstate(over="ignore"):
        values = task.ask(cox, far)
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) <= 0).all()
    assert values.min() >= 0
    assert values.max() <= 1


def test_coxnet_is_asked_for_its_baseline_wherever_it_stands():
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    task, X, y, _ = fitted_cox()
    for learner in (CoxnetSurvivalAnalysis(), make_pipeline(PCA(), CoxnetSurvivalAnalysis())):
        values = task.ask(task.prepared(learner).fit(X, y), X)
        assert values.shape == (len(X), len(task.times))


def test_a_classifier_without_probabilities_is_calibrated():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(200, 2))
    y = (X[:, 0] + rng.logistic(size=200) > 0).astype(int)
    task, y = task_of(y, LinearSVC())
    values = task.ask(task.prepared(LinearSVC()).fit(X, y), X)
    np.testing.assert_allclose(values.sum(axis=1), 1.0)
    reference = LogisticRegression(C=1e6).fit(X, y).predict_proba(X)
    assert np.abs(values - reference).max() < 0.1


def test_a_hazard_without_bound_is_no_warning() -> None:
    """A value far out of range makes the linear predictor overflow; nobody survives."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1))
    y = Surv.from_arrays(rng.random(60) < 0.7, rng.exponential(np.exp(-X[:, 0])))
    task, checked = task_of(y, CoxPHSurvivalAnalysis())
    learner = CoxPHSurvivalAnalysis().fit(X, checked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves = task.ask(learner, np.array([[1e6 * np.sign(learner.coef_[0])]]))
    assert (curves == 0).all()
