"""StackedFusion believes an expert by what it says of patients it has not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tests.laws.cohorts import complete_cohort, gappy_cohort
from tests.laws.methods import LEARNERS

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion import SingleModality, StackedFusion


def with_noise(kind: str, n: int = 150, seed: int = 0) -> tuple[Cohort, np.ndarray]:
    cohort, y, _ = complete_cohort(kind, n, seed=seed)
    noise = np.random.default_rng(seed + 1).normal(size=(n, 5))
    return cohort.only("alpha").with_modality(
        "noise", Table(pd.DataFrame(noise, index=cohort.index))
    ), y


@pytest.mark.parametrize(
    "learner", [KNeighborsClassifier(1), DecisionTreeClassifier(random_state=0)]
)
def test_an_expert_that_remembers_noise_is_not_believed(learner):
    """On its own patients the noise expert is perfect; unseen, it is a coin."""
    own, other = [], []
    for seed in range(6):
        cohort, y = with_noise("binary", seed=seed)
        noise = SingleModality(learner, modality="noise").fit(cohort, y)
        assert noise.score(cohort, y) == 1.0
        model = StackedFusion(learner, random_state=0).fit(cohort, y)
        signal, rumour = model.combiner_[-1].coef_[0]
        own.append(signal)
        other.append(rumour)
    assert np.mean(own) > 5 * abs(np.mean(other))


def test_a_tree_on_noise_does_not_spoil_a_number():
    cohort, y = with_noise("continuous", 300)
    train, test = np.arange(200), np.arange(200, 300)
    model = StackedFusion(DecisionTreeRegressor(random_state=0), random_state=0)
    model.fit(cohort[train], y[train])
    coefficients = model.combiner_[-1].coef_
    assert abs(coefficients[1]) < 0.2 * abs(coefficients[0])
    assert model.score(cohort[test], y[test]) > 0.3


def test_it_is_stacking_written_by_hand():
    cohort, y, matrices = complete_cohort("continuous")
    model = StackedFusion(Ridge(alpha=3.0), combiner=LinearRegression(), random_state=0)
    model.fit(cohort, y)
    folds = model.task_.folds(y, 5, 0)
    columns, fresh = [], []
    for matrix in matrices:
        pipeline = make_pipeline(StandardScaler(), Ridge(alpha=3.0))
        columns.append(cross_val_predict(pipeline, matrix, y, cv=folds) - y.mean())
        fresh.append(clone(pipeline).fit(matrix, y).predict(matrix) - y.mean())
    combiner = LinearRegression().fit(np.column_stack(columns), y)
    np.testing.assert_allclose(
        model.predict(cohort), combiner.predict(np.column_stack(fresh)), rtol=0, atol=1e-8
    )


def test_cox_experts_enter_on_the_scale_of_their_linear_predictor():
    cohort, y, matrices = complete_cohort("survival")
    model = StackedFusion(LEARNERS["survival"], random_state=0).fit(cohort, y)
    values = model.experts_["alpha"].values(cohort, model.task_)
    X = StandardScaler().fit_transform(matrices[0])
    predictor = clone(LEARNERS["survival"]).fit(X, y).predict(X)
    column = model.task_.features(values)[:, 0]
    inside = np.abs(column) < 3  # beyond, the complementary log-log is cut off
    assert inside.sum() > 60
    np.testing.assert_allclose(
        np.diff(column[inside]), np.diff(predictor[inside]), rtol=0, atol=1e-6
    )


def test_a_missing_opinion_is_the_prior_with_an_indicator_beside():
    cohort, y = gappy_cohort("binary")
    model = StackedFusion(LogisticRegression(), random_state=0).fit(cohort, y)
    assert model.partial_ == ["alpha", "beta", "gamma"]
    assert model.combiner_[-1].coef_.shape == (1, 6)
    columns = model._columns(
        {
            name: (expert.values(cohort, model.task_), expert.informed(cohort))
            for name, expert in model.experts_.items()
        }
    )
    for place, name in enumerate(cohort.modalities):
        assert not columns[~cohort.has(name), place].any()
        np.testing.assert_array_equal(columns[:, 3 + place], cohort.has(name))


def test_the_unit_of_the_outcome_does_not_matter():
    """A penalty on the outcome's own scale would tell everybody the mean of a small unit."""
    cohort, y, _ = complete_cohort("continuous", 100, seed=0)
    whole = StackedFusion(Ridge(), random_state=0).fit(cohort, y).predict(cohort)
    small = StackedFusion(Ridge(), random_state=0).fit(cohort, y / 1e4).predict(cohort)
    np.testing.assert_allclose(1e4 * small, whole, rtol=1e-6, atol=1e-6)


def test_experts_of_few_words_are_heard():
    """A strong penalty brings each expert near the prior; the combiner turns them up again."""
    cohort, y, _ = complete_cohort("binary", 300, seed=0)
    train, test = np.arange(150), np.arange(150, 300)
    prior = log_loss(y[test], np.full(150, y[train].mean()))
    timid = StackedFusion(LogisticRegression(C=1e-3), random_state=0).fit(cohort[train], y[train])
    bold = StackedFusion(LogisticRegression(C=0.1), random_state=0).fit(cohort[train], y[train])
    said = log_loss(y[test], timid.predict_proba(cohort[test])[:, 1])
    possible = log_loss(y[test], bold.predict_proba(cohort[test])[:, 1])
    assert prior - said > 0.5 * (prior - possible) > 0.02


def test_a_combiner_of_ones_own():
    cohort, y = gappy_cohort("binary")
    model = StackedFusion(
        LogisticRegression(), combiner=DecisionTreeClassifier(max_depth=2), random_state=0
    ).fit(cohort, y)
    assert isinstance(model.combiner_, DecisionTreeClassifier)
    with pytest.raises(InputError, match="must be a scikit-learn estimator, not 'mean'"):
        StackedFusion(LogisticRegression(), combiner="mean").fit(cohort, y)
    with pytest.raises(InputError, match="combiner Ridge does not learn the same kind"):
        StackedFusion(LogisticRegression(), combiner=Ridge()).fit(cohort, y)


def test_where_all_measured_patients_are_alike_all_are_told_the_prior():
    cohort, y = gappy_cohort("binary", nobody=0, missing=0)
    tables = {n: Table(t.frame[y == 0]) for n, t in cohort.modalities.items()}
    alike = Cohort(cohort.patients, tables)
    model = StackedFusion(LogisticRegression()).fit(alike, y)
    assert not model.informed(cohort).any()
    np.testing.assert_array_equal(model.values(cohort), np.tile(model.task_.prior, (90, 1)))
