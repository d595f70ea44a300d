"""AUROC, AUPRC, balanced accuracy and F1 against their definitions and known limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from consilience.metrics.discrimination import auprc, auroc, balanced_accuracy, f1, weighted_auroc

Y = np.array([0, 0, 1, 0, 1, 1, 0, 1])
P = np.array([0.1, 0.4, 0.35, 0.4, 0.8, 0.4, 0.6, 0.9])


def test_auroc_is_the_share_of_pairs_ranked_right_ties_half():
    pairs = [(a > b) + (a == b) / 2 for a in P[Y == 1] for b in P[Y == 0]]
    assert auroc(Y, P) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(("p", "value"), [(Y * 1.0, 1.0), (1.0 - Y, 0.0), (np.full(8, 0.3), 0.5)])
def test_auroc_of_perfect_reversed_and_constant_scores(p, value):
    assert auroc(Y, p) == value
    assert weighted_auroc(Y, p, np.ones((1, 8)))[0] == value


def test_auroc_depends_on_ranks_only_and_turns_with_the_score():
    assert auroc(Y, np.exp(5 * P)) == auroc(Y, P)
    assert auroc(Y, -P) == pytest.approx(1 - auroc(Y, P))
    assert auroc(1 - Y, P) == pytest.approx(1 - auroc(Y, P))


def test_auprc_is_one_when_perfect_and_the_prevalence_when_constant():
    assert auprc(Y, Y * 1.0) == 1.0
    assert auprc(Y, np.full(8, 0.2)) == 0.5


def test_decisions_are_taken_at_one_half():
    # predicted positive: rows 4, 6, 7; right are 4 and 7
    assert balanced_accuracy(Y, P) == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert f1(Y, P) == pytest.approx(2 * 2 / (2 * 2 + 1 + 2))
    assert f1(np.array([1, 0]), np.array([0.5, 0.4])) == 1.0


def test_one_class_is_undefined():
    ones = np.ones(4, dtype=int)
    assert math.isnan(auroc(ones, P[:4]))
    assert math.isnan(auprc(ones, P[:4]))
    assert math.isnan(balanced_accuracy(1 - ones, P[:4]))
    assert math.isnan(f1(1 - ones, np.zeros(4)))
