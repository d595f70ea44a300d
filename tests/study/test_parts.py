"""A ranking metric is taken within folds, others over all patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold

from consilience.metrics import Probabilities, metric_named, resamples
from consilience.study.candidates import Candidate
from consilience.study.evaluation import Evaluation
from consilience.study.parts import parts_of
from consilience.study.protocol import Fold

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3 // 2
P = 1 / (1 + np.exp(-RNG.normal(size=60) - Y))
SCORES = Probabilities(np.column_stack([1 - P, P]), np.array([0, 1]))
FOLDS = [Fold(0, k, *pair) for k, pair in enumerate(StratifiedKFold(5).split(Y, Y))]
AUROC = metric_named("auroc", "binary")
EVERYBODY = np.arange(60)


def evaluation(folds: Sequence[Fold]) -> Evaluation:
    by_fold = {fold.key: SCORES.take(fold.test) for fold in folds}
    candidate = Candidate("x", None)
    return Evaluation(candidate, [SCORES], np.ones(60, dtype=bool), by_fold, {}, {})


def test_auroc_is_the_mean_over_folds_as_scikit_learn_reports_it() -> None:
    found = parts_of(evaluation(FOLDS), AUROC, Y, FOLDS, EVERYBODY).value(AUROC)
    by_hand = np.mean([roc_auc_score(Y[fold.test], P[fold.test]) for fold in FOLDS])
    assert found == pytest.approx(by_hand)


def test_a_loss_is_taken_over_all_patients() -> None:
    metric = metric_named("brier", "binary")
    parts = parts_of(evaluation(FOLDS), metric, Y, FOLDS, EVERYBODY)
    assert len(parts.groups) == 1
    assert parts.value(metric) == pytest.approx(np.mean((P - Y) ** 2))


def test_where_folds_are_too_small_it_is_taken_over_all_patients() -> None:
    alone = [Fold(0, k, *pair) for k, pair in enumerate(KFold(60).split(Y))]
    found = parts_of(evaluation(alone), AUROC, Y, alone, EVERYBODY).value(AUROC)
    assert found == pytest.approx(roc_auc_score(Y, P))


def test_replicates_are_the_value_on_repeated_patients() -> None:
    counts = resamples(Y, 3, seed=1)
    parts = parts_of(evaluation(FOLDS), AUROC, Y, FOLDS, EVERYBODY)
    for row, found in zip(counts, parts.replicates(AUROC, [counts]), strict=True):
        each = []
        for fold in FOLDS:
            rows = np.repeat(fold.test, row[fold.test])
            each.append(roc_auc_score(Y[rows], P[rows]) if 0 < Y[rows].mean() < 1 else np.nan)
        assert found == pytest.approx(np.nanmean(each))


def test_only_the_patients_asked_for_count() -> None:
    chosen = np.flatnonzero(RNG.random(60) < 0.7)
    found = parts_of(evaluation(FOLDS), AUROC, Y, FOLDS, chosen).value(AUROC)
    kept = [np.intersect1d(fold.test, chosen) for fold in FOLDS]
    assert found == pytest.approx(np.mean([roc_auc_score(Y[rows], P[rows]) for rows in kept]))
