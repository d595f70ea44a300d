"""Deep methods that need no outcome: a representation, and an outcome if there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from consilience.cohort import Cohort
from consilience.errors import InputError
from consilience.fusion.base import FusionTags
from consilience.fusion.deep import DeepFusion
from consilience.fusion.deep_head import Survival
from consilience.fusion.task import Y
from consilience.nn.sources import Sources
from consilience.nn.training import Training


def _has_outcome(method: Any) -> bool:
    return method.outcome is not None


class DeepEmbedding(DeepFusion):
    """A deep method whose ``fit(cohort)`` and ``transform(cohort)`` need no outcome.

    With an outcome named, the network has a head for it, trained end to end.

    Parameters
    ----------
    outcome : str, optional
        None learns the representation alone.
    width, modality_dropout, survival, members, training, random_state, modalities, encoders
        See `DeepFusion`.
    """

    def __init__(
        self,
        outcome: str | None = None,
        *,
        width: int = 32,
        modality_dropout: float = 0.2,
        survival: Survival = "cox",
        members: int = 1,
        training: Training | None = None,
        random_state: int | None = 0,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            outcome,
            width=width,
            modality_dropout=modality_dropout,
            survival=survival,
            members=members,
            training=training,
            random_state=random_state,
            modalities=modalities,
            encoders=encoders,
        )

    def _kind(self) -> str | None:
        return None if self.outcome is None else super()._kind()

    def fit(self, cohort: Cohort, y: Any = None) -> Self:
        """Learn the representation and, if an outcome is named, the outcome.

        Parameters
        ----------
        cohort : Cohort
            Any pattern of missing modalities; patients with none are left aside.
        y : array-like of shape (n_patients,), optional
            The outcome; needed if one is named, of no account if none is.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the cohort cannot be used, or an outcome is named and y is not given.
        """
        if self.outcome is not None:
            if y is None:
                raise InputError(
                    f"{type(self).__name__} is to learn an outcome that is {self.outcome}: "
                    "give y too."
                )
            return super().fit(cohort, y)
        order = self._order(cohort)
        self.__dict__.pop("task_", None)
        self._fit_alone(cohort.only(self.modalities_)[order])
        return self

    def _fit_alone(self, cohort: Cohort) -> None:
        self.__dict__.pop("_ready", None)
        self.sources_ = Sources(self.modalities_).fit(cohort)
        known = np.flatnonzero(self._reader(cohort).informed())
        if not len(known):
            raise InputError("no patient has any value in the modalities.")
        self.silent_ = False
        self._train(self._reader(cohort[known]), np.zeros(len(known)))

    @available_if(_has_outcome)  # type: ignore[untyped-decorator]
    def predict(self, cohort: Cohort) -> Y:
        """Return a class, a number, or a risk a patient."""
        return super().predict(cohort)

    @available_if(_has_outcome)  # type: ignore[untyped-decorator]
    def score(self, cohort: Cohort, y: Any) -> float:
        """Return accuracy, R², or Harrell's concordance."""
        return super().score(cohort, y)

    def __sklearn_tags__(self) -> FusionTags:
        tags = super().__sklearn_tags__()
        if self.outcome is None:
            tags.outcomes = frozenset()
        tags.target_tags.required = self.outcome is not None
        return tags
