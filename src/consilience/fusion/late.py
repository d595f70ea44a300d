"""One learner a modality, and the average of what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, suggestion
from consilience.fusion.expert import Expert
from consilience.fusion.out_of_fold import out_of_fold
from consilience.fusion.task import Y, check_folds
from consilience.fusion.with_learner import LearnerFusion


class LateFusion(LearnerFusion):
    """The average over modalities of the probabilities, numbers or survival curves.

    Missing modalities: the average is over those that a patient has, with their
    weights brought to 1. One who has only modalities of weight 0 gets the prior.

    Parameters
    ----------
    learner, modalities, encoders
        See `LearnerFusion`.
    weights : {"equal", "validated"}
        "validated" weights each modality by its skill: the share by which its
        out-of-fold loss (log loss, squared error, or censored log-likelihood) is
        below that of the prior of the same training folds, which knows the outcome of
        the patients it measured but nothing of them; 0 where it is not.
    folds : int
        Inner folds for "validated".
    random_state : int, optional
        Seed of the inner folds.

    Attributes
    ----------
    experts_ : dict of str to Expert
    weights_ : dict of str to float
        They add up to 1.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import LateFusion
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> model = LateFusion(LogisticRegression(), weights="validated").fit(cohort, y)
    >>> round(sum(model.weights_.values()), 6)
    1.0
    """

    def __init__(
        self,
        learner: Any,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        weights: Literal["equal", "validated"] = "equal",
        folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.weights = weights
        self.folds = folds
        self.random_state = random_state

    def check_settings(self) -> None:
        """Refuse unknown weights and too few folds."""
        super().check_settings()
        check_folds(self.folds)
        if self.weights not in ("equal", "validated"):
            raise InputError(
                f"weights must be 'equal' or 'validated', not {self.weights!r}."
                f"{suggestion(self.weights, ('equal', 'validated'))}"
            )

    def _fit(self, cohort: Cohort, y: Y) -> None:
        self.experts_ = {
            name: Expert([name], self.learner, self.encoders or {}).fit(cohort, y, self.task_)
            for name in self.modalities_
        }
        equal = dict.fromkeys(self.modalities_, 1.0)
        skill = equal if self.weights == "equal" else self._skill(cohort, y)
        if not sum(skill.values()):
            skill = equal
        total = sum(skill.values())
        self.weights_ = {name: float(value / total) for name, value in skill.items()}

    def _skill(self, cohort: Cohort, y: Y) -> dict[str, float]:
        """Return by which share each modality's out-of-fold loss is below the prior's.

        The prior is out of fold as well: one of all patients has seen those it is judged on.
        """
        skill = {}
        for name, expert in self.experts_.items():
            unseen = out_of_fold(
                expert, cohort, y, self.task_, folds=self.folds, seed=self.random_state
            )
            known = unseen.informed
            own = self.task_.loss(y[known], unseen.values[known]).sum()
            reference = self.task_.loss(y[known], unseen.prior[known]).sum()
            skill[name] = max(0.0, 1 - own / reference) if reference > 0 else 0.0
        return skill

    def _values(self, cohort: Cohort) -> FloatArray:
        total = np.zeros((len(cohort), len(self.task_.prior)))
        weight = np.zeros((len(cohort), 1))
        for name, expert in self.experts_.items():
            share = self.weights_[name] * expert.informed(cohort)[:, None]
            total += share * expert.values(cohort, self.task_)
            weight += share
        spoken = weight[:, 0] > 0
        total[spoken] /= weight[spoken]
        total[~spoken] = self.task_.prior
        return total

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        heard = [e.informed(cohort) for name, e in self.experts_.items() if self.weights_[name] > 0]
        return np.asarray(np.logical_or.reduce(heard))
