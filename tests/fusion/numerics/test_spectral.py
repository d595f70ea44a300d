"""Eigenvectors of networks whose modes are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import adjusted_rand_score

from consilience.fusion.numerics.spectral import cluster_counts, clusters, leading, normalised, walk


def blocks(sizes: tuple[int, ...], across: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    network = np.where(labels[:, None] == labels, 1.0, across)
    network = network * rng.uniform(0.5, 1.5, network.shape)
    return (network + network.T) / 2, labels


def test_leading_vectors_solve_the_eigenproblem():
    network, _ = blocks((12, 9, 7), 0.1)
    values, vectors = leading(network, 4)
    assert_allclose(normalised(network) @ vectors, vectors * values, atol=1e-12)
    assert_allclose(vectors.T @ vectors, np.eye(4), atol=1e-12)
    assert values[0] == pytest.approx(1.0)
    assert (np.diff(values) < 0).all()
    assert (vectors.max(axis=0) >= -vectors.min(axis=0)).all()


def test_the_diagonal_counts_for_nothing():
    network, _ = blocks((12, 9), 0.1)
    other = network + np.diag(np.arange(21.0))
    assert_allclose(leading(network, 3)[0], leading(other, 3)[0], rtol=1e-12)


def test_modes_of_the_walk_shrink_by_their_eigenvalue():
    network, _ = blocks((12, 9, 7), 0.1)
    values, modes = walk(network, 3)
    bare = network - np.diag(np.diag(network))
    step = bare / bare.sum(axis=1, keepdims=True)
    assert_allclose(step @ modes, modes * values, atol=1e-12)
    weight = bare.sum(axis=1) / bare.sum()
    assert_allclose(weight @ modes, 0, atol=1e-12)  # apart from the constant mode
    assert_allclose(weight @ modes**2, 1, rtol=1e-12)


@pytest.mark.parametrize("sizes", [(20, 20), (25, 10, 15), (12, 8, 20, 10)])
def test_blocks_are_found_and_counted(sizes):
    network, labels = blocks(sizes, 0.15)
    values, vectors = leading(network, 7)
    assert adjusted_rand_score(labels, clusters(vectors[:, : len(sizes)])) == 1.0
    found = cluster_counts(values, 6)
    assert found["eigengap"] == found["rotation"] == len(sizes)


def test_the_rules_are_those_of_snftool():
    """Gap and ratio of eigenvalues, by hand."""
    found = cluster_counts(np.array([1.0, 0.8, 0.7, 0.2, 0.02]), 4)
    assert_allclose(list(found["gaps"].values()), [0.1, 0.5, 0.18])
    assert_allclose(list(found["costs"].values()), [0.7 / 0.8, 0.2 / 0.7, 0.02 / 0.2])
    assert (found["eigengap"], found["rotation"]) == (3, 4)


def test_two_unlinked_parts_are_two_clusters():
    network, labels = blocks((10, 15), 0.0)
    found = clusters(leading(network, 2)[1])
    assert_array_equal(found == found[0], labels == 0)
