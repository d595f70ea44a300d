"""Methods that bring all modalities into one space, and learn an outcome there if asked to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import TransformerTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.base import FusionTags, check_cohort
from consilience.fusion.block_fusion import Blockwise
from consilience.fusion.expert import measured_by_any
from consilience.fusion.task import Y, learner_type


def _has_learner(method: Any) -> bool:
    return method.learner is not None


class Embedding(Blockwise):
    """A representation of patients that all their modalities share.

    ``fit(cohort)`` and ``transform(cohort)`` need no outcome. With a learner and an
    outcome, the learner is fitted on the embedding, standardised, and the method
    predicts like any other.

    A subclass gives `_learn` and `_embed`, on one matrix a modality; one that needs the
    cohort itself gives `_learn_from`, `_embed_cohort` and `_located`.

    Parameters
    ----------
    learner : estimator, optional
        Any scikit-learn classifier or regressor, or scikit-survival estimator.
    modalities, encoders
        See `Fusion`.

    Attributes
    ----------
    patients_ : ndarray of str
        Ids of the training patients, in the order in which the method saw them. A
        bundle does not hold them.
    """

    def __init__(
        self,
        learner: Any = None,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(modalities=modalities, encoders=encoders)
        self.learner = learner

    def _kind(self) -> str | None:
        return None if self.learner is None else learner_type(self.learner)

    @abstractmethod
    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        """Learn from matrices, (n_patients, n_columns) each, NaN where not measured."""

    @abstractmethod
    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        """Return the embedding, (n_patients, k), finite; each row by that patient alone."""

    def _learn_from(self, cohort: Cohort) -> None:
        blocks, known = self._fit_blocks(cohort)
        self.patients_ = cohort.index[known].to_numpy(dtype=str)
        self._learn(blocks)

    def _embed_cohort(self, cohort: Cohort) -> FloatArray:
        return self._embed(self.blocks_.matrices(cohort))

    def fit(self, cohort: Cohort, y: Any = None) -> Self:
        """Learn the embedding and, if there is a learner, the outcome.

        Parameters
        ----------
        cohort : Cohort
            Any pattern of missing modalities; patients with none are left aside.
        y : array-like of shape (n_patients,), optional
            The outcome; needed if there is a learner, of no account if there is none.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the cohort cannot be used, or the learner has no outcome to learn.
        """
        if self.learner is None:
            order = self._order(cohort)
            if hasattr(self, "task_"):
                del self.task_
            self._embed_training(cohort.only(self.modalities_)[order])
            return self
        if y is None:
            raise InputError(f"{type(self).__name__} has a learner: give the outcome y too.")
        return super().fit(cohort, y)

    def _embed_training(self, cohort: Cohort) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Learn the embedding; return that of the training patients, and who has a place in it."""
        self._learn_from(cohort)
        located = self._located(cohort)
        embedding = self._embed_cohort(cohort[located])
        self.width_ = embedding.shape[1]
        return embedding, located

    def _fit(self, cohort: Cohort, y: Y) -> None:
        embedding, located = self._embed_training(cohort)
        self.silent_ = not self.task_.learnable(y[located])
        if self.silent_:
            return
        self.centre_, spread = embedding.mean(axis=0), embedding.std(axis=0)
        self.spread_ = np.where(spread > 1e-12 * (1 + np.abs(self.centre_)), spread, 1.0)
        learner = self.task_.prepared(self.learner)
        self.learner_ = learner.fit(self._standard(embedding), y[located])

    def _standard(self, embedding: FloatArray) -> FloatArray:
        return np.asarray((embedding - self.centre_) / self.spread_)

    def transform(self, cohort: Cohort) -> FloatArray:
        """Return the embedding, (n_patients, k); a row of NaN for one with nothing measured."""
        check_is_fitted(self, "modalities_")
        check_cohort(cohort)
        located = measured_by_any(cohort, self.modalities_)
        if located.any():
            located[located] = self._located(cohort[located])
        whole = np.full((len(cohort), self.width_), np.nan)
        if located.any():
            whole[located] = self._embed_cohort(cohort[located])
        return whole

    def _located(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        """Return which of these patients, each with a modality, have a place in the embedding."""
        return super()._informed(cohort)

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        return self._located(cohort) & (not self.silent_)

    def _values(self, cohort: Cohort) -> FloatArray:
        return self.task_.ask(self.learner_, self._standard(self._embed_cohort(cohort)))

    @available_if(_has_learner)  # type: ignore[untyped-decorator]
    def predict(self, cohort: Cohort) -> Y:
        """Return a class, a number, or a risk a patient, as the learner says."""
        return super().predict(cohort)

    @available_if(_has_learner)  # type: ignore[untyped-decorator]
    def score(self, cohort: Cohort, y: Any) -> float:
        """Return accuracy, R², or Harrell's concordance."""
        return super().score(cohort, y)

    def __sklearn_tags__(self) -> FusionTags:
        tags = super().__sklearn_tags__()
        if self.learner is None:
            tags.outcomes = frozenset()
        tags.target_tags.required = self.learner is not None
        tags.transformer_tags = TransformerTags()
        return tags
