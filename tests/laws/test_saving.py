"""Save and load changes nothing: every exported method, every kind of outcome, many learners."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sksurv.ensemble import (
    ComponentwiseGradientBoostingSurvivalAnalysis,
    GradientBoostingSurvivalAnalysis,
    RandomSurvivalForest,
)
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.svm import FastSurvivalSVM
from tests.laws.methods import Case, cases, data, fitted, methods

import consilience.fusion
from consilience.cohort import Cohort
from consilience.fusion.tuned import Tuned
from consilience.fusion.with_learner import LearnerFusion
from consilience.study.bundle.safe_model import dump_model, load_model

CLASSIFIERS = {
    "forest": RandomForestClassifier(5, random_state=0),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=4, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=4, random_state=0),
    "support vectors, calibrated": SVC(),
    "linear support vectors, isotonic": CalibratedClassifierCV(
        LinearSVC(random_state=0), method="isotonic", cv=2
    ),
    "network": MLPClassifier((4,), max_iter=5, random_state=0),
    "axes": make_pipeline(PCA(2, random_state=0), LogisticRegression()),
    "selection": make_pipeline(SelectKBest(f_classif, k=2), StandardScaler(), LogisticRegression()),
    "tuned": Tuned(LogisticRegression(), {"C": [0.1, 1.0]}, random_state=0),
}
LEARNERS: dict[str, dict[str, Any]] = {
    "binary": CLASSIFIERS,
    "multiclass": {
        name: CLASSIFIERS[name] for name in ("forest", "histogram boosting", "boosting", "tuned")
    },
    "continuous": {
        "forest": RandomForestRegressor(5, random_state=0),
        "histogram boosting": HistGradientBoostingRegressor(max_iter=4, random_state=0),
        "boosting": GradientBoostingRegressor(n_estimators=4, random_state=0),
        "support vectors": SVR(),
        "net": ElasticNet(alpha=0.1),
        "selection": make_pipeline(SelectKBest(f_regression, k=2), Ridge()),
        "tuned": Tuned(Ridge(), {"alpha": [0.1, 1.0]}, random_state=0),
    },
    "survival": {
        "net": CoxnetSurvivalAnalysis(alphas=[0.05], fit_baseline_model=True),
        "forest": RandomSurvivalForest(5, random_state=0),
        "boosting": GradientBoostingSurvivalAnalysis(n_estimators=4, random_state=0),
        "components": ComponentwiseGradientBoostingSurvivalAnalysis(n_estimators=4, random_state=0),
        "support vectors": FastSurvivalSVM(random_state=0, max_iter=10),
        "axes": make_pipeline(PCA(2, random_state=0), CoxPHSurvivalAnalysis(alpha=1.0)),
        "tuned": Tuned(CoxPHSurvivalAnalysis(), {"alpha": [0.1, 1.0]}, random_state=0),
    },
}
LEARNED = [
    (case, name)
    for case in cases()
    if not case.options and issubclass(methods()[case.method], LearnerFusion)
    for name in LEARNERS[case.kind]
]


def with_learner(case: Case, name: str) -> Any:
    return case.model().set_params(learner=LEARNERS[case.kind][name])


def assert_unchanged(model: Any, cohort: Cohort) -> bytes:
    data = dump_model(model)
    back = load_model(data, "model.skops")
    assert type(back) is type(model)
    np.testing.assert_array_equal(back.values(cohort), model.values(cohort))
    np.testing.assert_array_equal(back.predict(cohort), model.predict(cohort))
    np.testing.assert_array_equal(back.informed(cohort), model.informed(cohort))
    assert back.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    return data


def test_there_is_something_to_save():
    assert {case.method for case, _ in LEARNED} >= {"EarlyFusion", "LateFusion", "StackedFusion"}
    assert {case.method for case in cases()} == {
        name
        for name in consilience.fusion.__all__
        if hasattr(getattr(consilience.fusion, name), "fit")
    }


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_method_is_the_same_after_loading(case):
    cohort, _ = data(case.kind)
    saved = assert_unchanged(fitted(case), cohort)
    assert_no_patient_is_in(saved, cohort)


@pytest.mark.parametrize(("case", "learner"), LEARNED, ids=str)
def test_a_learner_is_the_same_after_loading(case, learner):
    cohort, y = data(case.kind)
    saved = assert_unchanged(with_learner(case, learner).fit(cohort, y), cohort)
    assert_no_patient_is_in(saved, cohort)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_loaded_model_can_be_saved_and_fitted_again(kind):
    cohort, y = data(kind)
    model = fitted(Case("EarlyFusion", kind))
    back = load_model(dump_model(load_model(dump_model(model), "model.skops")), "model.skops")
    np.testing.assert_array_equal(back.values(cohort), model.values(cohort))
    np.testing.assert_array_equal(back.fit(cohort, y).values(cohort), model.values(cohort))


@pytest.mark.parametrize("name", ["forest", "tuned", "boosting"])
def test_the_same_model_has_the_same_fingerprint(name):
    """Fitted twice, in whatever memory: the files are equal byte for byte."""
    case = Case("StackedFusion", "binary")
    cohort, y = data("binary")
    files = {dump_model(with_learner(case, name).fit(cohort, y)) for _ in range(2)}
    assert len(files) == 1


def assert_no_patient_is_in(saved: bytes, cohort: Cohort) -> None:
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        content = [archive.read(name) for name in archive.namelist()]
    texts = [patient.encode(code) for patient in cohort.index for code in ("utf-8", "utf-32-le")]
    assert not [text for text in texts if any(text in part for part in content)]
