"""Importance over the folds of a study, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.metrics.comparison import nadeau_bengio
from consilience.metrics.intervals import Interval
from consilience.trust.importance import Importance


@dataclass(frozen=True)
class MeanImportance:
    """Importance over the folds of a study.

    Attributes
    ----------
    modality : str
    feature : str or None
    drop : Interval
    removed : Interval or None
    n_folds : int
        In how many it was looked at.
    """

    modality: str
    feature: str | None
    drop: Interval
    removed: Interval | None
    n_folds: int


def aggregate(
    per_fold: Sequence[Sequence[Importance]],
    *,
    n_train: float,
    n_test: float,
    level: float = 0.95,
) -> list[MeanImportance]:
    """Average importance over the folds of a study, with the corrected resampled t interval.

    The training patients of folds overlap, so that their results hang together; the
    interval is that of Nadeau and Bengio (2003), see `metrics.nadeau_bengio`. A feature
    that was not tried in a fold (see `permutation_importance`) is averaged over the others;
    those tried in fewer than half of the folds are left out.

    Parameters
    ----------
    per_fold : sequence of list of Importance
    n_train, n_test : float
        Mean number of patients in the two parts of a fold.
    level : float

    Returns
    -------
    list of MeanImportance
        Modalities in order, then features, the most important first.
    """
    found: dict[tuple[str, str | None], list[Importance]] = {}
    for one in (one for fold in per_fold for one in fold):
        found.setdefault((one.modality, one.feature), []).append(one)
    means = [
        MeanImportance(
            modality,
            feature,
            _interval([one.drop for one in ones], n_train, n_test, level),
            _interval([one.removed for one in ones], n_train, n_test, level)
            if feature is None
            else None,
            len(ones),
        )
        for (modality, feature), ones in found.items()
        if feature is None or 2 * len(ones) >= len(per_fold)
    ]
    features = [one for one in means if one.feature is not None]
    features.sort(key=lambda one: -np.nan_to_num(one.drop.estimate, nan=-np.inf))
    return [one for one in means if one.feature is None] + features


def _interval(drops: Sequence[Any], n_train: float, n_test: float, level: float) -> Interval:
    mean = nadeau_bengio(np.array(drops, dtype=float), n_train, n_test, level)
    return Interval(mean.estimate, mean.low, mean.high, mean.undefined)
