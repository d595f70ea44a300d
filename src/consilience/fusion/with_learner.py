"""Fusion methods that are given a learner, which decides what outcomes they can learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.utils import get_tags

from consilience.fusion.base import Fusion, FusionTags
from consilience.fusion.task import learner_type


class LearnerFusion(Fusion):
    """A fusion method with a learner in it.

    Parameters
    ----------
    learner : estimator
        Any scikit-learn classifier or regressor, or scikit-survival estimator; its
        type says which outcomes the method learns.
    modalities, encoders
        See `Fusion`.
    """

    def __init__(
        self,
        learner: Any,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(modalities=modalities, encoders=encoders)
        self.learner = learner

    def _kind(self) -> str | None:
        return learner_type(self.learner)

    def __sklearn_tags__(self) -> FusionTags:
        tags = super().__sklearn_tags__()
        learner = get_tags(self.learner)
        tags.classifier_tags, tags.regressor_tags = learner.classifier_tags, learner.regressor_tags
        return tags
