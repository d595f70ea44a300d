"""One modality alone: what fusion has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.expert import Expert, Inside
from consilience.fusion.task import Y
from consilience.fusion.with_learner import LearnerFusion


class SingleModality(LearnerFusion):
    """A learner on one modality.

    Missing modalities: patients whom it did not measure are left aside in `fit` and
    get the prior in `predict`.

    Parameters
    ----------
    learner : estimator
        Any scikit-learn classifier or regressor, or scikit-survival estimator.
    modality : str, optional
        Which one; may be left out where the cohort has just one.
    encoders : mapping of str to Encoder or transformer, optional
        How it becomes columns; see `Fusion`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import SingleModality
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> model = SingleModality(LogisticRegression(), modality="m1").fit(cohort, y)
    >>> model.predict_proba(cohort).shape
    (200, 2)
    """

    def __init__(
        self,
        learner: Any,
        *,
        modality: str | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        self.learner = learner
        self.modality = modality
        self.encoders = encoders

    def _asked(self) -> Sequence[str] | None:
        return None if self.modality is None else [self.modality]

    def _fit(self, cohort: Cohort, y: Y) -> None:
        if len(self.modalities_) > 1:
            raise InputError(
                f"say which modality to use alone; the cohort has {len(self.modalities_)}."
            )
        self.expert_ = Expert(self.modalities_, self.learner, self.encoders or {})
        self.expert_.fit(cohort, y, self.task_)

    def _values(self, cohort: Cohort) -> FloatArray:
        return self.expert_.values(cohort, self.task_)

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        return self.expert_.informed(cohort)

    def inside(self, cohort: Cohort) -> Inside | None:
        """Return the learner and the matrix in which it sees patients; None if it is silent."""
        return self.expert_.inside(cohort)
