"""A learner that chooses its own settings on inner folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if

from consilience.fusion.task import Task, task_of


def _best_has(method: str) -> Any:
    return lambda tuned: hasattr(getattr(tuned, "best_", tuned.estimator), method)


class Tuned(BaseEstimator):  # type: ignore[misc]
    """Grid search on seeded inner folds by a proper score, for every kind of outcome.

    scikit-learn's ``GridSearchCV`` does the search; this chooses the folds (stratified
    by class or event) and the score (log loss, squared error, or censored
    log-likelihood), passes survival curves on, and keeps only what is needed to predict.

    Parameters
    ----------
    estimator : estimator
        What to tune.
    grid : mapping of str to sequence
        Parameter names and the values to try.
    folds : int
        Inner folds.
    random_state : int, optional
        Seed of the inner folds.

    Attributes
    ----------
    best_ : estimator
        Refitted on all with the best settings.
    best_params_ : dict
    losses_ : list of (dict, float)
        Every setting with its mean inner loss; NaN where the fit failed.
    """

    def __init__(
        self,
        estimator: Any,
        grid: Mapping[str, Sequence[Any]],
        *,
        folds: int = 3,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.grid = grid
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Choose the settings and refit with them."""
        task, y = task_of(y, self.estimator)
        search = GridSearchCV(
            task.prepared(self.estimator),
            dict(self.grid),
            scoring=_Skill(task),
            cv=task.folds(y, self.folds, self.random_state),
        ).fit(X, y)
        self.best_ = search.best_estimator_
        self.best_params_ = dict(search.best_params_)
        losses = -np.asarray(search.cv_results_["mean_test_score"], dtype=float)
        self.losses_ = list(zip(search.cv_results_["params"], losses.tolist(), strict=True))
        if hasattr(self.best_, "classes_"):
            self.classes_ = self.best_.classes_
        return self

    def predict(self, X: Any) -> Any:
        """Predict with the best settings."""
        return self.best_.predict(X)

    @available_if(_best_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Return probabilities with the best settings."""
        return self.best_.predict_proba(X)

    @available_if(_best_has("predict_survival_function"))
    def predict_survival_function(self, X: Any) -> Any:
        """Return survival curves with the best settings."""
        return self.best_.predict_survival_function(X)

    def __sklearn_tags__(self) -> Tags:
        return get_tags(self.estimator)


class _Skill:
    """A scorer: minus the task's mean loss."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        return -float(self.task.loss(y, self.task.ask(estimator, X)).mean())
