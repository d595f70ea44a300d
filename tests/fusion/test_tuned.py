"""Tuned finds what a grid search by hand finds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sksurv.functions import StepFunction
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.svm import FastSurvivalSVM
from tests.laws.cohorts import complete_cohort, gappy_cohort, outcome_of

from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion
from consilience.fusion.task import task_of
from consilience.fusion.tuned import Tuned


def problem(kind: str, n: int = 90, p: int = 30):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, p))
    return X, outcome_of(kind, X[:, 0], rng)


@pytest.mark.parametrize(
    ("kind", "learner", "grid", "scoring"),
    [
        ("binary", LogisticRegression(), {"C": [1e-3, 1e-2, 0.1, 1]}, "neg_log_loss"),
        ("multiclass", LogisticRegression(), {"C": [1e-3, 1e-2, 0.1, 1]}, "neg_log_loss"),
        ("continuous", Ridge(), {"alpha": [0.1, 10, 1000]}, "neg_mean_squared_error"),
    ],
)
def test_it_picks_what_a_grid_search_picks(kind, learner, grid, scoring):
    X, y = problem(kind)
    strata = np.zeros(len(y)) if kind == "continuous" else y
    folds = list(StratifiedKFold(3, shuffle=True, random_state=5).split(X, strata))
    search = GridSearchCV(learner, grid, scoring=scoring, cv=folds).fit(X, y)
    tuned = Tuned(learner, grid, folds=3, random_state=5).fit(X, y)
    assert tuned.best_params_ == search.best_params_
    np.testing.assert_allclose(
        [loss for _, loss in tuned.losses_], -search.cv_results_["mean_test_score"], rtol=1e-9
    )
    np.testing.assert_array_equal(tuned.predict(X), search.predict(X))


def test_survival_by_hand():
    X, y = problem("survival")
    grid = [1.0, 10.0, 100.0, 1e4]
    tuned = Tuned(CoxPHSurvivalAnalysis(), {"alpha": grid}, random_state=5).fit(X, y)
    task, y = task_of(y, CoxPHSurvivalAnalysis())
    losses = []
    for alpha in grid:
        part = []
        for train, test in StratifiedKFold(3, shuffle=True, random_state=5).split(X, y["event"]):
            cox = CoxPHSurvivalAnalysis(alpha=alpha).fit(X[train], y[train])
            steps = cox.predict_survival_function(X[test])
            values = np.array([at(step, task.times) for step in steps])
            part.append(task.loss(y[test], values).mean())
        losses.append(np.mean(part))
    np.testing.assert_allclose([loss for _, loss in tuned.losses_], losses, rtol=1e-9)
    assert tuned.best_params_ == {"alpha": grid[int(np.argmin(losses))]}
    assert 0 < int(np.argmin(losses)) < 3  # a choice inside the grid


def at(step, times):
    """Return a step function anywhere: 1 before its first time, its last value after."""
    whole = StepFunction(step.x, step.y, domain=(0, None))
    return np.where(times < step.x[0], 1.0, whole(np.maximum(times, step.x[0])))


@pytest.mark.parametrize(
    ("kind", "learner", "grid"),
    [
        ("binary", LinearSVC(), {"C": [1e-3, 1.0]}),
        ("survival", FastSurvivalSVM(random_state=0), {"alpha": [1e-3, 1.0]}),
        ("survival", make_pipeline(PCA(3), FastSurvivalSVM()), {"pca__n_components": [1, 3]}),
        ("survival", CoxnetSurvivalAnalysis(), {"alphas": [[0.1], [0.3]]}),
        ("survival", make_pipeline(PCA(5), CoxPHSurvivalAnalysis()), {"pca__n_components": [1, 5]}),
    ],
)
def test_learners_that_need_a_wrapper_are_tuned_by_their_own_names(kind, learner, grid):
    X, y = problem(kind)
    tuned = Tuned(learner, grid, random_state=0)
    assert hasattr(tuned, "predict_proba") == (kind == "binary")
    assert hasattr(tuned, "predict_survival_function") == (kind == "survival")
    tuned.fit(X, y)
    assert set(tuned.best_params_) == set(grid)
    assert [set(params) for params, _ in tuned.losses_] == [set(grid)] * 2
    assert np.isfinite([loss for _, loss in tuned.losses_]).all()


@pytest.mark.parametrize("kind", ["binary", "continuous", "survival"])
def test_it_is_a_learner_of_a_fusion(kind):
    cohort, y = gappy_cohort(kind)
    learner, grid = {
        "binary": (LogisticRegression(), {"C": [0.01, 1.0]}),
        "continuous": (Ridge(), {"alpha": [1.0, 100.0]}),
        "survival": (CoxPHSurvivalAnalysis(), {"alpha": [1.0, 100.0]}),
    }[kind]
    model = LateFusion(Tuned(learner, grid, random_state=0)).fit(cohort, y)
    for name, expert in model.experts_.items():
        known = cohort.has(name)
        assert expert.learner_.best_params_[next(iter(grid))] in next(iter(grid.values()))
        assert known.any()
    again = clone(model).fit(cohort, y)
    np.testing.assert_array_equal(again.values(cohort), model.values(cohort))


def test_it_tunes_a_whole_fusion():
    cohort, y, _ = complete_cohort("survival")
    fusion = EarlyFusion(CoxPHSurvivalAnalysis())
    tuned = Tuned(fusion, {"learner__alpha": [1.0, 100.0, 1e6]}, random_state=0).fit(cohort, y)
    task, checked = task_of(y, fusion)
    losses = []
    for alpha in (1.0, 100.0, 1e6):
        model = clone(fusion).set_params(learner__alpha=alpha)
        part = []
        for train, test in task.folds(checked, 3, 0):
            curves = model.fit(cohort[train], y[train]).scores(cohort[test])
            part.append(task.loss(checked[test], curves.at(task.times)).mean())
        losses.append(np.mean(part))
    np.testing.assert_allclose([loss for _, loss in tuned.losses_], losses, rtol=1e-9)
    assert tuned.best_params_ == {"learner__alpha": (1.0, 100.0, 1e6)[int(np.argmin(losses))]}
    np.testing.assert_array_equal(tuned.predict(cohort), tuned.best_.predict(cohort))


def test_a_setting_that_fails_is_told_and_never_chosen():
    X, y = problem("continuous")
    with pytest.warns(Warning, match="fit"):
        tuned = Tuned(Ridge(), {"alpha": [-1.0, 1.0]}, random_state=0).fit(X, y)
    assert tuned.best_params_ == {"alpha": 1.0}
    assert np.isnan(tuned.losses_[0][1])


def test_a_setting_that_is_none_is_refused():
    X, y = problem("continuous")
    with pytest.raises(InputError, match="Ridge has no setting 'alfa'.*Did you mean 'alpha'"):
        Tuned(Ridge(), {"alfa": [1.0]}).fit(X, y)


@pytest.mark.parametrize("folds", [1, "3"])
def test_too_few_folds_are_refused(folds):
    X, y = problem("continuous")
    with pytest.raises(InputError, match="folds must be a whole number of at least 2"):
        Tuned(Ridge(), {"alpha": [1.0]}, folds=folds).fit(X, y)
