"""The usual imputers, which know nothing of modalities, under the verb of those that do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.impute import KNNImputer, SimpleImputer

from consilience.cohort.modality import FloatArray
from consilience.fusion.embedding import Embedding
from consilience.fusion.imputing import Imputes


class StackedImputation(Imputes, Embedding):
    """Any scikit-learn imputer on the standardised features of all modalities, side by side.

    What the methods that find structure across modalities have to beat.

    Parameters
    ----------
    imputer : transformer, optional
        The mean of each feature by default.
    learner, modalities, encoders
        See `Embedding`; the embedding is the completed features.
    """

    def __init__(
        self,
        imputer: Any = None,
        *,
        learner: Any = None,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.imputer = imputer

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        imputer = SimpleImputer() if self.imputer is None else clone(self.imputer)
        self.imputer_ = imputer.fit(np.hstack(list(blocks.values())))

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        return np.asarray(self.imputer_.transform(np.hstack(list(blocks.values()))), dtype=float)

    def _reconstruct(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        widths = [block.shape[1] for block in blocks.values()]
        parts = np.split(self._embed(blocks), np.cumsum(widths)[:-1], axis=1)
        return dict(zip(blocks, parts, strict=True))


def usual_imputers(
    *, neighbours: int = 10, features: int = 20, rounds: int = 5, random_state: int | None = 0
) -> dict[str, StackedImputation]:
    """Return the imputers that everybody has, by name, not fitted.

    Parameters
    ----------
    neighbours : int
        Patients averaged by the k nearest neighbours (Troyanskaya et al. 2001).
    features : int
        Features by which the iterative imputer explains one, drawn by their correlation.
    rounds : int
        Rounds of the iterative imputer (Bayesian ridge regression, a feature at a time, as in
        van Buuren and Groothuis-Oudshoorn 2011). It does not settle on wide data, and says
        so by a ConvergenceWarning.
    random_state : int, optional
        Seed of that drawing.
    """
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    iterative = IterativeImputer(
        n_nearest_features=features, max_iter=rounds, random_state=random_state
    )
    return {
        "mean": StackedImputation(SimpleImputer()),
        f"{neighbours} nearest patients": StackedImputation(KNNImputer(n_neighbors=neighbours)),
        "iterative": StackedImputation(iterative),
    }
