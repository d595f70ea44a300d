"""What each modality adds, and how a shuffled outcome scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from consilience.cohort import Cohort, Table, Target
from consilience.fusion import EarlyFusion, SingleModality
from consilience.metrics import Values, metric_named
from consilience.study.candidates import Candidate
from consilience.study.comparison import Comparison
from consilience.study.evaluation import Evaluation
from consilience.study.followup import contributions, permuted_scores
from consilience.study.jobs import PermutedJob
from consilience.study.protocol import Fold, Protocol
from consilience.study.store import Store

SPREAD = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) / np.sqrt(2.5)  # mean 0, variance 1


def cohort(n: int, names: tuple[str, ...]) -> Cohort:
    rng = np.random.default_rng(0)
    index = pd.Index([f"p{i:03d}" for i in range(n)], name="patient")
    tables = {
        name: Table(
            pd.DataFrame(
                rng.normal(size=(n, 5)), index=index, columns=[f"{name}{k}" for k in range(5)]
            )
        )
        for name in names
    }
    return Cohort(pd.DataFrame(index=index), tables)


def test_what_hurts_is_corrected_for_how_many_were_looked_at() -> None:
    """Errors per fold such that one modality hurts with p = 0.03, one with 0.001, one not."""
    names = ("surely", "perhaps", "no")
    folds = [
        Fold(0, k, np.setdiff1d(np.arange(50), test), test)
        for k, test in enumerate(np.arange(50).reshape(5, 10))
    ]
    target = Target(cohort(50, names), np.zeros(50), pd.DataFrame(), "continuous")
    comparison = Comparison(
        target, folds, Protocol(bootstrap=100), metric_named("mae", "continuous")
    )

    def evaluated(name: str, errors: np.ndarray) -> Evaluation:
        scores = Values(np.repeat(errors, 10)[:, None])
        by_fold = {fold.key: scores.take(fold.test) for fold in folds}
        candidate = Candidate(name, EarlyFusion(LogisticRegression(), modalities=names))
        return Evaluation(candidate, [scores], np.ones(50, dtype=bool), by_fold, {}, {})

    full = evaluated("full", np.full(5, 5.0))
    without = [5 - 1 - 0.1 * SPREAD, 5 - 1 - 0.45 * SPREAD, 5 - 0.1 - SPREAD]
    found = contributions(full, [evaluated("without", errors) for errors in without], comparison)
    raw = [c.difference.p_value or 1.0 for c in found]
    assert raw[0] < 0.01 < 0.025 < raw[1] < 0.05 < raw[2]
    assert [c.difference.p_adjusted for c in found] == [3 * raw[0], 2 * raw[1], raw[2]]
    assert [c.hurts for c in found] == [True, False, False]


def test_a_shuffled_outcome_scores_as_chance_however_little_is_learned(tmp_path: Path) -> None:
    """A model that learns hardly more than the share of cases ranks test folds upside down.

    Their share of cases is high where that of its training patients is low, so that over all
    folds together its AUROC would be near 0.4, and a leak could hide behind that.
    """
    n = 100
    y = np.arange(n) % 2
    target = Target(cohort(n, ("a",)), y, pd.DataFrame(), "binary")
    store = Store(tmp_path / "study")
    store.begin({}, resume=False)
    timid = Candidate("a alone", SingleModality(LogisticRegression(C=1e-5)), "single")
    pairs = StratifiedKFold(5, shuffle=True, random_state=0).split(y, y)
    jobs = [
        PermutedJob(timid, Fold(0, number, *pair), 0, None, permutation=permutation)
        for number, pair in enumerate(pairs)
        for permutation in range(30)
    ]
    for job in jobs:
        store.write(job.key, *job.run(target))
    scores = permuted_scores(jobs, target, store, metric_named("auroc", "binary"))
    assert len(scores) == 30
    standard_error = np.std(scores, ddof=1) / np.sqrt(30)
    assert abs(np.mean(scores) - 0.5) < 3 * standard_error
