"""All features in one matrix, one learner on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.fusion.expert import Expert, Inside
from consilience.fusion.task import Y
from consilience.fusion.with_learner import LearnerFusion


class EarlyFusion(LearnerFusion):
    """Features of all modalities side by side, and one learner on them.

    It can see interactions between modalities if the learner can; it is at its worst
    where one modality has many more features than the others and drowns them.

    Missing modalities: imputed within the training patients by the mean of each
    feature, with an indicator that the modality was (not) measured.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import EarlyFusion
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> EarlyFusion(LogisticRegression()).fit(cohort, y).predict(cohort).shape
    (200,)
    """

    def _fit(self, cohort: Cohort, y: Y) -> None:
        self.expert_ = Expert(self.modalities_, self.learner, self.encoders or {})
        self.expert_.fit(cohort, y, self.task_)

    def _values(self, cohort: Cohort) -> FloatArray:
        return self.expert_.values(cohort, self.task_)

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        return self.expert_.informed(cohort)

    def inside(self, cohort: Cohort) -> Inside | None:
        """Return the learner and the matrix in which it sees patients; None if it is silent."""
        return self.expert_.inside(cohort)
