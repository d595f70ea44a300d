"""A learner that chooses its own settings on inner folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if

from consilience.errors import InputError, listing, suggestion
from consilience.fusion.task import Task, learner_type, task_of


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
        """Choose the settings and refit with them.

        Raises
        ------
        InputError
            If the estimator has no such setting, or y does not fit it.
        """
        task, y = task_of(y, self.estimator)
        self._check_grid()
        prepared = task.prepared(self.estimator)
        prefix = _place_within(prepared, self.estimator)
        search = GridSearchCV(
            prepared,
            {f"{prefix}{name}": values for name, values in self.grid.items()},
            scoring=_Skill(task),
            cv=task.folds(y, self.folds, self.random_state),
        ).fit(X, y)
        self.best_ = search.best_estimator_
        losses = -np.asarray(search.cv_results_["mean_test_score"], dtype=float)
        self.losses_ = [
            ({name.removeprefix(prefix): value for name, value in params.items()}, float(loss))
            for params, loss in zip(search.cv_results_["params"], losses, strict=True)
        ]
        self.best_params_ = dict(self.losses_[search.best_index_][0])
        if hasattr(self.best_, "classes_"):
            self.classes_ = self.best_.classes_
        return self

    def _check_grid(self) -> None:
        known = self.estimator.get_params()
        for name in self.grid:
            if name not in known:
                raise InputError(
                    f"{type(self.estimator).__name__} has no setting {name!r}; it has "
                    f"{listing(known, most=20)}.{suggestion(name, known)}"
                )

    def predict(self, X: Any) -> Any:
        """Predict with the best settings."""
        return self.best_.predict(X)

    @available_if(lambda tuned: learner_type(tuned.estimator) == "classifier")  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """Return probabilities with the best settings."""
        return self.best_.predict_proba(X)

    @available_if(lambda tuned: learner_type(tuned.estimator) is None)  # type: ignore[untyped-decorator]
    def predict_survival_function(self, X: Any) -> Any:
        """Return survival curves with the best settings."""
        return self.best_.predict_survival_function(X)

    def __sklearn_tags__(self) -> Tags:
        tags = get_tags(self.estimator)
        tags.estimator_type = learner_type(self.estimator)
        return tags


def _place_within(prepared: Any, estimator: Any) -> str:
    """Return the prefix of an estimator's parameters where `Task.prepared` wrapped it."""
    if type(prepared) is type(estimator):
        return ""
    inside = prepared.get_params(deep=False).items()
    return next(f"{name}__" for name, part in inside if type(part) is type(estimator))


class _Skill:
    """A scorer: minus the task's mean loss."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        return -float(self.task.loss(y, self.task.ask(estimator, X)).mean())
