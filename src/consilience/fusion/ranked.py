"""Survival curves from a learner that only ranks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold, cross_val_predict
from sksurv.linear_model import CoxPHSurvivalAnalysis


class RankedSurvival(BaseEstimator):  # type: ignore[misc]
    """A learner that predicts a risk, made to predict survival curves.

    A Cox model with the risk as its one covariate is fitted on predictions for
    patients the learner had not seen, so that the curves are not too steep. The
    ranking stays the learner's own.

    Parameters
    ----------
    learner : estimator
        A scikit-survival estimator without ``predict_survival_function``, such as
        ``FastSurvivalSVM``.
    """

    def __init__(self, learner: Any) -> None:
        self.learner = learner

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the learner, and the Cox model on its out-of-fold risks."""
        unseen = cross_val_predict(self.learner, X, y, cv=KFold(3, shuffle=True, random_state=0))
        self.learner_ = clone(self.learner).fit(X, y)
        self.sign_ = 1.0 if getattr(self.learner_, "_predict_risk_score", True) else -1.0
        self.scale_ = float(np.std(unseen)) or 1.0
        self.cox_ = CoxPHSurvivalAnalysis(alpha=1e-3).fit(self._column(unseen), y)
        self.cox_.coef_ = np.maximum(self.cox_.coef_, 1e-6)  # keep the learner's order
        return self

    def predict(self, X: Any) -> Any:
        """Return the learner's risk; higher is worse."""
        return self.sign_ * self.learner_.predict(X)

    def predict_survival_function(self, X: Any) -> Any:
        """Return a step function a patient."""
        return self.cox_.predict_survival_function(self._column(self.learner_.predict(X)))

    def _column(self, risk: Any) -> Any:
        return (self.sign_ * np.asarray(risk, dtype=float) / self.scale_).reshape(-1, 1)
