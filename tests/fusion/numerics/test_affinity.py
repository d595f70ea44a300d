"""The network's formulas against SNFtool, and what gaps do to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.metrics.pairwise import nan_euclidean_distances

from consilience.fusion.numerics.affinity import (
    Settings,
    affinity,
    diffuse,
    distances,
    layer,
    local_kernel,
    mean_network,
    pooled,
    reach,
    row_mass,
    symmetric_rows,
    transition,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"


def matrices(n: int = 60, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, n)
    return [rng.normal(size=(n, p)) + groups[:, None] * (p == 7) for p in (12, 7, 20)]


def fused_network(blocks: list[np.ndarray], settings: Settings | None = None) -> np.ndarray:
    settings = settings or Settings()
    n = len(blocks[0])
    layers = []
    for block in blocks:
        rows = np.flatnonzero(np.isfinite(block).any(axis=1))
        layers.append(layer(distances(block[rows], block[rows]), rows, settings))
    networks = diffuse(layers, n, settings.iterations)
    return transition(mean_network(networks, [each.rows for each in layers], n)[0])


def plain_affinity(apart: np.ndarray, k: int, sigma: float) -> np.ndarray:
    """SNFtool's affinityMatrix, entry by entry."""
    n, eps = len(apart), np.finfo(float).eps
    means = [np.sort(row)[1 : k + 1].mean() + eps for row in apart]
    out = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            sig = max((means[i] + means[j]) / 2 / 3 * 2 + apart[i, j] / 3 + eps, eps)
            out[i, j] = norm.pdf(apart[i, j], 0, sigma * sig)
    return (out + out.T) / 2


def plain_fusion(affinities: list[np.ndarray], k: int, iterations: int) -> np.ndarray:
    """SNFtool's SNF, every network dense and every patient in each."""

    def normalised(w: np.ndarray) -> np.ndarray:
        w = w / (2 * (w.sum(axis=1) - np.diag(w)))[:, None]
        np.fill_diagonal(w, 0.5)
        return (w + w.T) / 2

    def dominant(w: np.ndarray) -> np.ndarray:
        out = np.zeros_like(w)
        for i, row in enumerate(w):
            out[i, np.argsort(row)[len(row) - k :]] = np.sort(row)[len(row) - k :]
        return out / out.sum(axis=1, keepdims=True)

    walls = [normalised(w) for w in affinities]
    kernels = [dominant(w) for w in walls]
    for _ in range(iterations):
        carried = []
        for j, kernel in enumerate(kernels):
            others = sum(w for i, w in enumerate(walls) if i != j) / (len(walls) - 1)
            carried.append(kernel @ others @ kernel.T)
        walls = [normalised(w) for w in carried]
    return normalised(sum(walls) / len(walls))


def test_snftool_on_breast_tcga(data):
    """The numbers that R gave: first row, trace and norm of the fused network."""
    expected = json.loads((FIXTURES / "snf_snftool.json").read_text())
    folder, blocks = data / "breast-tcga", []
    for name in expected["order"]:
        frame = pd.read_csv(folder / f"train_{name}.csv", index_col=0).select_dtypes("number")
        blocks.append(((frame - frame.mean()) / frame.std()).to_numpy())
    settings = Settings(expected["K"], expected["sigma"], expected["t"])
    network = fused_network(blocks, settings)
    assert_allclose(network[0], expected["fused_first_row"], rtol=1e-10)
    assert np.trace(network) == pytest.approx(expected["fused_trace"], rel=1e-12)
    assert np.linalg.norm(network) == pytest.approx(expected["fused_frobenius"], rel=1e-12)
    # The plain form below is SNFtool too, so it may stand in for it where the data are not.
    apart = [distances(block, block) for block in blocks]
    plain = plain_fusion([plain_affinity(d, 20, 0.5) for d in apart], 20, 20)
    assert_allclose(plain[0], expected["fused_first_row"], rtol=1e-10)


@pytest.mark.parametrize(("k", "width", "iterations"), [(20, 0.5, 20), (7, 0.3, 5), (11, 0.8, 1)])
def test_the_plain_form_of_snftool(k, width, iterations):
    blocks = matrices()
    apart = [distances(block, block) for block in blocks]
    expected = plain_fusion([plain_affinity(d, k, width) for d in apart], k, iterations)
    assert_allclose(fused_network(blocks, Settings(k, width, iterations)), expected, rtol=1e-9)


def test_affinity_is_the_density_with_a_local_width():
    block = matrices()[0]
    apart = distances(block, block)
    own = reach(apart, 9, skip=1)
    assert_allclose(affinity(apart, own, own, 0.5), plain_affinity(apart, 9, 0.5), rtol=1e-12)


def test_distances_with_gaps_are_scaled_up_over_shared_columns():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 8)), rng.normal(size=(5, 8))
    a[rng.random(a.shape) < 0.3] = np.nan
    b[rng.random(b.shape) < 0.3] = np.nan
    assert_allclose(distances(a, b), nan_euclidean_distances(a, b), rtol=1e-12)


def test_rows_without_a_common_column_are_as_far_as_strangers_are():
    a, b = np.array([[1.0, np.nan, 3.0, np.nan]]), np.array([[np.nan, 5.0, np.nan, 9.0]])
    assert distances(a, b)[0, 0] == pytest.approx(np.sqrt(2 * 4))
    rng = np.random.default_rng(0)  # what strangers are expected to be
    x, y = rng.normal(size=(2000, 4)), rng.normal(size=(2000, 4))
    assert ((x - y) ** 2).sum(axis=1).mean() == pytest.approx(8, rel=0.05)


def test_equal_rows_are_at_no_distance_and_near_ones_keep_their_digits():
    rng = np.random.default_rng(0)
    a = 1e3 + rng.normal(size=(4, 50))
    assert_array_equal(np.diag(distances(a, a)), 0.0)
    close = a + 1e-6
    assert_allclose(np.diag(distances(a, close)), np.sqrt(50) * 1e-6, rtol=1e-6)


def test_a_transition_matrix_is_symmetric_with_a_half_on_its_diagonal():
    network = transition(np.random.default_rng(0).random((20, 20)))
    assert_array_equal(network, network.T)
    assert_array_equal(np.diag(network), 0.5)
    assert row_mass(network).mean() == pytest.approx(0.5)


def test_a_row_added_is_made_as_transition_makes_it():
    """An unseen patient's row is that of a network in which the others do not count him."""
    weights = np.random.default_rng(0).random((20, 20))
    weights = weights + weights.T
    mass = row_mass(weights)
    expected = transition(weights)[3]
    given = symmetric_rows(np.delete(weights[3], 3)[None], np.delete(mass, 3))[0]
    assert_allclose(given, np.delete(expected, 3), rtol=1e-12)


def test_a_local_kernel_keeps_the_strongest_and_sums_to_1():
    network = transition(np.random.default_rng(0).random((30, 30)))
    kernel = local_kernel(network, 6).toarray()
    assert_allclose(kernel.sum(axis=1), 1.0)
    assert ((kernel > 0).sum(axis=1) == 6).all()
    for dense, row in zip(network, kernel, strict=True):
        assert dense[row > 0].min() >= dense[row == 0].max()


def test_a_kernel_of_few_patients_keeps_all():
    network = transition(np.random.default_rng(0).random((4, 4)))
    assert (local_kernel(network, 20).toarray() > 0).all()


def test_pairs_are_pooled_over_the_networks_that_have_both():
    a, b = np.full((3, 3), 0.2), np.full((2, 2), 0.3)
    np.fill_diagonal(a, 0.5)
    np.fill_diagonal(b, 0.5)
    rows = [np.array([0, 1, 2]), np.array([2, 3])]
    total, count = pooled([a, b], rows, 4)
    assert_array_equal(count[2], [1, 1, 2, 1])
    assert_array_equal(count[0], [1, 1, 1, 0])
    # A row of three spreads over two others, one of two over one: brought to four patients.
    assert total[0, 1] == pytest.approx(0.2 * 2 / 3)
    assert total[2, 3] == pytest.approx(0.3 * 1 / 3)
    assert total[2, 2] == pytest.approx(1.0)


def test_a_pair_without_a_common_modality_is_typical_of_both():
    a, b = np.array([[0.5, 0.4], [0.4, 0.5]]), np.array([[0.5, 0.1], [0.1, 0.5]])
    mean, typical = mean_network([a, b], [np.array([0, 1]), np.array([1, 2])], 3)
    one, two = 0.4 / 2, 0.1 / 2  # two patients of three
    assert_allclose(typical, [one, (one + two) / 2, two])
    assert mean[0, 2] == mean[2, 0] == pytest.approx((one + two) / 2)
    assert mean[0, 1] == pytest.approx(one)


def test_a_modality_by_itself_diffuses_through_its_own_kernel():
    block = matrices()[0]
    first = layer(distances(block, block), np.arange(60), Settings(10, 0.5, 1))
    expected = transition(first.kernel.toarray() @ first.network @ first.kernel.toarray().T)
    assert_allclose(diffuse([first], 60, 1)[0], expected, rtol=1e-12)


def test_modalities_without_a_common_patient_stay_apart():
    """What no other network knows is left as the modality has it."""
    a, b, _ = matrices()
    a, b = a.copy(), b.copy()
    a[30:], b[:30] = np.nan, np.nan
    alone = diffuse([layer(distances(a[:30], a[:30]), np.arange(30), Settings(10))], 30, 20)[0]
    both = diffuse(
        [
            layer(distances(a[:30], a[:30]), np.arange(30), Settings(10)),
            layer(distances(b[30:], b[30:]), np.arange(30, 60), Settings(10)),
        ],
        60,
        20,
    )
    assert_allclose(both[0], alone, rtol=1e-12)


def test_one_gap_moves_the_network_little():
    """Gaps are no special case: one patient without one modality is almost the whole network."""
    whole, holed = matrices(), matrices()
    holed[2][5] = np.nan
    a, b = fused_network(whole), fused_network(holed)
    others = np.delete(np.arange(60), 5)
    pairs = np.ix_(others, others)
    assert np.corrcoef(a[pairs].ravel(), b[pairs].ravel())[0, 1] > 0.999
    assert np.median(np.abs(b[pairs] / a[pairs] - 1)) < 0.02
