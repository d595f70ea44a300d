"""The ways a study can fool itself, looked into by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilience.cohort import Target
from consilience.study.comparison import Comparison
from consilience.study.finding import CheckFinding
from consilience.study.followup import permuted_scores
from consilience.study.jobs import PermutedJob
from consilience.study.protocol import patient_column
from consilience.study.store import Store
from consilience.trust import (
    Check,
    chance_check,
    duplicates_check,
    find_duplicates,
    split_leakage,
    suspicious_features,
)

if TYPE_CHECKING:
    from consilience.study.study import Study


def run_checks(
    study: Study, comparison: Comparison, store: Store, permuted: Sequence[PermutedJob]
) -> list[CheckFinding]:
    """Return what each check found.

    Parameters
    ----------
    permuted : sequence of PermutedJob
        The fits on shuffled outcomes, already run.
    """
    target, seed = study.target, study.protocol.seed
    duplicates = find_duplicates(target.cohort, seed=seed)
    pairs = [(fold.train, fold.test) for fold in study.folds]
    column = study.protocol.group or study.protocol.leave_out
    groups = None if column is None else patient_column(target, column, "group")
    found = [
        duplicates_check(duplicates, len(target.cohort)),
        split_leakage(target.cohort, pairs, groups=groups, duplicates=duplicates, seed=seed),
        suspicious_features(target.cohort, target.y, seed=seed),
        _permuted(comparison, target, store, permuted),
    ]
    return [_finding(check) for check in found]


def _permuted(
    comparison: Comparison, target: Target, store: Store, jobs: Sequence[PermutedJob]
) -> Check:
    metric = comparison.metric
    scores = permuted_scores(jobs, target, store, metric)
    return chance_check(scores, metric.chance, higher_is_better=metric.higher_is_better)


def _finding(check: Check) -> CheckFinding:
    return CheckFinding(
        name=check.name, status=check.status, sentence=check.sentence, details=check.details
    )
