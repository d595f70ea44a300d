"""The factorisation: descent, optimality, masks, penalties; scikit-learn is its known limit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import nnls
from sklearn.decomposition import NMF

from consilience.fusion.numerics.masked_nmf import (
    Factors,
    Joined,
    Penalty,
    factorise,
    project,
    start,
)

WIDTHS = (12, 8, 5)
K = 3


def blocks_with(scattered: float = 0.0, missing: float = 0.0, n: int = 40, seed: int = 0):
    rng = np.random.default_rng(seed)
    W = rng.gamma(0.5, size=(n, K))
    blocks = []
    for width in WIDTHS:
        block = W @ rng.gamma(0.5, size=(K, width)) + 0.3 * rng.random((n, width))
        block[rng.random(block.shape) < scattered] = np.nan
        block[rng.random(n) < missing] = np.nan
        blocks.append(block)
    if scattered:
        blocks[0][3:, 0] = np.nan  # a feature that hardly anybody has
    return blocks


def ring(width: int) -> sparse.csr_array:
    """Every feature tied to the next."""
    after = np.roll(np.eye(width), 1, axis=1)
    return sparse.csr_array(0.5 * (after + after.T))


def penalties() -> dict[str, Penalty]:
    unit = np.repeat([1.0, 0.7, 0.4], WIDTHS)
    width = sum(WIDTHS)
    return {
        "none": Penalty.none(width),
        "l1": Penalty.of(unit, 2.0, None, 0.0),
        "graph": Penalty.of(unit, 0.0, ring(width), 5.0),
        "both": Penalty.of(unit, 2.0, ring(width), 5.0),
    }


GAPS = {
    "whole": {},
    "scattered": {"scattered": 0.25},
    "modalities": {"missing": 0.3},
    "both": {"scattered": 0.2, "missing": 0.3},
}
every_gap = pytest.mark.parametrize("gap", GAPS)
every_penalty = pytest.mark.parametrize("asked", penalties())


def begin(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    W = rng.random((n, K))
    return W / np.sqrt(np.mean(W**2, axis=0)), rng.random((sum(WIDTHS), K))


def by_hand(blocks: list[np.ndarray], factors: Factors, penalty: Penalty) -> float:
    """The objective from its definition, entry by entry and edge by edge."""
    X = np.hstack(blocks)
    error = (X - factors.W @ factors.H.T)[~np.isnan(X)]
    value = 0.5 * np.sum(error**2) + np.sum(penalty.l1[:, None] * factors.H)
    if penalty.edges is not None:
        value += 0.5 * np.sum(penalty.diagonal[:, None] * factors.H**2)
        for i, j, b in zip(*sparse.find(penalty.edges), strict=True):
            value -= 0.5 * b * factors.H[i] @ factors.H[j]
    return float(value)


def test_each_iterate_is_that_of_scikit_learn() -> None:
    blocks = blocks_with()
    X, (W, H) = np.hstack(blocks), begin(40)
    ours = factorise(Joined.of(blocks), (W, H), Penalty.none(25), max_iter=30, tol=-1, sweeps=1)
    peer = NMF(K, init="custom", solver="cd", shuffle=False, max_iter=30, tol=0)
    theirs = peer.fit_transform(X, W=W.copy(), H=H.T.copy())
    np.testing.assert_allclose(ours.W, theirs, atol=1e-10)
    np.testing.assert_allclose(ours.H.T, peer.components_, atol=1e-10)


def test_at_the_end_the_objective_is_no_worse_than_scikit_learns() -> None:
    blocks = blocks_with()
    joined = Joined.of(blocks)
    X, (W, H) = np.hstack(blocks), begin(40)
    ours = factorise(joined, (W, H), Penalty.none(25), max_iter=5000, tol=1e-9)
    peer = NMF(K, init="custom", solver="cd", shuffle=False, max_iter=5000, tol=1e-6)
    peer.fit_transform(X, W=W.copy(), H=H.T.copy())
    assert ours.objective[-1] <= 0.5 * peer.reconstruction_err_**2 * (1 + 1e-3)


@every_gap
@every_penalty
def test_the_objective_is_as_defined_and_never_rises(gap: str, asked: str) -> None:
    blocks, penalty = blocks_with(**GAPS[gap]), penalties()[asked]
    joined = Joined.of(blocks)
    found = factorise(joined, begin(40), penalty, max_iter=80, tol=-1)
    slack = 1e-12 * joined.square
    assert np.max(np.diff(found.objective)) <= slack
    assert found.objective[-1] == pytest.approx(by_hand(blocks, found, penalty), abs=slack)
    first = Factors(*begin(40), np.zeros(K), [])
    assert found.objective[0] == pytest.approx(by_hand(blocks, first, penalty), abs=slack)


@every_gap
@every_penalty
def test_at_the_end_the_optimality_conditions_hold(gap: str, asked: str) -> None:
    """Gradients are 0 where a coordinate is positive, not negative where it is 0."""
    blocks, penalty = blocks_with(**GAPS[gap]), penalties()[asked]
    found = factorise(Joined.of(blocks), begin(40), penalty, max_iter=20_000, tol=1e-15, sweeps=3)
    X = np.hstack(blocks)
    error = np.where(np.isnan(X), 0.0, found.W @ found.H.T - np.nan_to_num(X))
    of_w = error @ found.H + found.multipliers * found.W
    of_h = error.T @ found.W + penalty.l1[:, None] + penalty.diagonal[:, None] * found.H
    if penalty.edges is not None:
        of_h -= penalty.edges @ found.H
    size = np.abs(np.nan_to_num(X)).sum() / 40
    for gradient, factor in ((of_w, found.W), (of_h, found.H)):
        assert gradient.min() > -1e-4 * size
        assert np.abs(gradient[factor > 0]).max() < 1e-4 * size
    if penalty.binding:
        squares = np.mean(found.W**2, axis=0)
        assert squares.max() <= 1 + 1e-9
        np.testing.assert_allclose(found.multipliers * (1 - squares), 0, atol=1e-6)


@every_gap
def test_grams_are_sums_over_what_is_there(gap: str) -> None:
    blocks = blocks_with(**GAPS[gap])
    joined, (W, H) = Joined.of(blocks), begin(40)
    seen = ~np.isnan(np.hstack(blocks))
    grams, which = joined.row_grams(H)
    np.testing.assert_allclose(grams[which], np.einsum("ij,ja,jb->iab", seen, H, H), atol=1e-12)
    grams, which = joined.column_grams(W)
    np.testing.assert_allclose(grams[which], np.einsum("ij,ia,ib->jab", seen, W, W), atol=1e-12)


def test_a_feature_with_one_value_loses_no_digit() -> None:
    """Its Gram matrix is summed from what it has, not left over from what it lacks."""
    block = np.full((1000, 2), np.nan)
    block[:, 1] = 1.0
    block[7, 0] = 1.0
    W = np.ones((1000, 1))
    W[7] = 1e-9
    grams, which = Joined.of([block]).column_grams(W)
    assert grams[which[0], 0, 0] == 1e-9**2


def test_what_is_masked_is_as_if_filled_with_the_fit() -> None:
    """At the end, filling the gaps with W Hᵀ changes no gradient: it stays the end."""
    blocks = blocks_with(**GAPS["both"])
    found = factorise(Joined.of(blocks), begin(40), Penalty.none(25), max_iter=20_000, tol=1e-14)
    X = np.hstack(blocks)
    whole = np.where(np.isnan(X), found.W @ found.H.T, X)
    again = factorise(Joined.of([whole]), (found.W, found.H), Penalty.none(25), max_iter=5, tol=-1)
    assert again.objective[-1] == pytest.approx(found.objective[-1], rel=1e-6)


def test_blocks_side_by_side_are_one_matrix() -> None:
    blocks = blocks_with(**GAPS["scattered"])
    several = factorise(Joined.of(blocks), begin(40), Penalty.none(25), max_iter=20, tol=-1)
    one = factorise(
        Joined.of([np.hstack(blocks)]), begin(40), Penalty.none(25), max_iter=20, tol=-1
    )
    np.testing.assert_allclose(several.W, one.W, atol=1e-9)


def test_a_larger_l1_leaves_fewer_features() -> None:
    joined = Joined.of(blocks_with())
    left = []
    for l1 in (0.0, 4.0, 16.0, 1e4):
        penalty = Penalty.of(np.ones(25), l1, None, 0.0)
        left.append(np.count_nonzero(factorise(joined, begin(40), penalty).H))
    assert left == sorted(left, reverse=True)
    assert left[0] > left[1] > left[2] > left[3] == 0


def test_tied_features_grow_alike_on_the_scale_before_weighting() -> None:
    unit = np.repeat([1.0, 0.5, 0.25], WIDTHS)
    pair = sparse.csr_array(([1.0, 1.0], ([2, 22], [22, 2])), shape=(25, 25))
    apart = []
    for strength in (0.0, 40.0, 1e7):
        penalty = Penalty.of(unit, 1e-3, pair, strength)
        H = factorise(Joined.of(blocks_with()), begin(40), penalty, max_iter=3000).H / unit[:, None]
        apart.append(np.linalg.norm(H[2] - H[22]) / np.linalg.norm(H[[2, 22]]))
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 1e-4


@every_gap
def test_projection_is_non_negative_least_squares_on_what_is_there(gap: str) -> None:
    blocks, (_, H) = blocks_with(**GAPS[gap]), begin(40)
    X = np.hstack(blocks)
    found = project(blocks, H, np.zeros(K))
    for row, own in zip(X, found, strict=True):
        seen = ~np.isnan(row)
        expected = nnls(H[seen], row[seen])[0] if seen.any() else np.zeros(K)
        np.testing.assert_allclose(own, expected, atol=1e-6)


def test_each_patient_is_projected_by_himself_to_the_last_bit() -> None:
    blocks, (_, H) = blocks_with(**GAPS["both"]), begin(40)
    together = project(blocks, H, np.zeros(K))
    alone = [project([block[[i]] for block in blocks], H, np.zeros(K)) for i in range(40)]
    assert np.array_equal(together, np.vstack(alone))


@every_penalty
def test_training_patients_are_projected_to_where_they_are(asked: str) -> None:
    blocks, penalty = blocks_with(**GAPS["both"]), penalties()[asked]
    found = factorise(Joined.of(blocks), begin(40), penalty, max_iter=20_000, tol=1e-15)
    np.testing.assert_allclose(project(blocks, found.H, found.multipliers), found.W, atol=2e-3)


def test_normalised_is_the_same_product_with_the_strongest_first() -> None:
    found = factorise(Joined.of(blocks_with()), begin(40), Penalty.none(25))
    normal = found.normalised()
    np.testing.assert_allclose(normal.W @ normal.H.T, found.W @ found.H.T, atol=1e-12)
    np.testing.assert_allclose(np.mean(normal.W**2, axis=0), 1.0)
    assert list(normal.shares()) == sorted(normal.shares(), reverse=True)
    assert normal.shares().sum() == pytest.approx(1.0)


def test_a_start_draws_patients_only() -> None:
    """So that the order of the features is of no account."""
    blocks = blocks_with(**GAPS["both"])
    turned = [block[:, ::-1] for block in blocks]
    W, H = start(Joined.of(blocks), K, np.random.default_rng(0))
    W_turned, H_turned = start(Joined.of(turned), K, np.random.default_rng(0))
    np.testing.assert_allclose(W, W_turned, atol=1e-12)
    np.testing.assert_allclose(H[:12], H_turned[:12][::-1], atol=1e-12)
    assert (W >= 0).all() and (H >= 0).all()


def test_a_start_is_scaled_to_fit_best() -> None:
    joined = Joined.of(blocks_with())
    W, H = start(joined, K, np.random.default_rng(0))
    errors = [np.sum((joined.X - factor * W @ H.T) ** 2) for factor in (0.99, 1.0, 1.01)]
    assert errors[1] < min(errors[0], errors[2])


def test_it_says_whether_it_converged() -> None:
    joined = Joined.of(blocks_with())
    assert not factorise(joined, begin(40), Penalty.none(25), max_iter=2).converged
    assert factorise(joined, begin(40), Penalty.none(25), max_iter=5000).converged
