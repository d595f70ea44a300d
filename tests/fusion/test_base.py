"""The base of all methods: what it refuses, and the extremes it takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.svm import FastSurvivalSVM
from tests.laws.cohorts import NAMES, complete_cohort, gappy_cohort
from tests.laws.methods import KINDS, LEARNERS, build

from consilience.cohort import Cohort, Table
from consilience.cohort.bag import bag_of
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion, SingleModality, StackedFusion

METHODS = [EarlyFusion, LateFusion, SingleModality, StackedFusion]


def instance(method, learner, **options):
    kind = {LogisticRegression: "binary", Ridge: "continuous"}.get(type(learner), "survival")
    return build(method, kind, options).set_params(learner=learner)


# --- hostile input ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c, y: (c, y[:-1]), "y has 89 entries for 90 patients"),
        (lambda c, y: (c, []), "y is empty"),
        (lambda c, y: (pd.DataFrame({"x": y}), y), "X must be a Cohort, not DataFrame"),
        (lambda c, y: (np.zeros((90, 3)), y), "X must be a Cohort, not ndarray"),
        (lambda c, y: (None, y), "X must be a Cohort, not NoneType"),
        (lambda c, y: (c, np.where(y == 0, np.nan, y)), "known for every patient, but entry"),
        (lambda c, y: (c, y + 0.5 * np.arange(90)), "but y is continuous"),
        (lambda c, y: (c, np.zeros(90)), "one class"),
        (lambda c, y: (c, np.column_stack([y, y])), r"its shape is \(90, 2\)"),
        (lambda c, y: (c, None), r"one value a patient, but its shape is \(\)"),
        (lambda c, y: (c, "yes"), r"one value a patient, but its shape is \(\)"),
        (lambda c, y: (c, {"a": 1}), r"one value a patient, but its shape is \(\)"),
        (lambda c, y: (c.only([]), y), "has no modality to learn from"),
    ],
)
def test_wrong_data_are_refused_in_one_sentence(method, change, sentence):
    cohort, y = change(*gappy_cohort("binary"))
    with pytest.raises(InputError, match=sentence) as caught:
        instance(method, LogisticRegression()).fit(cohort, y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("learner", "sentence"),
    [
        (None, "scikit-learn estimator, not None"),
        ("logistic", "scikit-learn estimator, not 'logistic'"),
        (LogisticRegression, r"class LogisticRegression; give an instance: LogisticRegression\(\)"),
        (CoxPHSurvivalAnalysis(), "neither a classifier nor a regressor"),
        (StandardScaler(), "neither a classifier nor a regressor"),
    ],
)
def test_wrong_learners_are_refused(method, learner, sentence):
    cohort, y = gappy_cohort("binary")
    model = instance(method, learner)
    with pytest.raises(InputError, match=sentence):
        model.fit(cohort, y)
    assert "learner=" in repr(model)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (EarlyFusion(Ridge(), modalities=["alfa"]), "no modality 'alfa'.*Did you mean 'alpha'"),
        (EarlyFusion(Ridge(), modalities="alpha"), r"as a list: \['alpha'\]"),
        (EarlyFusion(Ridge(), modalities=[]), "no modality to learn from"),
        (EarlyFusion(Ridge(), modalities=["beta", "beta"]), "names one twice"),
        (SingleModality(Ridge(), modality="gama"), "'gama'.*Did you mean 'gamma'"),
        (EarlyFusion(Ridge(), encoders={"alfa": PCA()}), "'alfa'.*Did you mean 'alpha'"),
        (LateFusion(Ridge(), weights="foo"), "weights must be 'equal' or 'validated', not 'foo'"),
        (LateFusion(Ridge(), weights="valid"), "Did you mean 'validated'"),
        (LateFusion(Ridge(), weights="validated", folds=1), "folds .* at least 2, not 1"),
        (StackedFusion(Ridge(), folds=1), "folds .* at least 2, not 1"),
        (EarlyFusion(Ridge(), modalities=5), "modalities must be a list of words or None, not 5"),
        (
            EarlyFusion(Ridge(), encoders={"alpha": "scale"}),
            "encoder of 'alpha' must be",
        ),
        (StackedFusion(Ridge(), folds=None), "folds must be a whole number, not None"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_wrong_settings_are_refused(model, sentence):
    cohort, y = gappy_cohort("continuous")
    with pytest.raises(InputError, match=sentence):
        model.fit(cohort, y)


def test_more_folds_than_patients_leave_one_out():
    cohort, y = gappy_cohort("continuous", 12)
    model = StackedFusion(Ridge(), folds=1000, random_state=0).fit(cohort, y)
    assert np.isfinite(model.predict(cohort)).all()


def test_scoring_with_a_wrong_outcome_is_refused():
    cohort, y = gappy_cohort("binary")
    model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    with pytest.raises(InputError, match="y has 1 entries for 90 patients"):
        model.score(cohort, y[:1])
    with pytest.raises(InputError, match="X must be a Cohort"):
        model.predict(np.zeros((3, 2)))


def test_another_kind_of_modality_at_predict_is_refused():
    cohort, y = gappy_cohort("binary")
    model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    bag = bag_of({patient: np.zeros((2, 4)) for patient in cohort.index})
    with pytest.raises(
        InputError, match="'beta' was a Table when the model was fitted, and is a Bag"
    ):
        model.predict(cohort.with_modality("beta", bag))


def test_a_table_of_text_where_numbers_were_is_refused_by_name():
    cohort, y = gappy_cohort("binary")
    model = LateFusion(LogisticRegression()).fit(cohort, y)
    frame = cohort.modalities["beta"].frame.assign(beta1="high")
    with pytest.raises(InputError, match="modality 'beta': feature 'beta1' held numbers"):
        model.predict(cohort.with_modality("beta", Table(frame)))


class Fragile(ClassifierMixin, BaseEstimator):
    """Refuses to learn, or says what is no number."""

    def __init__(self, learns=False):
        self.learns = learns

    def fit(self, X, y):
        if not self.learns:
            raise FloatingPointError("the matrix is singular")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.where(X[:, [0]] > 1, np.nan, 0.5) * np.ones((1, 2))


@pytest.mark.parametrize("method", METHODS)
def test_a_learner_that_fails_says_so_itself(method):
    cohort, y = gappy_cohort("binary")
    with pytest.raises(FloatingPointError, match="the matrix is singular") as caught:
        instance(method, Fragile()).fit(cohort, y)
    assert "while Fragile learned from 'alpha'" in caught.value.__notes__[0]


def test_a_learner_that_gives_no_number_is_told_on():
    cohort, y = gappy_cohort("binary")
    model = EarlyFusion(Fragile(learns=True)).fit(cohort, y)
    with pytest.raises(InputError, match=r"Fragile gave no number for \d+ patients, 'p0"):
        model.predict_proba(cohort)


# --- forms of y ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_form_of_the_classes_changes_nothing_but_their_names(method):
    cohort, y = gappy_cohort("binary")
    reference = instance(method, LogisticRegression()).fit(cohort, y).predict_proba(cohort)
    forms = {
        "list": y.tolist(),
        "bool": y == 1,
        "text": np.where(y == 1, "yes", "no"),
        "series": pd.Series(y, index=cohort.index[::-1]),
        "category": pd.Categorical(np.where(y == 1, "b", "a")),
        "object": (y == 1).astype(object),
    }
    for name, form in forms.items():
        model = instance(method, LogisticRegression()).fit(cohort, form)
        np.testing.assert_allclose(model.predict_proba(cohort), reference, atol=1e-12, err_msg=name)
        assert set(model.predict(cohort).tolist()) <= set(np.asarray(form).tolist())


# --- extremes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3, 4, 6])
def test_a_handful_of_patients(method, kind, n):
    cohort, _, _ = complete_cohort(kind, n)
    y = {
        "binary": np.arange(n) % 2,
        "multiclass": np.array(["a", "b", "c"])[np.arange(n) % 3],
        "continuous": np.arange(n, dtype=float),
        "survival": np.array(
            [(i % 3 < 2, i + 1.0) for i in range(n)], dtype=[("event", bool), ("time", float)]
        ),
    }[kind]
    assert np.isfinite(build(method, kind, {}).fit(cohort, y).values(cohort)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_feature(method, kind):
    cohort, y, _ = complete_cohort(kind, 40, widths=(1, 1, 1))
    assert np.isfinite(build(method, kind, {}).fit(cohort, y).values(cohort)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_many_more_features_than_patients(method, kind):
    cohort, y, _ = complete_cohort(kind, 30, widths=(60, 90, 50))
    assert np.isfinite(build(method, kind, {}).fit(cohort, y).values(cohort)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_patients_may_repeat_as_in_a_bootstrap(method, kind):
    cohort, y = gappy_cohort(kind)
    rows = np.random.default_rng(0).integers(0, len(y), len(y))
    model = build(method, kind, {}).fit(cohort[rows], y[rows])
    values = model.values(cohort[[0, 0, 1]])
    np.testing.assert_array_equal(values[0], values[1])
    assert np.isfinite(values).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_far_outside_the_training_range(method, kind):
    cohort, y = gappy_cohort(kind)
    model = build(method, kind, {}).fit(cohort, y)
    far = cohort
    for name in NAMES:
        frame = cohort.modalities[name].frame
        numbers = frame.select_dtypes("number").columns
        far = far.with_modality(name, Table(frame.assign(**{c: frame[c] * 1e6 for c in numbers})))
    with np.errstate(over="ignore"):
        values = model.values(far)
    assert np.isfinite(values).all()
    if kind != "continuous":
        assert values.min() >= 0
        assert values.max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_columns_without_information(method):
    cohort, y = gappy_cohort("binary")
    frame = cohort.modalities["alpha"].frame
    padded = frame.assign(empty=np.nan, constant=7.0, same="x")
    model = instance(method, LogisticRegression())
    plain = model.fit(cohort, y).predict_proba(cohort)
    wider = cohort.with_modality("alpha", Table(padded))
    found = model.fit(wider, y).predict_proba(wider)
    assert np.abs(found - plain).max() < 0.05  # a constant column shares the intercept's work


@pytest.mark.parametrize(
    "learner",
    [
        make_pipeline(PCA(svd_solver="full"), CoxPHSurvivalAnalysis(alpha=10.0)),
        make_pipeline(StandardScaler(), FastSurvivalSVM(random_state=0)),
        RandomSurvivalForest(10, random_state=0),
        FastSurvivalSVM(random_state=0),
    ],
    ids=lambda learner: type(learner).__name__,
)
@pytest.mark.parametrize("method", METHODS)
def test_survival_learners_of_every_make(method, learner):
    cohort, y = gappy_cohort("survival")
    values = instance(method, learner).fit(cohort, y).values(cohort)
    assert (np.diff(values, axis=1) <= 0).all()


@pytest.mark.parametrize(
    "learner",
    [
        LinearSVC(),
        make_pipeline(StandardScaler(), LinearSVC()),
        DecisionTreeClassifier(random_state=0),
        DummyClassifier(),
    ],
    ids=lambda learner: type(learner).__name__,
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classifiers_of_every_make(method, learner, kind):
    cohort, y = gappy_cohort(kind)
    values = build(method, kind, {}).set_params(learner=learner).fit(cohort, y).values(cohort)
    np.testing.assert_allclose(values.sum(axis=1), 1.0)


def test_the_prior_and_the_classes_are_of_all_patients_not_of_the_measured():
    cohort, y = gappy_cohort("multiclass", nobody=0, missing=0)
    tables = {n: Table(t.frame[y != "mid"]) for n, t in cohort.modalities.items()}
    model = EarlyFusion(LEARNERS["multiclass"]).fit(Cohort(cohort.patients, tables), y)
    assert model.classes_.tolist() == ["high", "low", "mid"]
    assert model.task_.prior[2] == np.mean(y == "mid")
    assert (model.predict_proba(cohort)[:, 2] == 0).all()
