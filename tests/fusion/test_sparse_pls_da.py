"""DIABLO: mixOmics' vote, planted features, patients without a modality, probabilities."""

import json

import numpy as np
import pandas as pd
import pytest
from bench.loaders import breast_tcga
from sklearn.metrics import balanced_accuracy_score

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.sparse_pls_da import BlockSparsePLSDA

PLANTED, WIDTH, N_CLASSES = 8, 60, 3


def planted_cohort(n: int = 150, *, seed: int = 0, shift: float = 1.0, missing: float = 0.0):
    """Three modalities in which the first eight features tell three classes apart."""
    rng = np.random.default_rng(seed)
    signs = np.random.default_rng(99).choice([-1.0, 1.0], size=(3, 1, PLANTED))
    other = np.arange(PLANTED) % N_CLASSES == np.arange(N_CLASSES)[:, None]
    effects = signs * np.where(other, 2.0, -1.0)  # a feature sets one class apart from the rest
    classes = rng.integers(0, N_CLASSES, n)
    ids = [f"p{i:05d}" for i in range(n)]
    tables = {}
    for place, name in enumerate("abc"):
        values = rng.normal(size=(n, WIDTH))
        values[:, :PLANTED] += shift * effects[place][classes]
        frame = pd.DataFrame(values, index=ids, columns=[f"{name}{i}" for i in range(WIDTH)])
        tables[name] = Table(frame[rng.random(n) >= missing])
    return Cohort(pd.DataFrame(index=ids), tables), np.array(["x", "y", "z"])[classes]


def selected(model) -> dict[str, set[int]]:
    return {
        name: set(np.flatnonzero(loadings.any(axis=1)))
        for name, loadings in model.loadings_.items()
    }


def f1(found: set[int]) -> float:
    truth = set(range(PLANTED))
    return 2 * len(found & truth) / (len(found) + len(truth))


@pytest.fixture(scope="module")
def mixomics(data) -> dict:
    path = data.parent / "parity" / "block_splsda_mixomics.json"
    if not path.is_file():
        pytest.skip("the reference outputs are not beside the project")
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_vote_on_tumours_without_protein_is_that_of_mixomics(mixomics):
    train, test = breast_tcga()
    truth = test.patients["subtype"].to_numpy()
    model = BlockSparsePLSDA(n_components=2, keep=mixomics["keepX"], random_state=0)
    model.fit(train, train.patients["subtype"].to_numpy())
    voted = model.vote(test)
    assert list(voted) == mixomics["test_prediction"]
    wrong = 1 - balanced_accuracy_score(truth, voted)
    assert wrong == pytest.approx(mixomics["test_ber"], abs=1e-9)
    for name, loadings in mixomics["loadings"].items():
        ours, theirs = model.loadings_[name], np.array(loadings)
        assert model.blocks_.features[name] == list(train.modalities[name].frame.columns)
        np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-3 * np.abs(theirs).max())


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_planted_features_are_found(missing):
    cohort, y = planted_cohort(seed=1, missing=missing)
    model = BlockSparsePLSDA(n_components=2, keep=6, random_state=0).fit(cohort, y)
    for name, found in selected(model).items():
        assert f1(found) >= 0.9, (name, sorted(found))


def test_planted_features_are_found_by_a_search_that_spares():
    cohort, y = planted_cohort(seed=2)
    model = BlockSparsePLSDA(choose="1se", random_state=0).fit(cohort, y)
    for found in selected(model).values():
        assert f1(found) >= 0.7
    least = BlockSparsePLSDA(random_state=0).fit(cohort, y)
    sparing = sum(len(found) for found in selected(model).values())
    assert sparing <= sum(len(found) for found in selected(least).values())


def test_the_search_reports_what_it_tried():
    cohort, y = planted_cohort(seed=3)
    model = BlockSparsePLSDA(n_components=2, random_state=0).fit(cohort, y)
    assert {row["component"] for row in model.losses_} == {1, 2}
    for place in (1, 2):
        tried = [row for row in model.losses_ if row["component"] == place]
        best = min(tried, key=lambda row: row["loss"])
        assert best["keep"] == {name: keep[place - 1] for name, keep in model.keep_.items()}
    assert [row["keep"]["a"] for row in model.losses_[:4]] == [5, 10, 25, 60]


def test_probabilities_are_calibrated_with_and_without_modalities():
    """Among held-out patients told p, a share near p has the class, however many blocks."""
    train, y = planted_cohort(600, seed=4, shift=0.3)
    test, truth = planted_cohort(3000, seed=5, shift=0.3)
    model = BlockSparsePLSDA(n_components=2, keep=10, random_state=0).fit(train, y)
    for names in ("abc", "ab", "c"):
        said = model.predict_proba(test.only(list(names)))
        hit = truth[:, None] == model.classes_
        logit = np.log(said) - np.log(model.task_.prior)
        gap = np.abs(said.mean(axis=0) - hit.mean(axis=0)).max()
        assert gap < 0.05, (names, gap)
        assert _slope(logit, hit, model.task_.prior) == pytest.approx(1.0, abs=0.3), names


def _slope(logit: np.ndarray, hit: np.ndarray, prior: np.ndarray) -> float:
    """Return the factor on the evidence that would have fitted best; 1 is calibrated."""
    grid = np.linspace(0.2, 3.0, 281)
    losses = []
    for factor in grid:
        values = np.log(prior) + factor * logit
        values -= np.log(np.exp(values).sum(axis=1, keepdims=True))
        losses.append(-values[hit].mean())
    return float(grid[np.argmin(losses)])


def test_more_modalities_tell_more():
    train, y = planted_cohort(300, seed=6, shift=0.35)
    test, truth = planted_cohort(1000, seed=7, shift=0.35)
    model = BlockSparsePLSDA(n_components=2, keep=10, random_state=0).fit(train, y)
    losses = [
        model.task_.loss(truth, model.predict_proba(test.only(list(names)))).mean()
        for names in ("a", "ab", "abc")
    ]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("distance", ["centroids", "max", "mahalanobis"])
def test_every_distance_votes_and_missing_blocks_have_no_vote(distance):
    train, y = planted_cohort(seed=8)
    test, truth = planted_cohort(seed=9, missing=0.3)
    model = BlockSparsePLSDA(n_components=2, keep=8, random_state=0).fit(train, y)
    measured = model.informed(test)
    voted = model.vote(test, distance)
    assert np.mean(voted[measured] == truth[measured]) > 0.9
    most = model.classes_[model.task_.prior.argmax()]
    assert (voted[~measured] == most).all() and (~measured).any()
    only = test.only(["a"])[test.has("a")]
    alone = BlockSparsePLSDA(n_components=2, keep=8, modalities=["a"]).fit(train, y)
    assert len(alone.vote(only, distance)) == len(only)


def test_the_vote_is_weighted_by_agreement_with_the_outcome():
    cohort, y = planted_cohort(seed=10)
    rng = np.random.default_rng(0)
    noise = cohort.modalities["c"].frame.sample(frac=1.0, random_state=0)
    cohort = cohort.with_modality("c", Table(noise.set_axis(cohort.index[rng.permutation(150)])))
    model = BlockSparsePLSDA(n_components=2, keep=5, random_state=0).fit(cohort, y)
    assert model.weights_["c"] < 0.8 * min(model.weights_["a"], model.weights_["b"])
    weights = model.discoveries()[1]
    assert weights.weights == model.weights_


def test_variates_are_blank_where_a_modality_is_missing():
    cohort, y = planted_cohort(seed=11, missing=0.3)
    model = BlockSparsePLSDA(n_components=2, keep=5, random_state=0).fit(cohort, y)
    variates = model.variates(cohort)
    for name in "abc":
        np.testing.assert_array_equal(np.isnan(variates[name]).any(axis=1), ~cohort.has(name))
    np.testing.assert_array_equal(model.transform(cohort), np.hstack(list(variates.values())))


def test_discoveries_name_the_features_that_are_kept():
    cohort, y = planted_cohort(seed=12)
    model = BlockSparsePLSDA(n_components=2, keep=[4, 2], random_state=0).fit(cohort, y)
    components = model.discoveries()[0].components
    assert [len(component.loadings) for component in components] == [12, 6]
    for component in components:
        assert 0.5 < component.strength <= 1
        assert all(int(loading.feature[1:]) < PLANTED for loading in component.loadings)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"keep": 61}, "keep asks for 61 features of modality 'a', of which 60 vary"),
        ({"keep": {"a": 5, "b": 5}}, "keep does not name modality 'c'"),
        ({"keep": {"a": 5, "b": 5, "c": 5, "d": 5}}, "keep names 'd'"),
        ({"keep": 0}, "keep must be a whole number of at least 1"),
        ({"keep": [5, 5], "n_components": 3}, "keep has 2 entries for 3 components"),
        ({"keep": {"a": [5], "b": [5, 5], "c": 5}}, "different modalities"),
        ({"keep": "few"}, "keep must be a whole number"),
        ({"design": 1.5}, "between 0 and 1"),
        ({"design": {"a": {"b": 0.1}}}, "design does not say how much"),
        (
            {"design": {"a": {"b": 0.1, "c": 0.1}, "b": {"a": 0.2, "c": 0.1}}},
            "design must be symmetric",
        ),
        ({"design": "full"}, "design must be a number"),
        ({"n_components": 181}, "181 components are more than the 59 that"),
        ({"n_components": 0}, "n_components must be a whole number"),
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"folds": 200}, "folds=200 needs at least as many patients"),
        ({"scheme": "horsd"}, "scheme must be one of"),
        ({"choose": "max"}, "choose must be one of"),
        ({"tol": 0.0}, "tol must be above 0"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    cohort, y = planted_cohort(60, seed=13)
    with pytest.raises(InputError, match=sentence):
        BlockSparsePLSDA(**options).fit(cohort, y)


def test_an_unknown_distance_is_refused():
    cohort, y = planted_cohort(60, seed=14)
    model = BlockSparsePLSDA(n_components=1, keep=5).fit(cohort, y)
    with pytest.raises(InputError, match="no distance 'centroid'.*centroids"):
        model.vote(cohort, "centroid")


def test_a_design_by_names_may_be_a_frame():
    cohort, y = planted_cohort(seed=15)
    frame = pd.DataFrame(0.1, index=list("abc"), columns=list("abc"))
    one = BlockSparsePLSDA(n_components=1, keep=5, design=frame, random_state=0).fit(cohort, y)
    other = BlockSparsePLSDA(n_components=1, keep=5, design=0.1, random_state=0).fit(cohort, y)
    np.testing.assert_array_equal(one.values(cohort), other.values(cohort))


def test_a_fuller_design_makes_modalities_agree_more():
    cohort, y = planted_cohort(seed=16, shift=0.5)
    agreed = []
    for design in (0.0, 1.0):
        model = BlockSparsePLSDA(n_components=1, keep=60, design=design, random_state=0)
        variates = model.fit(cohort, y).transform(cohort)
        agreed.append(np.corrcoef(variates.T)[np.triu_indices(3, 1)].mean())
    assert agreed[1] > agreed[0]
