"""What every fusion method must hold, found by its export alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.utils import get_tags
from sksurv.metrics import concordance_index_censored
from tests.laws.cohorts import NAMES, gappy_cohort
from tests.laws.methods import CHOSEN, KINDS, Case, cases, data, fitted, methods, tolerance

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.metrics.scores import Probabilities, SurvivalCurves

CASES = cases()
LEARNED = sorted({case.kind for case in CASES})
every_case = pytest.mark.parametrize("case", CASES, ids=str)


def folds_of(kind: str, y: np.ndarray, n: int = 3) -> list[Any]:
    strata = {"survival": lambda: y["event"], "continuous": lambda: np.zeros(len(y))}
    labels = strata.get(kind, lambda: y)()
    return list(StratifiedKFold(n, shuffle=True, random_state=0).split(labels, labels))


def _nested(model: Any) -> list[str]:
    return [name for name in model.get_params() if name in ("learner__C", "learner__alpha")]


def same(one: Any, other: Any, most: float = 1e-10) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=most)


def alike(case: Case, one: Any, other: Any, exact: float = 1e-12) -> None:
    same(one, other, tolerance(case, exact))


# --- discovery ------------------------------------------------------------------------------


@pytest.mark.skipif(CHOSEN, reason="CONSILIENCE_LAWS names the methods")
def test_methods_are_discovered():
    assert {"SingleModality", "EarlyFusion", "CooperativeLearning", "MOFA"} <= set(methods())
    assert len(methods()) >= 15


@pytest.mark.parametrize("name", methods())
def test_a_method_learns_at_least_one_kind_of_outcome(name):
    assert {case.kind for case in CASES if case.method == name}


@pytest.mark.skipif(CHOSEN, reason="CONSILIENCE_LAWS names the methods")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_outcome_is_learned(kind):
    assert kind in LEARNED


# --- scikit-learn's contract ------------------------------------------------------------------


@every_case
def test_refit_gives_the_same_numbers(case):
    cohort, y = data(case.kind)
    model = case.model()
    first = model.fit(cohort, y).values(cohort)
    # Fitting on something else in between leaves no trace.
    half = np.arange(0, len(y), 2)
    model.fit(cohort[half], y[half])
    alike(case, model.fit(cohort, y).values(cohort), first, 0.0)
    alike(case, clone(model).fit(cohort, y).values(cohort), first, 0.0)


@every_case
def test_fit_changes_no_parameter(case):
    before = {name: repr(value) for name, value in case.model().get_params().items()}
    after = {name: repr(value) for name, value in fitted(case).get_params().items()}
    assert before == after


@every_case
def test_parameters_go_round(case):
    model = case.model()
    copy = clone(model).set_params(**model.get_params(deep=False))
    assert {n: repr(v) for n, v in copy.get_params().items()} == {
        n: repr(v) for n, v in model.get_params().items()
    }
    assert not [name for name in vars(clone(fitted(case))) if name.endswith("_")]


@every_case
def test_nested_parameters_reach_the_learner(case):
    model = case.model()
    nested = _nested(model)
    if "learner" in model.get_params(deep=False):
        assert len(nested) == 1
    cohort, y = data(case.kind)
    for name in nested:
        strict = clone(model).set_params(**{name: 1e-3 if name.endswith("C") else 1e5})
        assert getattr(strict.learner, name.removeprefix("learner__")) != getattr(
            model.learner, name.removeprefix("learner__")
        )
        spread = strict.fit(cohort, y).values(cohort).std(axis=0).max()
        assert spread < fitted(case).values(cohort).std(axis=0).max()


@every_case
def test_attributes_say_what_was_learned(case):
    cohort, y = data(case.kind)
    model = fitted(case)
    assert model.n_features_in_ == cohort.only(model.modalities_).shape[1]
    assert set(model.modalities_) <= set(cohort.modalities)
    if case.kind in ("binary", "multiclass"):
        np.testing.assert_array_equal(model.classes_, np.unique(y))
    if case.kind == "survival":
        assert (np.diff(model.unique_times_) > 0).all()
        assert np.isin(model.unique_times_, y["time"][y["event"]]).all()


@every_case
def test_only_the_ways_of_predicting_that_the_outcome_has_are_there(case):
    for model in (case.model(), fitted(case)):
        classifies = case.kind in ("binary", "multiclass")
        assert hasattr(model, "predict_proba") == classifies
        assert hasattr(model, "predict_survival_function") == (case.kind == "survival")
        assert hasattr(model, "classes_") == (classifies and model is fitted(case))


@every_case
def test_predicting_before_fitting_is_refused(case):
    cohort, _ = data(case.kind)
    with pytest.raises(Exception, match="not fitted") as caught:
        case.model().predict(cohort)
    assert type(caught.value).__name__ == "NotFittedError"


# --- order ------------------------------------------------------------------------------------


@every_case
def test_the_order_of_patients_changes_nothing(case):
    cohort, y = data(case.kind)
    order = np.random.default_rng(7).permutation(len(y))
    shuffled = case.model().fit(cohort[order], y[order])
    alike(case, shuffled.values(cohort), fitted(case).values(cohort), 1e-10)


@every_case
def test_rows_are_predicted_one_by_one(case):
    cohort, _ = data(case.kind)
    order = np.random.default_rng(8).permutation(len(cohort))
    whole = fitted(case).values(cohort)
    alike(case, fitted(case).values(cohort[order]), whole[order])
    alone = np.vstack([fitted(case).values(cohort[[i]]) for i in range(20)])
    alike(case, alone, whole[:20])
    alike(case, fitted(case).values(cohort[[3, 3, 5]]), whole[[3, 3, 5]])


@every_case
def test_no_patients_have_no_predictions(case):
    cohort, _ = data(case.kind)
    model = fitted(case)
    assert model.values(cohort[[]]).shape == (0, len(model.task_.prior))
    assert model.predict(cohort[[]]).shape == (0,)


@every_case
def test_the_order_of_features_and_of_modalities_at_predict_changes_nothing(case):
    cohort, _ = data(case.kind)
    turned = {
        name: Table(table.frame.iloc[:, ::-1])
        for name, table in reversed(cohort.modalities.items())
    }
    alike(case, fitted(case).values(Cohort(cohort.patients, turned)), fitted(case).values(cohort))


@every_case
def test_what_the_model_does_not_know_is_ignored(case):
    cohort, _ = data(case.kind)
    wider = {
        name: Table(table.frame.assign(novel=1.0, note="text"))
        for name, table in cohort.modalities.items()
    }
    wider["novel"] = Table(pd.DataFrame({"x": 1.0}, index=cohort.index))
    alike(case, fitted(case).values(Cohort(cohort.patients, wider)), fitted(case).values(cohort))


# --- missing ----------------------------------------------------------------------------------


@every_case
def test_patients_with_nothing_measured_get_the_prior_and_are_marked(case):
    cohort, y = data(case.kind)
    model = fitted(case)
    informed, values = model.informed(cohort), model.values(cohort)
    nothing = ~cohort.only(model.modalities_).measured.to_numpy().any(axis=1)
    assert nothing.any()
    assert not informed[nothing].any()
    assert informed.any()
    np.testing.assert_array_equal(
        values[~informed], np.tile(model.task_.prior, ((~informed).sum(), 1))
    )
    if case.kind in ("binary", "multiclass"):
        same(model.task_.prior, np.unique(y, return_counts=True)[1] / len(y))
    if case.kind == "continuous":
        same(model.task_.prior, y.mean())


@every_case
def test_any_pattern_of_missing_modalities_is_predicted(case):
    cohort, _ = data(case.kind)
    model = fitted(case)
    whole = cohort.complete()
    for bits in range(2 ** len(NAMES)):
        kept = [name for place, name in enumerate(NAMES) if bits >> place & 1]
        tables = {name: whole.modalities[name] for name in kept}
        part = Cohort(whole.patients, tables)  # the others are not there at all
        values = model.values(part)
        assert np.isfinite(values).all()
        if not set(kept) & set(model.modalities_):
            assert not model.informed(part).any()
            np.testing.assert_array_equal(values, np.tile(model.task_.prior, (len(part), 1)))


@every_case
def test_a_modality_nobody_has_is_like_one_that_is_not_there(case):
    cohort, _ = data(case.kind)
    for name in NAMES:
        lacking = cohort[~cohort.has(name)]
        assert not lacking.has(name).any()
        others = lacking.only([other for other in NAMES if other != name])
        alike(case, fitted(case).values(lacking), fitted(case).values(others))


@every_case
def test_a_training_cohort_may_lack_a_modality(case):
    cohort, y = data(case.kind)
    for name in NAMES[1:]:
        rows = np.flatnonzero(~cohort.has(name))
        model = case.model().fit(cohort[rows], y[rows])
        assert name not in model.modalities_
        assert np.isfinite(model.values(cohort)).all()


@every_case
def test_no_complete_patient_is_needed(case):
    cohort, y = data(case.kind)
    tables = {
        name: Table(frame[[int(patient[1:]) % 3 == place for patient in frame.index]])
        for place, (name, frame) in enumerate(
            (name, cohort.modalities[name].frame) for name in NAMES
        )
    }
    apart = Cohort(cohort.patients, tables)
    assert not len(apart.complete())
    assert np.isfinite(case.model().fit(apart, y).values(cohort)).all()


@every_case
def test_missing_values_in_every_feature_of_a_patient(case):
    cohort, _ = data(case.kind)
    frame = cohort.modalities["alpha"].frame
    frame.iloc[:5, :] = None
    holes = cohort.with_modality("alpha", Table(frame))
    assert np.isfinite(fitted(case).values(holes)).all()


@every_case
def test_a_missing_feature_is_refused_by_name(case):
    cohort, _ = data(case.kind)
    frame = cohort.modalities["alpha"].frame.drop(columns="alpha2")
    with pytest.raises(InputError, match=r"'alpha'.*'alpha2'"):
        fitted(case).predict(cohort.with_modality("alpha", Table(frame)))


# --- legal predictions ------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in CASES if c.kind in ("binary", "multiclass")], ids=str)
def test_probabilities_are_legal(case):
    cohort, _ = data(case.kind)
    model = fitted(case)
    probabilities = model.predict_proba(cohort)
    assert probabilities.shape == (len(cohort), len(model.classes_))
    assert (probabilities >= 0).all()
    assert (probabilities <= 1).all()
    same(probabilities.sum(axis=1), 1.0, 1e-12)
    np.testing.assert_array_equal(
        model.predict(cohort), model.classes_[probabilities.argmax(axis=1)]
    )
    scores = model.scores(cohort)
    assert isinstance(scores, Probabilities)
    np.testing.assert_array_equal(scores.values, probabilities)


@pytest.mark.parametrize("case", [c for c in CASES if c.kind == "survival"], ids=str)
def test_survival_curves_are_legal_and_the_risk_agrees(case):
    cohort, y = data(case.kind)
    model = fitted(case)
    curves = model.predict_survival_function(cohort, return_array=True)
    assert curves.shape == (len(cohort), len(model.unique_times_))
    assert (curves >= 0).all()
    assert (curves <= 1).all()
    assert (np.diff(curves, axis=1) <= 0).all()
    steps = model.predict_survival_function(cohort[:4])
    for row, step in zip(curves, steps, strict=False):
        alike(case, step(model.unique_times_), row, 0.0)
        assert step(0.0) == 1.0
    risk = model.predict(cohort)
    np.testing.assert_array_equal(risk, model.scores(cohort).risk)
    assert isinstance(model.scores(cohort), SurvivalCurves)
    # Of every patient the risk is the area above his curve, up to the last time. Hence where
    # one curve lies nowhere above another, its patient is at higher risk.
    starts = np.concatenate([[0.0], model.unique_times_])
    heights = np.concatenate([np.ones((len(curves), 1)), curves], axis=1)
    lost = [
        sum(
            (end - start) * (1.0 - height)
            for start, end, height in zip(starts, starts[1:], row, strict=False)
        )
        for row in heights
    ]
    np.testing.assert_allclose(risk, lost, rtol=0, atol=1e-9 * starts[-1])
    below = (curves[:, None, :] <= curves[None, :, :]).all(axis=2)
    assert (risk[:, None] - risk[None, :])[below].min() >= -1e-9
    assert np.ptp(risk) > 0
    assert model.score(cohort, y) == concordance_index_censored(y["event"], y["time"], risk)[0]


@every_case
def test_signal_is_found(case):
    train, y = gappy_cohort(case.kind, 240, seed=3)
    cohort, truth = gappy_cohort(case.kind, 240, seed=4)
    known = cohort.has("alpha")
    model = case.model().fit(train, y)
    score = model.score(cohort[known], truth[known])
    least = {"binary": 0.6, "multiclass": 0.45, "continuous": 0.2, "survival": 0.6}[case.kind]
    assert score > least


@every_case
def test_a_null_outcome_scores_as_chance(case):
    """Over 8 cohorts of 120 unseen patients, within 3.5 standard errors of chance.

    The standard error of a mean of 8 independent scores comes from the scores
    themselves, with a floor of 0.01, and chance is 1/2 for AUROC (one class against the
    others) and concordance, and 0 for the correlation.
    """
    scores = []
    for seed in range(8):
        cohort, y = gappy_cohort(case.kind, 200, seed=100 + seed, null=True)
        model = case.model().fit(cohort[:80], y[:80])
        scores.append(_discrimination(case.kind, model, cohort[80:], y[80:]))
    error = max(0.01, np.std(scores, ddof=1) / np.sqrt(len(scores)))
    assert abs(np.mean(scores)) < 3.5 * error


def _discrimination(kind: str, model: Any, cohort: Cohort, y: np.ndarray) -> float:
    if kind == "survival":
        return concordance_index_censored(y["event"], y["time"], model.predict(cohort))[0] - 0.5
    if kind == "continuous":
        predicted = model.predict(cohort)
        return float(np.corrcoef(predicted, y)[0, 1]) if predicted.std() > 0 else 0.0
    event = y == model.classes_[-1]
    risk = model.predict_proba(cohort)[:, -1]
    yes, no = risk[event], risk[~event]
    return float(((yes[:, None] > no) + 0.5 * (yes[:, None] == no)).mean() - 0.5)


# --- scikit-learn's tools ---------------------------------------------------------------------


@every_case
def test_cross_validate(case):
    cohort, y = data(case.kind)
    folds = folds_of(case.kind, y)
    found = cross_validate(case.model(), cohort, y, cv=folds, return_train_score=True)
    by_hand = [case.model().fit(cohort[a], y[a]).score(cohort[b], y[b]) for a, b in folds]
    np.testing.assert_array_equal(found["test_score"], by_hand)


@every_case
def test_cross_val_predict(case):
    cohort, y = data(case.kind)
    folds = folds_of(case.kind, y)
    way = "predict_proba" if case.kind in ("binary", "multiclass") else "predict"
    found = cross_val_predict(case.model(), cohort, y, cv=folds, method=way)
    for train, test in folds:
        model = case.model().fit(cohort[train], y[train])
        np.testing.assert_array_equal(found[test], getattr(model, way)(cohort[test]))


@pytest.mark.parametrize("case", [c for c in CASES if _nested(c.model())], ids=str)
def test_grid_search_over_a_nested_parameter(case):
    cohort, y = data(case.kind)
    model = case.model()
    nested = _nested(model)
    grid = {nested[0]: [1e-6, 1.0] if nested[0].endswith("C") else [1.0, 1e8]}
    search = GridSearchCV(model, grid, cv=folds_of(case.kind, y, 2), error_score="raise")
    search.fit(cohort, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    fresh = clone(model).set_params(**search.best_params_).fit(cohort, y)
    np.testing.assert_array_equal(search.predict(cohort), fresh.predict(cohort))


@pytest.mark.parametrize("case", [c for c in CASES if c.kind in ("binary", "multiclass")], ids=str)
@pytest.mark.parametrize("ensemble", [True, False])
def test_calibrated_classifier(case, ensemble):
    cohort, y = data(case.kind)
    calibrated = CalibratedClassifierCV(case.model(), cv=3, ensemble=ensemble).fit(cohort, y)
    probabilities = calibrated.predict_proba(cohort)
    same(probabilities.sum(axis=1), 1.0, 1e-9)
    np.testing.assert_array_equal(
        calibrated.predict(cohort), calibrated.classes_[probabilities.argmax(axis=1)]
    )
    shares = np.unique(y, return_counts=True)[1] / len(y)
    assert log_loss(y, probabilities) < -(shares * np.log(shares)).sum()


@every_case
def test_tags_speak_for_the_method(case):
    tags = get_tags(case.model())
    kind = {"binary": "classifier", "multiclass": "classifier", "continuous": "regressor"}
    assert tags.estimator_type == kind.get(case.kind)
    assert tags.target_tags.required
    assert tags.input_tags.allow_nan
