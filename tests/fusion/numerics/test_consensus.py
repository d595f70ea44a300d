"""Consensus clustering: what comes back under resampling, and what chance would bring back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from consilience.fusion.numerics.consensus import (
    Resampling,
    ambiguity,
    area,
    chance,
    consensus,
    gain,
    partition,
    without_clusters,
)
from consilience.fusion.numerics.kmeans_kernel import best_labels, first_centres, settle

HOW = Resampling(30, 0.8)


def groups(k: int, apart: float, n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    corners = apart * np.eye(max(k, 4))[:k, :4]
    return rng.normal(size=(n, 4)) + corners[labels], labels


def test_k_means_settles_where_scikit_learn_does():
    points, _ = groups(4, 3.0)
    centres = points[:4].copy()
    labels, spread = settle(points, centres.copy())
    other = KMeans(4, init=centres, n_init=1, tol=0, algorithm="lloyd").fit(points)
    assert_array_equal(labels, other.labels_)
    assert spread == pytest.approx(other.inertia_)


def test_the_tighter_start_counts():
    points, labels = groups(3, 6.0)
    chances = np.random.default_rng(0).random((20, 3))
    spreads = [settle(points, first_centres(points, row, 3))[1] for row in chances]
    found = best_labels(points, chances, 3)
    best = settle(points, first_centres(points, chances[int(np.argmin(spreads))], 3))[0]
    assert_array_equal(found, best)
    assert adjusted_rand_score(labels, found) > 0.95


def test_first_centres_are_drawn_by_squared_distance():
    points = np.array([[0.0], [1.0], [3.0]])
    chances = np.column_stack([np.zeros(4000), np.random.default_rng(0).random(4000)])
    second = np.array([first_centres(points, row, 2)[1, 0] for row in chances])
    assert (second == 3.0).mean() == pytest.approx(9 / 10, abs=0.02)
    assert (second == 0.0).sum() == 0


def test_a_consensus_matrix_is_the_share_of_resamples_with_both():
    """Written out for one number of clusters with the same draws."""
    points, _ = groups(3, 1.0, n=20)
    matrix = consensus(points, range(2, 4), HOW, np.random.default_rng(5))[3]
    rng = np.random.default_rng(5)
    draws = np.sort(rng.permuted(np.tile(np.arange(20), (30, 1)), axis=1)[:, :16])
    chances = rng.random((30, 2, 3))
    together, both = np.zeros((20, 20)), np.zeros((20, 20))
    for rows, own in zip(draws, chances, strict=True):
        labels = best_labels(points[rows], own, 3)
        together[np.ix_(rows, rows)] += labels[:, None] == labels
        both[np.ix_(rows, rows)] += 1
    assert_allclose(matrix, together / both)


def test_clear_groups_leave_no_doubt_at_their_number():
    points, labels = groups(3, 8.0)
    matrices = consensus(points, range(2, 7), HOW, np.random.default_rng(0))
    assert ambiguity(matrices[3]) < 0.01 < ambiguity(matrices[2])
    assert ambiguity(matrices[3]) < 0.01 < ambiguity(matrices[4])
    assert adjusted_rand_score(labels, partition(matrices[3], 3)) == 1.0
    sizes = np.bincount(labels)
    pairs = (sizes * (sizes - 1)).sum() / (90 * 89)
    assert area(matrices[3]) == pytest.approx(1 - pairs, abs=0.02)


def test_ambiguity_counts_the_pairs_in_between():
    matrix = np.eye(4)
    matrix[0, 1], matrix[0, 2], matrix[0, 3], matrix[1, 2] = 0.05, 0.5, 0.89, 0.95
    assert ambiguity(matrix) == pytest.approx(2 / 6)


def test_the_gain_and_its_chance_by_hand():
    reference = np.array([[0.39, 0.19], [0.39, 0.09]])
    own = np.array([0.19, 0.19])
    expected = [np.log(0.4 / 0.2), (np.log(0.2) + np.log(0.1)) / 2 - np.log(0.2)]
    assert_allclose(gain(own, reference), expected)
    assert chance(own, reference) == pytest.approx(1 / 3)
    assert chance(np.array([0.36, 0.19]), reference) == pytest.approx(2 / 3)


def test_p_values_are_uniform_without_clusters():
    """Patients from one cloud, its shape estimated: the test of all numbers is valid."""
    p_values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        points = rng.normal(size=(50, 3)) * [2.0, 1.0, 0.5]
        counts, how = range(2, 5), Resampling(20)
        own = np.array([ambiguity(m) for m in consensus(points, counts, how, rng).values()])
        p_values.append(chance(own, without_clusters(points, counts, how, 19, rng)))
    jitter = np.random.default_rng(0).random(60) / 20
    assert kstest(np.array(p_values) - jitter, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) < 0.15


def test_the_reference_has_the_shape_of_the_patients():
    """Elongated patients are stable at two halves, and so is their reference."""
    rng = np.random.default_rng(0)
    counts = range(2, 3)
    long = rng.normal(size=(80, 3)) * [10.0, 1.0, 1.0]
    turned = long @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    of_long = without_clusters(turned, counts, HOW, 10, rng).mean()
    of_round = without_clusters(rng.normal(size=(80, 3)), counts, HOW, 10, rng).mean()
    assert of_long < 0.5 * of_round
