"""What is asked of the candidate that the verdict is about, once it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort import Target
from consilience.metrics import Metric, metric_named
from consilience.study.comparison import Comparison
from consilience.study.evaluation import Evaluation, scores_of
from consilience.study.finding import Contribution, Estimate, Importance
from consilience.study.jobs import Job, PermutedJob
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
    used = full.candidate.modalities or list(comparison.target.cohort.modalities)
    found = []
    for modality, variant in zip(used, variants, strict=True):
        if variant.failed is not None:
            continue
        difference = comparison.difference(full, variant)
        hurts = difference.high is not None and difference.high < 0
        found.append(Contribution(modality=modality, difference=difference, hurts=hurts))
    return found


def permuted_scores(
    jobs: Sequence[PermutedJob], target: Target, store: Store, metric: Metric
) -> list[float]:
    """Return the metric under each shuffled outcome, over all folds together."""
    found = []
    for permutation in sorted({job.permutation for job in jobs}):
        members = [job for job in jobs if job.permutation == permutation]
        stored = [store.read(job.key) for job in members]
        if any("failed" in notes for _, notes in stored):
            continue
        parts = [scores_of(frame, target.y, members[0].times) for frame, _ in stored]
        rows = np.concatenate([job.fold.test for job in members])
        together = replace(parts[0], values=np.concatenate([part.values for part in parts]))
        found.append(metric(members[0].outcome(target)[rows], together))
    return found


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
