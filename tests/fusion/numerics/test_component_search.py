"""The search on inner folds: folds are followed exactly, and the best is what is taken."""

import numpy as np
import pytest

from consilience.fusion.component_evidence import NumberEvidence
from consilience.fusion.numerics.block_components import Settings, scores
from consilience.fusion.numerics.component_search import Chain, Search, Trial, standardised
from consilience.fusion.task import Regression


def two_factors(seed: int, n: int = 120, missing: float = 0.0):
    """Two blocks; the outcome needs two components."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 2))
    blocks = []
    for _ in range(2):
        block = rng.normal(size=(n, 15)) * 0.5
        block[:, :4] += factors[:, [0]]
        block[:, 4:8] += factors[:, [1]] * np.array([1.0, -1.0, 1.0, -1.0]) * 0.6
        block[rng.random(block.shape) < missing] = np.nan
        blocks.append(block)
    y = factors[:, 0] + 1.5 * factors[:, 1] + 0.2 * rng.normal(size=n)
    return blocks, y


def design(n_blocks: int) -> np.ndarray:
    matrix = np.full((n_blocks + 1, n_blocks + 1), 0.1)
    matrix[-1], matrix[:, -1] = 1.0, 1.0
    np.fill_diagonal(matrix, 0.0)
    return matrix


def searched(blocks, y, *, fixed=False, sparing=False, levels=((2, 2), (8, 8), (15, 15)), most=4):
    task = Regression().fit(y)
    search = Search(
        task, NumberEvidence(task.prior), Settings(design(2)), (levels,) * most, fixed, sparing
    )
    return search.run(blocks, y, y, task.folds(y, 5, 0))


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_patients_left_out_are_followed_as_new_patients_are_scored(missing):
    blocks, y = two_factors(0, missing=missing)
    train, out = np.arange(90), np.arange(90, 120)
    trial = Trial.of(blocks, y[:, None], train, out)
    for keep in [(4, 6), (15, 3), (2, 2)]:
        trial = trial.longer(keep, Settings(design(2)))
    for place, block in enumerate(blocks):
        other = standardised(block[train], block[out])[1]
        loadings = trial.chain.loadings(place)
        expected = scores(other, loadings, trial.chain.regressions(place))
        np.testing.assert_allclose(trial.variates[place], expected, atol=1e-10)


def test_patients_left_out_leave_no_trace_in_the_components():
    blocks, y = two_factors(1)
    train, out = np.arange(90), np.arange(90, 120)
    other = [np.vstack([block[:90], block[90:] * 100 + 3]) for block in blocks]
    one = Trial.of(blocks, y[:, None], train, out).longer((4, 4), Settings(design(2)))
    two = Trial.of(other, y[:, None], train, out).longer((4, 4), Settings(design(2)))
    for place in range(2):
        mine = one.chain.loadings(place)
        np.testing.assert_array_equal(mine, two.chain.loadings(place))


def test_two_components_are_found_where_a_nuisance_needs_one_of_them():
    """The outcome's factor shares its features with a stronger one of no account."""
    rng = np.random.default_rng(2)
    factor, nuisance = rng.normal(size=(2, 200))
    share = np.array([1.0] * 5 + [0.0] * 10)
    blocks = [
        np.outer(factor, share) + 3 * nuisance[:, None] + 0.3 * rng.normal(size=(200, 15))
        for _ in range(2)
    ]
    found = searched(blocks, factor, sparing=True)
    assert len(found.keep) >= 2
    one = min(loss for place, _, loss in found.losses if place == 1)
    two = min(loss for place, _, loss in found.losses if place == 2)
    assert two < 0.5 * one


def test_what_is_taken_has_the_least_loss():
    blocks, y = two_factors(3)
    found = searched(blocks, y)
    by_place = {
        place: min((one for one in found.losses if one[0] == place), key=lambda one: one[2])
        for place in range(1, 1 + max(place for place, _, _ in found.losses))
    }
    assert found.keep == tuple(by_place[place + 1][1] for place in range(len(found.keep)))
    assert len(found.keep) == min(by_place.values(), key=lambda one: one[2])[0]


def test_a_number_of_components_that_is_given_is_taken():
    blocks, y = two_factors(4)
    assert len(searched(blocks, y, fixed=True, most=3).keep) == 3


def test_sparing_takes_no_more():
    for seed in range(5, 9):
        blocks, y = two_factors(seed)
        least, sparing = searched(blocks, y), searched(blocks, y, sparing=True)
        assert sparing.keep[0] <= least.keep[0]


def test_the_search_ends_where_nothing_is_left():
    rng = np.random.default_rng(9)
    blocks = [rng.normal(size=(40, 2)), rng.normal(size=(40, 1))]
    y = blocks[0] @ [1.0, -2.0] + 0.1 * blocks[1][:, 0] + 0.01 * rng.normal(size=40)
    found = searched(blocks, y, levels=((2, 1),), most=5)
    assert max(place for place, _, _ in found.losses) == 2


def test_the_search_ends_with_the_first_component_that_does_not_help():
    rng = np.random.default_rng(12)
    blocks = [rng.normal(size=(60, 10)), rng.normal(size=(60, 10))]
    y = blocks[0][:, 0] + blocks[1][:, 0] + 0.1 * rng.normal(size=60)
    found = searched(blocks, y, levels=((1, 1),))
    least = [loss for _, _, loss in found.losses]
    assert len(found.keep) < len(least) <= 4
    assert least[-1] >= least[-2]


def test_weights_are_correlations_with_the_outcomes_variate():
    blocks, y = two_factors(10)
    chain = Chain.of([standardised(block, block)[0] for block in blocks], y[:, None])
    chain = chain.longer((15, 15), Settings(design(2)))
    expected = [np.corrcoef(own[:, 0], y)[0, 1] for own in chain.variates()]
    np.testing.assert_allclose(chain.weights(), expected, atol=1e-12)


def test_standardised_takes_only_the_training_patients_and_drops_constants():
    rng = np.random.default_rng(11)
    train, other = rng.normal(5, 2, (50, 3)), rng.normal(5, 2, (10, 3))
    train[:, 1], train[0, 0] = 4.0, np.nan
    own, new = standardised(train, other)
    np.testing.assert_allclose(np.nanmean(own, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanvar(own, axis=0), [1, 0, 1], atol=1e-12)
    assert not new[:, 1].any() and np.isnan(own[0, 0])
    np.testing.assert_allclose(new[:, 2], (other[:, 2] - train[:, 2].mean()) / train[:, 2].std())
