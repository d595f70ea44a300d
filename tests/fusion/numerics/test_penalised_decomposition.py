"""The core of sparse CCA: agreement with PMA, optimality, gaps, planted truth."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from bench.loaders import ROOT, breast_tcga

from consilience.fusion.numerics.cross_products import (
    Deflated,
    Factored,
    Stored,
    cheapest,
    cross_products,
)
from consilience.fusion.numerics.penalised_decomposition import (
    Penalty,
    _alternate,
    decompose,
    unit_vector,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"


@cache
def breast() -> dict[str, np.ndarray]:
    """Return breast-tcga's training matrices, standardised as PMA does (1 / (n - 1))."""
    if not (ROOT / "breast-tcga").is_dir():
        pytest.skip("the measurements of breast-tcga are not beside the project")
    tables = breast_tcga()[0].modalities
    blocks = {name: np.array(table.numeric) for name, table in tables.items()}
    return {name: (b - b.mean(axis=0)) / b.std(axis=0, ddof=1) for name, b in blocks.items()}


@cache
def pma() -> dict:
    return json.loads((FIXTURES / "sparse_cca_pma.json").read_text())


def fractions(blocks, fraction) -> list[Penalty]:
    return [Penalty(max(1.0, fraction * np.sqrt(block.shape[1]))) for block in blocks]


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference, signs free, over the largest entry."""
    return min(np.abs(one - s * other).max() for s in (1, -1)) / np.abs(other).max()


def f1(found: np.ndarray, true: np.ndarray) -> float:
    return 2 * np.count_nonzero(found & true) / (np.count_nonzero(found) + np.count_nonzero(true))


def one_factor(seed: int, noise: float, n: int = 50, p: int = 500):
    """Return two blocks driven by one factor through 20 ones and 20 minus ones each."""
    rng = np.random.default_rng(seed)
    u = np.r_[np.ones(20), -np.ones(20), np.zeros(p - 40)]
    v = u[::-1]
    factor = rng.standard_normal(n)
    blocks = [np.outer(factor, w) + noise * rng.standard_normal((n, p)) for w in (u, v)]
    return [(b - b.mean(axis=0)) / b.std(axis=0) for b in blocks], u != 0, v != 0


# --- parity with PMA --------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", ["penalty_0.3", "penalty_0.5"])
def test_two_blocks_agree_with_pma(penalty):
    blocks, theirs = [breast()["mrna"], breast()["protein"]], pma()[penalty]
    ours = decompose(blocks, fractions(blocks, theirs["penalty"]), 3)
    assert all(ours.settled)
    np.testing.assert_allclose(ours.strengths, theirs["d"], rtol=1e-3)
    for k in range(3):
        assert apart(ours.weights[0][:, k], np.array(theirs["u"])[:, k]) < 1e-3
        assert apart(ours.weights[1][:, k], np.array(theirs["v"])[:, k]) < 1e-3
        scores = [block @ w[:, k] for block, w in zip(blocks, ours.weights, strict=True)]
        assert np.corrcoef(*scores)[0, 1] == pytest.approx(theirs["cors"][k], rel=1e-3)


def test_where_the_vectors_differ_from_pma_the_objective_is_higher():
    blocks, theirs = [breast()["mrna"], breast()["protein"]], pma()["penalty_0.1"]
    ours = decompose(blocks, fractions(blocks, 0.1), 3)
    assert apart(ours.weights[0][:, 0], np.array(theirs["u"])[:, 0]) < 1e-3
    assert ours.strengths[1] > 1.4 * theirs["d"][1]  # what is left after the same first pair
    assert ours.strengths[2] > theirs["d"][2]


def test_several_blocks_reach_pmas_objective():
    theirs = pma()["multi"]
    blocks = [breast()[name] for name in theirs["order"]]
    ours = decompose(blocks, [Penalty(3.0)] * 3, 2)
    left = Deflated(cross_products(blocks))
    for k in range(2):
        # PMA stops at a change of 1e-3 of its objective: ours is as good and near.
        known = [np.array(w)[:, k] for w in theirs["ws"]]
        assert ours.strengths[k] >= left.value(known)
        assert ours.strengths[k] == pytest.approx(left.value(known), rel=2e-3)
        mine = [w[:, k] for w in ours.weights]
        scores = [block @ w for block, w in zip(blocks, mine, strict=True)]
        summed = np.triu(np.corrcoef(scores), 1).sum()
        assert summed == pytest.approx(theirs["cors"][k], rel=1e-3)
        left.explain(mine)


# --- optimality -------------------------------------------------------------------------------


def test_the_unit_vector_is_the_best_within_its_bounds():
    rng = np.random.default_rng(0)
    for _ in range(300):
        size = int(rng.integers(2, 30))
        target = np.round(rng.standard_normal(size), int(rng.integers(1, 6)))
        bound = 1 + rng.random() * (np.sqrt(size) - 1)
        vector = unit_vector(target, Penalty(bound))
        magnitude = np.abs(target)
        tied = np.count_nonzero(magnitude >= magnitude.max() * (1 - 1e-9))
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert np.abs(vector).sum() <= max(bound, np.sqrt(tied)) + 1e-9
        if tied > bound**2:
            continue
        # Duality: for every threshold t, value <= |soft(target, t)| + t * bound.
        least = min(
            np.linalg.norm(np.maximum(magnitude - t, 0)) + t * bound
            for t in np.linspace(0, magnitude.max(), 400)
        )
        assert target @ vector <= least + 1e-9
        assert target @ vector == pytest.approx(least, rel=2e-3)


def test_nearly_tied_features_lose_no_digits():
    target = np.array([1.0, 1.0 - 1e-6, 0.3, -0.2])
    vector = unit_vector(target, Penalty(1.2))
    assert np.abs(vector).sum() == pytest.approx(1.2, rel=1e-9)
    shared = unit_vector(np.array([2.0, -2.0, 1.0]), Penalty(1.0))
    np.testing.assert_allclose(shared, [np.sqrt(0.5), -np.sqrt(0.5), 0.0])


def test_the_value_never_falls():
    blocks = [breast()[name] for name in ("mrna", "protein", "mirna")]
    left, penalties = Deflated(cross_products(blocks)), fractions(blocks, 0.3)
    rng = np.random.default_rng(1)
    weights = [
        unit_vector(rng.standard_normal(b.shape[1]), p)
        for b, p in zip(blocks, penalties, strict=True)
    ]
    values = [
        left.value(_alternate(left, penalties, weights, sweeps, 0.0).weights)
        for sweeps in range(1, 25)
    ]
    assert (np.diff(values) >= -1e-9 * values[-1]).all()


def test_many_features_are_solved_as_exactly_as_few():
    rng = np.random.default_rng(2)
    factor = rng.standard_normal((60, 2))
    blocks = []
    for p in (1500, 1200):
        slopes = rng.standard_normal((2, p)) * (rng.random((2, p)) < 0.03)
        block = factor @ slopes + rng.standard_normal((60, p))
        blocks.append((block - block.mean(axis=0)) / block.std(axis=0))
    assert isinstance(cross_products(blocks), Factored)
    found = decompose(blocks, fractions(blocks, 0.2), 2)
    whole = Deflated(Stored({(0, 1): blocks[0].T @ blocks[1]}, [1500, 1200]))
    for k in range(2):
        vectors = [w[:, k] for w in found.weights]
        again = _alternate(whole, fractions(blocks, 0.2), vectors, 1, 0.0)
        assert again.moved < 1e-6  # a fixed point of the sweep over all features
        assert whole.value(vectors) == pytest.approx(found.strengths[k], rel=1e-9)
        whole.explain(vectors)


def test_weights_without_minus_signs():
    blocks = [breast()["mrna"], breast()["protein"]]
    penalties = [Penalty(p.bound, nonnegative=True) for p in fractions(blocks, 0.3)]
    found, free = decompose(blocks, penalties, 2), decompose(blocks, fractions(blocks, 0.3), 2)
    assert all((w >= 0).all() and (w > 0).any() for w in found.weights)
    assert 0.5 * free.strengths[0] < found.strengths[0] <= free.strengths[0]


def test_smooth_weights_follow_a_planted_segment():
    rng = np.random.default_rng(3)
    factor = rng.standard_normal(80)
    segment = np.r_[np.zeros(120), np.ones(40), np.zeros(140)]
    one = np.outer(factor, segment) + 3.0 * rng.standard_normal((80, 300))
    other = np.outer(factor, np.r_[np.ones(10), np.zeros(90)]) + rng.standard_normal((80, 100))
    blocks = [(b - b.mean(axis=0)) / b.std(axis=0) for b in (one, other)]
    rough, smooth = (
        decompose(blocks, [Penalty(6.0, smoothness=s), Penalty(3.0)], 1).weights[0][:, 0]
        for s in (0.0, 0.15)
    )
    assert np.abs(np.diff(smooth)).sum() < 0.3 * np.abs(np.diff(rough)).sum()
    assert f1(smooth != 0, segment != 0) > f1(rough != 0, segment != 0) + 0.1
    # The bound holds, save that a stretch of equal weights is kept whole.
    assert np.abs(smooth).sum() <= max(6.0, np.sqrt(np.count_nonzero(smooth))) + 1e-9


# --- gaps -------------------------------------------------------------------------------------


def test_missing_values_are_left_out_pair_by_pair():
    rng = np.random.default_rng(4)
    one, other = rng.standard_normal((30, 4)), rng.standard_normal((30, 3))
    one[rng.random(one.shape) < 0.2] = np.nan
    one[:5], other[25:] = np.nan, np.nan  # not measured at all
    weights = [rng.standard_normal(4), rng.standard_normal(3)]
    expected = np.zeros((4, 3))
    shared = np.isfinite(one).any(axis=1) & np.isfinite(other).any(axis=1)
    for a in range(4):
        for b in range(3):
            both = np.isfinite(one[:, a]) & np.isfinite(other[:, b])
            expected[a, b] = one[both, a] @ other[both, b] * shared.sum() / both.sum()
    products = cross_products([one, other])
    np.testing.assert_allclose(products.pull(0, weights), expected @ weights[1])
    np.testing.assert_allclose(products.pull(1, weights), weights[0] @ expected)
    assert products.between(1, 0, weights) == pytest.approx(weights[0] @ expected @ weights[1])


def test_a_patient_with_one_modality_changes_nothing():
    blocks, _, _ = one_factor(0, 1.0, p=60)
    alone = [
        np.vstack([blocks[0], blocks[0][:7]]),
        np.vstack([blocks[1], np.full((7, 60), np.nan)]),
    ]
    for k in (0, 1):
        np.testing.assert_allclose(
            decompose(alone, [Penalty(4.0)] * 2, 1).weights[k],
            decompose(blocks, [Penalty(4.0)] * 2, 1).weights[k],
            atol=1e-6,
        )


def test_leaving_missing_values_out_loses_little():
    blocks, u, v = one_factor(1, 1.0, n=100, p=200)
    rng = np.random.default_rng(5)
    holes = [np.where(rng.random(b.shape) < 0.3, np.nan, b) for b in blocks]
    found = decompose(holes, [Penalty(0.9 * np.sqrt(40))] * 2, 1).weights
    assert f1(found[0][:, 0] != 0, u) > 0.9
    assert f1(found[1][:, 0] != 0, v) > 0.9


def test_a_block_that_nobody_shares_gets_no_weight():
    blocks, _, _ = one_factor(2, 1.0, p=50)
    third = np.full((50, 5), np.nan)
    found = decompose([*blocks, third], [Penalty(4.0), Penalty(4.0), Penalty(2.0)], 1)
    assert not found.weights[2].any()
    assert found.weights[0].any()


def test_few_products_are_written_out_and_many_are_not():
    few, many = np.zeros((20, 30)), np.zeros((20, 3000))
    assert isinstance(cheapest([few, few]), Stored)
    assert isinstance(cheapest([many, many]), Factored)


# --- truth ------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_planted_features_are_found(noise):
    # One factor, sparse vectors of +1 and -1, 50 patients, 500 features each.
    scores = []
    for seed in range(10):
        blocks, u, v = one_factor(seed, noise)
        weights = decompose(blocks, [Penalty(0.9 * np.sqrt(40))] * 2, 1).weights
        scores += [f1(weights[0][:, 0] != 0, u), f1(weights[1][:, 0] != 0, v)]
    assert min(scores) >= 0.9


def test_the_example_of_pmas_own_help_page():
    # 100 patients of whom 25 differ, by 1 in 50 of 500 and 50 of 1,000 features, noise 1: a
    # factor of variance 0.19, and so fainter than above.
    scores = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        factor = np.r_[np.ones(25), np.zeros(75)]
        u, v = np.r_[np.ones(50), np.zeros(450)], np.r_[np.zeros(50), np.ones(50), np.zeros(900)]
        blocks = [np.outer(factor, w) + rng.standard_normal((100, len(w))) for w in (u, v)]
        blocks = [(b - b.mean(axis=0)) / b.std(axis=0) for b in blocks]
        weights = decompose(blocks, [Penalty(0.85 * np.sqrt(50))] * 2, 1).weights
        scores += [f1(weights[0][:, 0] != 0, u != 0), f1(weights[1][:, 0] != 0, v != 0)]
    assert np.mean(scores) >= 0.9


def test_no_component_is_below_that_from_pmas_start():
    # Which of two starts leads higher is not known after a few sweeps: both are followed.
    rng = np.random.default_rng(5)
    for _ in range(60):
        p, q = int(rng.integers(20, 120)), int(rng.integers(15, 90))
        factor = rng.standard_normal((60, 2))
        blocks = []
        for size in (p, q):
            slopes = rng.standard_normal((2, size)) * (rng.random((2, size)) < 0.2)
            block = factor @ slopes + rng.standard_normal((60, size))
            blocks.append((block - block.mean(axis=0)) / block.std(axis=0))
        penalties = fractions(blocks, float(rng.choice([0.1, 0.2, 0.3, 0.5, 0.8])))
        found = decompose(blocks, penalties, 3)
        left = Deflated(cross_products(blocks))
        starts = np.linalg.svd(blocks[0].T @ blocks[1])[2]
        for k in range(3):
            start = [np.zeros(p), starts[k]]
            theirs = _alternate(left, penalties, start, 300, 1e-9)
            assert found.strengths[k] >= theirs.value * (1 - 1e-6)
            left.explain([w[:, k] for w in found.weights])
