"""Curves from learners that only rank."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.base import SurvivalAnalysisMixin
from sksurv.linear_model import IPCRidge
from sksurv.metrics import concordance_index_censored
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.svm import FastSurvivalSVM
from tests.laws.cohorts import complete_cohort, outcome_of

from consilience.fusion import EarlyFusion
from consilience.fusion.ranked import RankedSurvival


class GivenRisk(SurvivalAnalysisMixin, BaseEstimator):
    """Predicts the first column, shifted and scaled: a learner whose risk has no natural scale."""

    def __init__(self, shift=0.0, scale=1.0):
        self.shift = shift
        self.scale = scale

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.shift + self.scale * X[:, 0]


@pytest.fixture(scope="module")
def survival():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return X, outcome_of("survival", X[:, 0], rng)


def curves(model, X):
    return np.array([step.y for step in model.predict_survival_function(X)])


@pytest.mark.parametrize(
    "learner",
    [FastSurvivalSVM(random_state=0), IPCRidge(), make_pipeline(StandardScaler(), IPCRidge())],
)
def test_the_order_is_the_learners_and_higher_is_worse(learner, survival):
    X, y = survival
    model = RankedSurvival(learner).fit(X, y)
    sign = 1 if isinstance(learner, FastSurvivalSVM) else -1  # IPCRidge predicts a time
    np.testing.assert_array_equal(model.predict(X), sign * model.learner_.predict(X))
    lost = -curves(model, X).sum(axis=1)
    np.testing.assert_array_equal(np.argsort(lost), np.argsort(model.predict(X)))
    assert concordance_index_censored(y["event"], y["time"], lost)[0] > 0.7


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1e6, 1.0), (-300.0, 1e-6), (5.0, 1e6)])
def test_where_the_risk_lies_and_its_scale_change_nothing(shift, scale, survival):
    X, y = survival
    plain = curves(RankedSurvival(GivenRisk()).fit(X, y), X)
    moved = curves(RankedSurvival(GivenRisk(shift, scale)).fit(X, y), X)
    np.testing.assert_allclose(moved, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_a_risk_that_is_worse_than_chance_gives_kaplan_meier_for_all(shift, survival):
    X, y = survival
    model = RankedSurvival(GivenRisk(shift, -1.0)).fit(X, y)
    _, km = kaplan_meier_estimator(y["event"], y["time"])
    assert np.abs(curves(model, X) - km).max() < 0.02
    np.testing.assert_array_equal(np.argsort(model.predict(X)), np.argsort(-X[:, 0]))


def test_a_constant_risk_gives_kaplan_meier(survival):
    X, y = survival
    model = RankedSurvival(GivenRisk(2.0, 0.0)).fit(X, y)
    _, km = kaplan_meier_estimator(y["event"], y["time"])
    assert np.abs(curves(model, X) - km).max() < 0.02


@pytest.mark.parametrize("events", [2, 3, 199, 200])
def test_few_events_and_few_censored(events, survival):
    X, y = survival
    rare = y.copy()
    rare["event"] = np.arange(200) < events
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = RankedSurvival(GivenRisk()).fit(X, rare)
    assert np.isfinite(curves(model, X)).all()


def test_a_fusion_of_ranking_machines():
    cohort, y, _ = complete_cohort("survival")
    model = EarlyFusion(IPCRidge(alpha=10.0)).fit(cohort, y)
    assert model.score(cohort, y) > 0.7
    assert (np.diff(model.values(cohort), axis=1) <= 0).all()
