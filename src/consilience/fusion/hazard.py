"""From the linear predictor of a Cox model to survival curves."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sksurv.linear_model.coxph import BreslowEstimator

from consilience.metrics.scores import FloatArray, SurvivalCurves

HIGHEST = 50.0  # exp of it is no infinity, and every curve under it is 0


class Hazard(BaseEstimator):  # type: ignore[misc]
    """Proportional hazards with Breslow's (1972) baseline.

    The curve of a patient with log hazard ratio r is ``exp(-H0(t) exp(r))``, where H0
    is the baseline cumulative hazard of the training patients.
    """

    def fit(self, risk: FloatArray, y: Any) -> Self:
        """Estimate the baseline.

        Parameters
        ----------
        risk : ndarray of shape (n_patients,)
            Log hazard ratios of the training patients.
        y : structured array (event, time) of shape (n_patients,)
        """
        self.centre_ = float(np.mean(risk))
        centred = np.clip(risk - self.centre_, -HIGHEST, HIGHEST)
        self.baseline_ = BreslowEstimator().fit(centred, y["event"], y["time"])
        return self

    def curves(self, risk: FloatArray, times: FloatArray) -> FloatArray:
        """Return survival at `times`, (n_patients, n_times), of patients with these log ratios."""
        if not len(risk):
            return np.empty((0, len(times)))
        centred = np.clip(risk - self.centre_, -HIGHEST, HIGHEST)
        baseline = self.baseline_.cum_baseline_hazard_
        survival = np.exp(-np.exp(centred)[:, None] * baseline.y[None, :])
        return SurvivalCurves(np.clip(survival, 0.0, 1.0), baseline.x).at(times)
