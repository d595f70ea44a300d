"""Learners a study names: each fits every kind of outcome and chooses its own settings.

The penalty of the linear ones is chosen on inner folds; a user's grid may replace it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis

from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.tuned import Tuned

__all__ = ["elastic_net", "gradient_boosting", "random_forest", "ridge"]

Grid = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Recipe:
    """An estimator, and the settings to choose from."""

    estimator: BaseEstimator
    grid: Grid

    def tuned(self, *, folds: int, seed: int, grid: Grid | None = None) -> BaseEstimator:
        """Return the estimator made to choose its settings, or itself if there are none."""
        settings = dict(self.grid if grid is None else grid)
        known = self.estimator.get_params()
        for key, values in settings.items():
            if key not in known:
                raise InputError(
                    f"tune: the learner has no setting {key!r}; it has "
                    f"{listing(known, most=40)}.{suggestion(key, known)}"
                )
            if not isinstance(values, list | tuple) or not values:
                raise InputError(f"tune: give {key!r} a list of values to try.")
        if not settings:
            return self.estimator
        return Tuned(self.estimator, settings, folds=folds, random_state=seed)


def ridge(kind: OutcomeKind) -> Recipe:
    """Ridge-penalised logistic, linear or Cox regression.

    The Cox model is fitted on the principal axes of the training patients, which is
    exact for a ridge penalty and makes its cost depend on patients, not features.
    """
    logistic = Recipe(LogisticRegression(max_iter=2000), {"C": [1e-4, 1e-3, 1e-2, 0.1, 1.0]})
    # All axes are kept; only those that no patient lies along are dropped.
    cox = Pipeline([("axes", PCA(svd_solver="full")), ("cox", CoxPHSurvivalAnalysis(alpha=10.0))])
    recipes: dict[OutcomeKind, Recipe] = {
        "binary": logistic,
        "multiclass": logistic,
        "continuous": Recipe(Ridge(), {"alpha": [1.0, 10.0, 100.0, 1e3, 1e4]}),
        "survival": Recipe(cox, {"cox__alpha": [1.0, 10.0, 100.0, 1e3, 1e4]}),
    }
    return recipes[kind]


def elastic_net(kind: OutcomeKind) -> Recipe:
    """Elastic net (half lasso): logistic, linear or Cox regression that selects features."""
    logistic = Recipe(
        LogisticRegression(l1_ratio=0.5, solver="saga", max_iter=2000),
        {"C": [0.01, 0.03, 0.1, 0.3, 1.0]},
    )
    cox = CoxnetSurvivalAnalysis(l1_ratio=0.5, fit_baseline_model=True)
    recipes: dict[OutcomeKind, Recipe] = {
        "binary": logistic,
        "multiclass": logistic,
        "continuous": Recipe(ElasticNet(max_iter=5000), {"alpha": [0.01, 0.03, 0.1, 0.3, 1.0]}),
        "survival": Recipe(cox, {"alphas": [[0.05], [0.1], [0.2], [0.4]]}),
    }
    return recipes[kind]


def random_forest(kind: OutcomeKind) -> Recipe:
    """Random forest of 300 trees."""
    forest = Recipe(RandomForestClassifier(300, min_samples_leaf=3), {})
    recipes: dict[OutcomeKind, Recipe] = {
        "binary": forest,
        "multiclass": forest,
        "continuous": Recipe(RandomForestRegressor(300, min_samples_leaf=3), {}),
        "survival": Recipe(RandomSurvivalForest(300, min_samples_leaf=5), {}),
    }
    return recipes[kind]


def gradient_boosting(kind: OutcomeKind) -> Recipe:
    """Gradient-boosted trees."""
    classifier = Recipe(HistGradientBoostingClassifier(), {"learning_rate": [0.03, 0.1]})
    recipes: dict[OutcomeKind, Recipe] = {
        "binary": classifier,
        "multiclass": classifier,
        "continuous": Recipe(HistGradientBoostingRegressor(), {"learning_rate": [0.03, 0.1]}),
        "survival": Recipe(
            GradientBoostingSurvivalAnalysis(max_depth=2), {"n_estimators": [50, 100]}
        ),
    }
    return recipes[kind]
