"""What is asked of the candidate that the verdict is about, once it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort import Target
from consilience.metrics import Metric, holm, metric_named
from consilience.study.comparison import Comparison
from consilience.study.evaluation import Evaluation, scores_of
from consilience.study.finding import Contribution, Difference, Estimate, Importance
from consilience.study.jobs import Job, PermutedJob
from consilience.study.part import finite
from consilience.study.protocol import Fold
from consilience.study.store import Store
from consilience.trust import Importance as FoldImportance
from consilience.trust import aggregate, permutation_importance

SHUFFLES = 5  # of each modality and feature on each fold
MOST_FEATURES = 50  # tried on each fold; the rest are passed over, see `permutation_importance`


@dataclass(frozen=True)
class ImportanceJob(Job):
    """How much the metric drops on the fold's test patients when something is shuffled."""

    metric: str = ""

    @property
    def key(self) -> str:
        """Candidate and fold."""
        return f"{self.candidate.name} {self.fold.key} importance"

    def _result(self, target: Target) -> tuple[pd.DataFrame, dict[str, Any]]:
        model = self._fitted(target, target.y)
        test = self.fold.test
        drops = permutation_importance(
            model,
            target.cohort[test],
            target.y[test],
            metric_named(self.metric, target.kind),
            repeats=SHUFFLES,
            most_features=MOST_FEATURES,
            seed=self.seed,
        )
        return pd.DataFrame([asdict(drop) for drop in drops]), {}


def contributions(
    full: Evaluation, variants: Sequence[Evaluation], comparison: Comparison
) -> list[Contribution]:
    """Return what each modality adds when all the others are there."""
    if not variants:  # not asked for, or it cannot do without any of them
        return []
    used = full.candidate.modalities or list(comparison.target.cohort.modalities)
    found = {
        modality: comparison.difference(full, variant)
        for modality, variant in zip(used, variants, strict=True)
        if variant.failed is None
    }
    known = [math.nan if d.p_value is None else d.p_value for d in found.values()]
    return [
        _contribution(modality, difference, p_value, 1 - comparison.protocol.level)
        for (modality, difference), p_value in zip(found.items(), holm(known), strict=True)
    ]


def _contribution(
    modality: str, difference: Difference, p_value: float, alpha: float
) -> Contribution:
    """Return what one modality adds; it hurts only if that holds for all that were looked at."""
    worse = difference.estimate is not None and difference.estimate < 0
    return Contribution(
        modality=modality,
        difference=difference.model_copy(update={"p_adjusted": finite(p_value)}),
        hurts=bool(worse and p_value < alpha),
    )


def permuted_scores(
    jobs: Sequence[PermutedJob], target: Target, store: Store, metric: Metric
) -> list[float]:
    """Return the metric under each shuffled outcome: the mean over its folds.

    A shuffled outcome is not stratified, so that a fold with more cases was learned from
    patients with fewer. Scored over all folds together, a model that learns nothing but
    their share would rank patients the wrong way round, and a leak could hide in that.
    """
    found = []
    for permutation in sorted({job.permutation for job in jobs}):
        members = [job for job in jobs if job.permutation == permutation]
        stored = [store.read(job.key) for job in members]
        if any("failed" in notes for _, notes in stored):
            continue
        y = members[0].outcome(target)
        values = [
            metric(
                y[job.fold.test], scores_of(frame, target.y, job.times), train_y=y[job.fold.train]
            )
            for job, (frame, _) in zip(members, stored, strict=True)
        ]
        found.append(_mean_of_known(values, [len(job.fold.test) for job in members]))
    return found


def _mean_of_known(values: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the mean over folds, weighted by their patients; NaN if it is known on none."""
    known = np.isfinite(values)
    return (
        float(np.average(np.array(values)[known], weights=np.array(sizes)[known]))
        if known.any()
        else math.nan
    )


def importance_findings(
    stored: Sequence[tuple[pd.DataFrame, dict[str, Any]]], folds: Sequence[Fold], level: float
) -> list[Importance]:
    """Return what the model leans on, averaged over the folds that were looked at."""
    per_fold = [
        [FoldImportance(**_plain(row)) for row in frame.to_dict("records")]
        for frame, notes in stored
        if "failed" not in notes
    ]
    if len(per_fold) < 2:
        return []
    means = aggregate(
        per_fold,
        n_train=float(np.mean([len(fold.train) for fold in folds])),
        n_test=float(np.mean([len(fold.test) for fold in folds])),
        level=level,
    )
    return [
        Importance(modality=mean.modality, feature=mean.feature, drop=Estimate.of(mean.drop))
        for mean in means
    ]


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row as it was before Parquet turned None into NaN."""
    feature = row["feature"]
    return {**row, "feature": feature if isinstance(feature, str) else None}
