"""The components: as mixOmics and scikit-learn find them, at a fixed point, with gaps."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import PLSRegression

from consilience.errors import InputError
from consilience.fusion.numerics.block_components import (
    SCHEMES,
    Block,
    Remainder,
    Settings,
    scores,
    soft_keep,
    unit,
)

FIXTURE = Path(__file__).parents[1] / "fixtures" / "block_splsda.json"


def as_r_scales(matrix: np.ndarray) -> np.ndarray:
    return (matrix - matrix.mean(axis=0)) / matrix.std(axis=0, ddof=1)


def indicators(classes: list[str]) -> np.ndarray:
    return np.array([[one == name for name in np.unique(classes)] for one in classes], dtype=float)


def design(n_blocks: int, between: float = 0.1) -> np.ndarray:
    matrix = np.full((n_blocks + 1, n_blocks + 1), between)
    matrix[-1], matrix[:, -1] = 1.0, 1.0
    np.fill_diagonal(matrix, 0.0)
    return matrix


def chain(blocks, outcome, keep, settings):
    rest, found = Remainder.of(blocks, outcome), []
    for one in keep:
        found.append(rest.component(one, settings))
        rest = rest.without(found[-1])
    return found, rest


@pytest.fixture(scope="module")
def mixomics() -> dict:
    return json.loads(FIXTURE.read_text(encoding="utf-8"))


def assert_as_mixomics(found, mixomics, loadings) -> None:
    for place, name in enumerate(mixomics["keep"]):
        for h, component in enumerate(found):
            theirs = np.array(loadings[name])[:, h]
            sign = np.sign(component.loadings[place] @ theirs)
            gap = np.abs(sign * component.loadings[place] - theirs).max()
            assert gap < 1e-3 * np.abs(theirs).max(), (name, h, gap)
            assert set(np.flatnonzero(component.loadings[place])) == set(np.flatnonzero(theirs))
            variate = np.array(mixomics["variates"][name])[:, h]
            apart = np.linalg.norm(sign * component.variates[place] - variate)
            assert apart < 1e-3 * np.linalg.norm(variate), (name, h, apart)


@pytest.mark.parametrize("tol", [1e-6, 1e-10])
def test_loadings_and_variates_are_those_of_mixomics(data, mixomics, tol):
    folder = data / "breast-tcga"
    blocks, loadings = [], {}
    for name, features in mixomics["features"].items():
        frame = pd.read_csv(folder / f"train_{name}.csv", index_col=0)
        blocks.append(as_r_scales(frame.to_numpy()))
        whole = pd.DataFrame(mixomics["loadings"][name], index=features)
        loadings[name] = whole.reindex(frame.columns).fillna(0.0).to_numpy()
    keep = list(zip(*mixomics["keep"].values(), strict=True))
    subtype = pd.read_csv(folder / "train_subtype.csv")["subtype"]
    outcome = as_r_scales(indicators(list(subtype)))
    found, _ = chain(blocks, outcome, keep, Settings(design(3), tol=tol))
    assert_as_mixomics(found, mixomics, loadings)
    assert all(component.settled for component in found)


def shared_factor(seed: int, n: int = 80, widths=(12, 9, 7), missing: float = 0.0):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=n)
    blocks = []
    for width in widths:
        matrix = rng.normal(size=(n, width)) + np.outer(factor, rng.normal(size=width) * 0.7)
        matrix -= matrix.mean(axis=0)
        matrix[rng.random(matrix.shape) < missing] = np.nan
        if missing:
            matrix[rng.random(n) < missing] = np.nan
        blocks.append(matrix)
    outcome = (factor + 0.5 * rng.normal(size=n))[:, None]
    return blocks, outcome - outcome.mean()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_each_component_is_a_fixed_point(scheme, missing):
    """A loading is the thresholded, normalised pull of the other variates on its block."""
    blocks, outcome = shared_factor(0, missing=missing)
    settings = Settings(design(3, 0.5), scheme=scheme, tol=1e-26, max_iter=5000)
    rest = Remainder.of(blocks, outcome)
    for keep in [(4, 3, 7), (2, 9, 2)]:
        component = rest.component(keep, settings)
        assert component.settled
        variates = np.stack(component.variates)
        for place, block in enumerate(rest.blocks):
            pull = SCHEMES[scheme](variates @ variates[place]) * settings.design[place]
            expected = unit(soft_keep((pull @ variates) @ block.values, keep[place]))
            np.testing.assert_allclose(component.loadings[place], expected, atol=1e-9)
            assert np.count_nonzero(component.loadings[place]) == keep[place]
            np.testing.assert_allclose(np.linalg.norm(component.loadings[place]), 1.0)
        rest = rest.without(component)


@pytest.mark.parametrize(
    ("scheme", "g"), [("horst", lambda c: c), ("centroid", np.abs), ("factorial", np.square)]
)
def test_every_round_raises_the_objective(scheme, g):
    blocks, outcome = shared_factor(1)
    matrix = design(3, 1.0)
    reached = []
    for rounds in range(1, 12):
        settings = Settings(matrix, scheme, tol=1e-30, max_iter=rounds)
        found = Remainder.of(blocks, outcome).component((12, 9, 7), settings)
        variates = np.stack(found.variates)
        reached.append((matrix * g(variates @ variates.T)).sum())
    assert (np.diff(reached) >= -1e-9 * np.abs(reached[-1])).all()


def test_one_whole_block_is_scikit_learns_pls_on_indicators():
    rng = np.random.default_rng(2)
    classes = np.array(["a", "b", "c"])[rng.integers(0, 3, 90)]
    block = rng.normal(size=(90, 10)) + indicators(classes) @ rng.normal(size=(3, 10))
    model = PLSRegression(3, tol=1e-14, max_iter=5000).fit(block, indicators(classes))
    settings = Settings(design(1), tol=1e-26, max_iter=5000)
    outcome = as_r_scales(indicators(classes))
    found, _ = chain([as_r_scales(block)], outcome, [(10,)] * 3, settings)
    for h, component in enumerate(found):
        sign = np.sign(component.loadings[0] @ model.x_weights_[:, h])
        np.testing.assert_allclose(sign * component.loadings[0], model.x_weights_[:, h], atol=1e-6)
        np.testing.assert_allclose(sign * component.variates[0], model.x_scores_[:, h], atol=1e-5)


def test_variates_of_a_whole_block_are_uncorrelated():
    blocks, outcome = shared_factor(3)
    found, _ = chain(blocks, outcome, [(4, 4, 4)] * 3, Settings(design(3)))
    for place in range(3):
        variates = np.column_stack([component.variates[place] for component in found])
        gram = variates.T @ variates
        assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-8 * gram.max()


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_scores_of_training_patients_are_their_variates(missing):
    blocks, outcome = shared_factor(4, missing=missing)
    found, _ = chain(blocks, outcome, [(4, 4, 4)] * 3, Settings(design(3)))
    for place, block in enumerate(blocks):
        loadings = np.column_stack([component.loadings[place] for component in found])
        regressions = np.column_stack([component.regressions[place] for component in found])
        variates = np.column_stack([component.variates[place] for component in found])
        np.testing.assert_allclose(scores(block, loadings, regressions), variates, atol=1e-10)


def test_gaps_do_not_move_the_variate_of_a_block_of_rank_one():
    """What is observed says all, as long as a quarter of the loading is."""
    rng = np.random.default_rng(5)
    factor, loading = rng.normal(size=60), unit(rng.uniform(0.8, 1.2, size=12))
    block = np.outer(factor, loading)
    gaps = rng.random(block.shape) < 0.3
    gappy = np.where(gaps, np.nan, block)
    assert (gaps.mean(axis=1) < 0.7).all()
    np.testing.assert_allclose(Block.of(gappy).variate(loading), factor, atol=1e-12)


def test_with_little_observed_the_variate_is_drawn_to_the_mean():
    loading = unit(np.array([10.0, 1.0, 1.0]))
    row = np.array([[np.nan, 2.0, np.nan]])
    assert abs(Block.of(row).variate(loading)[0]) < 2.0


def test_patients_without_a_block_shape_it_in_no_way():
    blocks, outcome = shared_factor(6)
    lacking = np.arange(80) < 30
    gappy = [np.where(lacking[:, None], np.nan, blocks[0]), blocks[1], blocks[2]]
    shifted = [one.copy() for one in blocks]
    settings = Settings(design(3, 0.0), tol=1e-20, max_iter=1000)
    shifted[0][lacking] = 0.0
    one = Remainder.of(gappy, outcome).component((5, 5, 5), settings)
    other = Remainder.of(shifted, outcome).component((5, 5, 5), settings)
    np.testing.assert_allclose(one.loadings[0], other.loadings[0], atol=1e-8)
    assert not one.variates[0][lacking].any()


def test_the_outcome_keeps_what_no_block_of_a_patient_tells():
    blocks, outcome = shared_factor(7)
    lacking = np.arange(80) < 5
    gappy = [np.where(lacking[:, None], np.nan, block) for block in blocks]
    rest = Remainder.of(gappy, outcome)
    left = rest.without(rest.component((3, 3, 3), Settings(design(3))))
    np.testing.assert_array_equal(left.outcome.values[lacking], outcome[lacking])
    assert (left.outcome.values[~lacking] ** 2).sum() < 0.9 * (outcome[~lacking] ** 2).sum()


def test_a_small_block_stops_at_its_rank_and_the_others_go_on():
    blocks, outcome = shared_factor(8, widths=(1, 6))
    found, rest = chain(blocks, outcome, [(1, 3)] * 3, Settings(design(2)))
    assert [np.count_nonzero(component.loadings[0]) for component in found] == [1, 0, 0]
    assert [np.count_nonzero(component.loadings[1]) for component in found] == [3, 3, 3]
    assert rest.live == (False, True)


def test_more_components_than_the_blocks_hold_are_refused():
    blocks, outcome = shared_factor(9, widths=(2, 3))
    with pytest.raises(InputError, match="only 3 components"):
        chain(blocks, outcome, [(2, 3)] * 4, Settings(design(2)))


@pytest.mark.parametrize("keep", range(1, 8))
def test_soft_keep_keeps_the_largest_and_their_order(keep):
    vector = np.array([0.5, -3.0, 1.0, 0.0, 2.5, -0.1, 4.0])
    kept = soft_keep(vector, keep)
    largest = np.argsort(-np.abs(vector))[:keep]
    assert set(np.flatnonzero(kept)) <= set(largest)
    assert np.count_nonzero(kept) == min(keep, 6)
    assert (kept * vector >= 0).all()
    dropped = np.sort(np.abs(vector))[: 7 - keep]
    step = dropped[-1] if len(dropped) else 0.0
    np.testing.assert_allclose(np.abs(kept[largest]), np.abs(vector[largest]) - step)


def test_equals_at_the_border_all_stay():
    assert np.count_nonzero(soft_keep(np.array([2.0, 1.0, -1.0, 0.5]), 2)) == 3
    np.testing.assert_array_equal(soft_keep(np.array([1.0, -1.0, 1.0]), 1), [1.0, -1.0, 1.0])


def test_the_largest_loading_of_the_outcome_is_positive():
    for seed in range(5):
        blocks, outcome = shared_factor(seed)
        component = Remainder.of(blocks, outcome).component((4, 4, 4), Settings(design(3)))
        assert component.loadings[-1] == pytest.approx([1.0])
        assert all(variate @ component.variates[-1] > 0 for variate in component.variates)


@pytest.mark.parametrize("shape", [(40, 9), (9, 40), (300, 270), (270, 300)])
def test_the_start_is_the_first_singular_vector(shape):
    rng = np.random.default_rng(10)
    matrix = rng.normal(size=shape) + 2 * np.outer(*(rng.normal(size=side) for side in shape))
    first = np.linalg.svd(matrix)[2][0]
    assert abs(Block.of(matrix).first_direction() @ first) > 1 - 1e-5


@pytest.mark.parametrize("n", [8, 24, 30])
def test_a_place_to_start_from_where_no_direction_is_first(n):
    found = Block(np.eye(n) - 1 / n, None).first_direction()  # a category of which each is one
    np.testing.assert_allclose(np.linalg.norm(found), 1.0)
    np.testing.assert_allclose(found.sum(), 0.0, atol=1e-6)
