"""Survival curves from a learner that only ranks."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.linear_model.coxph import BreslowEstimator

from consilience.metrics.scores import FloatArray


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
        unseen = cross_val_predict(self.learner, X, y, cv=_folds(y["event"]))
        self.learner_ = clone(self.learner).fit(X, y)
        self.sign_ = 1.0 if getattr(self.learner_, "_predict_risk_score", True) else -1.0
        self.centre_, self.scale_ = float(np.mean(unseen)), float(np.std(unseen)) or 1.0
        risk = self._standard(unseen)
        slope = CoxPHSurvivalAnalysis(alpha=1e-3).fit(risk[:, None], y).coef_[0]
        self.slope_ = max(float(slope), 1e-6)  # never 0 or less: the order is the learner's
        self.baseline_ = BreslowEstimator().fit(self.slope_ * risk, y["event"], y["time"])
        return self

    def predict(self, X: Any) -> Any:
        """Return the learner's risk; higher is worse."""
        return self.sign_ * self.learner_.predict(X)

    def predict_survival_function(self, X: Any) -> Any:
        """Return a step function a patient."""
        risk = self._standard(self.learner_.predict(X))
        return self.baseline_.get_survival_function(self.slope_ * risk)

    def _standard(self, risk: Any) -> FloatArray:
        return self.sign_ * (np.asarray(risk, dtype=float) - self.centre_) / self.scale_


def _folds(event: npt.NDArray[np.bool_]) -> list[tuple[Any, Any]]:
    """Return three folds with equal shares of the events, or as many as there are events."""
    n = min(3, int(event.sum()))
    strata = event if (~event).sum() >= n else np.ones(len(event), dtype=bool)
    return list(StratifiedKFold(n, shuffle=True, random_state=0).split(strata, strata))
