"""One learner a modality, and a learner that combines what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.expert import Expert
from consilience.fusion.out_of_fold import out_of_fold
from consilience.fusion.task import Y, check_folds, learner_type
from consilience.fusion.with_learner import LearnerFusion


class StackedFusion(LearnerFusion):
    """Stacked generalisation (Wolpert 1992) with one expert a modality.

    The combiner learns from out-of-fold predictions on an additive scale (log odds,
    number, complementary log-log of survival), so that an expert that remembers its
    patients is not believed.

    Missing modalities: an expert with nothing to see adds 0, which is the prior on
    that scale, and an indicator column beside it tells the combiner.

    Parameters
    ----------
    learner, modalities, encoders
        See `LearnerFusion`.
    combiner : estimator, optional
        By default ridge-penalised logistic, linear or Cox regression on what the experts
        say, standardised.
    folds : int
        Inner folds.
    random_state : int, optional
        Seed of the inner folds.

    Attributes
    ----------
    experts_ : dict of str to Expert
    combiner_ : estimator

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import StackedFusion
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> StackedFusion(LogisticRegression(), random_state=0).fit(cohort, y).predict(cohort).shape
    (200,)

    References
    ----------
    Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5, 241-259.
    """

    def __init__(
        self,
        learner: Any,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        combiner: Any = None,
        folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.combiner = combiner
        self.folds = folds
        self.random_state = random_state

    def check_settings(self) -> None:
        """Refuse too few folds, and a combiner of another kind than the learner."""
        super().check_settings()
        check_folds(self.folds)
        if self.combiner is None:
            return
        if learner_type(self.combiner) != learner_type(self.learner):
            raise InputError(
                f"the combiner {type(self.combiner).__name__} does not learn the same kind of "
                f"outcome as {type(self.learner).__name__}."
            )

    def _fit(self, cohort: Cohort, y: Y) -> None:
        combiner = self.task_.combiner() if self.combiner is None else self.combiner
        self.experts_ = {
            name: Expert([name], self.learner, self.encoders or {}) for name in self.modalities_
        }
        unseen = {
            name: out_of_fold(
                expert, cohort, y, self.task_, folds=self.folds, seed=self.random_state
            )[:2]
            for name, expert in self.experts_.items()
        }
        self.partial_ = [name for name, (_, known) in unseen.items() if not known.all()]
        self.silent_ = not self.task_.learnable(y)
        if not self.silent_:
            self.combiner_ = self.task_.prepared(combiner).fit(self._columns(unseen), y)
        for expert in self.experts_.values():
            expert.fit(cohort, y, self.task_)

    def _columns(self, opinions: Mapping[str, tuple[FloatArray, Any]]) -> FloatArray:
        columns = [
            self.task_.features(values) * known[:, None] for values, known in opinions.values()
        ]
        columns += [opinions[name][1].astype(float)[:, None] for name in self.partial_]
        return np.hstack(columns)

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        heard = [expert.informed(cohort) for expert in self.experts_.values()]
        return np.asarray(np.logical_or.reduce(heard) & (not self.silent_))

    def _values(self, cohort: Cohort) -> FloatArray:
        opinions = {
            name: (expert.values(cohort, self.task_), expert.informed(cohort))
            for name, expert in self.experts_.items()
        }
        return self.task_.ask(self.combiner_, self._columns(opinions))
