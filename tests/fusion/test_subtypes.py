"""Subtypes: found where planted, told from none where there are none, given to new patients."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from tests.fusion.planted_subtypes import planted

from consilience.cohort import Cohort, Survival, Table
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, InputWarning
from consilience.fusion.embedding import Embedding
from consilience.fusion.similarity_network import SimilarityNetworkFusion
from consilience.fusion.subtypes import Subtypes


class Columns(Embedding):
    """The columns side by side, gaps at the mean: an embedding that hides nothing."""

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        self.names_ = list(blocks)

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        return np.nan_to_num(np.hstack([blocks[name] for name in self.names_]))


def in_fit_order(cohort: Cohort, method: Subtypes) -> Cohort:
    return cohort[[cohort.index.get_loc(patient) for patient in method.patients_]]


@pytest.fixture(scope="module")
def three() -> tuple[Cohort, np.ndarray, Subtypes]:
    cohort, labels = planted(seed=3, shift=1.2)
    return cohort, labels, Subtypes().fit(cohort)


def test_planted_subtypes_are_counted_and_found():
    found = []
    for seed in range(5):
        cohort, labels = planted(seed=seed, shift=1.2)
        method = Subtypes().fit(cohort)
        agreement = adjusted_rand_score(labels, method.assign(cohort))
        found.append((method.n_clusters_, method.p_value_, agreement))
    numbers, p_values, agreement = zip(*found, strict=True)
    assert np.mean(np.array(numbers) == 3) >= 0.8
    assert max(p_values) <= 0.05
    assert np.mean(agreement) > 0.85


def test_it_says_so_where_there_are_none():
    """Noise: the test of all numbers rarely holds, and `fit` warns."""
    p_values = []
    for seed in range(8):
        cohort, _ = planted(80, seed=seed, shift=0.0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            method = Subtypes().fit(cohort)
        p_values.append(method.p_value_)
        told = [str(w.message) for w in caught if issubclass(w.category, InputWarning)]
        assert bool(told) == (method.p_value_ > 0.05)
        if told:
            assert told == [method.verdict_]
            assert "pieces of a continuum" in method.verdict_
            assert "pieces of a continuum" in method.discoveries()[0].title
    assert np.mean(np.array(p_values) > 0.05) >= 0.75


def test_a_gradient_is_not_taken_for_subtypes():
    """A continuum along one axis has no stabler halves than any cloud of its shape.

    Of ten, at most two may pass at the level of .05 (a chance of .99).
    """
    passed = 0
    ids = [f"p{i:03d}" for i in range(80)]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = 2.0 * rng.normal(size=(80, 1)) * np.ones(6) + rng.normal(size=(80, 6))
        table = Table(pd.DataFrame(values, ids, list("abcdef")))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)
            method = Subtypes(embedding=Columns()).fit(
                Cohort(pd.DataFrame(index=ids), {"m": table})
            )
        passed += method.p_value_ <= 0.05
    assert passed <= 2


def test_the_stability_table(three):
    _, _, method = three
    table = method.stability_
    assert list(table.index) == [2, 3, 4, 5, 6]
    assert table["gain"].idxmax() == method.n_clusters_ == 3
    assert_allclose(table.loc[3, "ambiguity"], 0.0, atol=0.05)
    assert ((table["without_clusters"] > 0) & (table["without_clusters"] < 1)).all()
    # Monti's areas grow to 1 - share of pairs together.
    areas = [1 - method.consensus_[k][np.triu_indices(150, 1)].mean() for k in table.index]
    assert_allclose(table["delta_area"].iloc[1:], np.diff(areas) / areas[:-1], atol=1e-5)


def test_training_patients_asked_again_keep_their_subtype(three):
    cohort, _, method = three
    assert_array_equal(method.assign(in_fit_order(cohort, method)), method.labels_)
    sizes = pd.Series(method.labels_).value_counts()
    assert list(sizes.sort_index()) == sorted(sizes, reverse=True)


def test_new_patients_are_given_their_subtype():
    cohort, labels = planted(300, seed=5, shift=1.2)
    method = Subtypes(n_clusters=3).fit(cohort[:200])
    found = method.assign(cohort[200:])
    assert found.index.equals(cohort.index[200:])
    assert adjusted_rand_score(labels[200:], found) > 0.75
    alone = pd.concat([method.assign(cohort[[i]]) for i in range(200, 220)])
    assert_array_equal(alone, found[:20])


def test_nothing_measured_means_no_subtype(three):
    cohort, _, method = three
    one = cohort.only(["m0"])
    found = method.assign(one)
    assert_array_equal(found.isna(), ~one.has("m0"))
    assert found[one.has("m0")].isin(["1", "2", "3"]).all()


def test_membership_is_a_probability_that_knows_its_doubts(three):
    cohort, labels, method = three
    membership = method.transform(cohort)
    assert_allclose(membership.sum(axis=1), 1.0)
    found = method.assign(cohort)
    names = {name: pd.Series(labels)[(found == name).to_numpy()].mode()[0] for name in "123"}
    right = found.map(names).to_numpy() == labels
    assert membership.max(axis=1)[right].mean() > membership.max(axis=1)[~right].mean()


def test_membership_is_that_of_gaussians_of_one_variance():
    cohort, _ = planted(seed=8, missing=0.0, shift=0.8)
    method = Subtypes(embedding=Columns(), n_clusters=2, references=0).fit(cohort)
    x = method.embedding_.transform(cohort)
    logit = ((x - method.centres_[1]) ** 2 - (x - method.centres_[0]) ** 2).sum(axis=1)
    expected = 1 / (1 + np.exp(-logit / (2 * method.variance_)))
    assert_allclose(method.transform(cohort)[:, 0], expected, rtol=1e-10)


def test_any_embedding_serves():
    cohort, labels = planted(seed=1, missing=0.0, shift=1.2)
    method = Subtypes(embedding=Columns()).fit(cohort)
    assert method.n_clusters_ == 3
    assert adjusted_rand_score(labels, method.assign(cohort)) > 0.85
    assert isinstance(method.embedding_, Columns)
    assert not method._keeps_patients()
    assert Subtypes()._keeps_patients()


def test_the_modalities_of_the_embedding_are_those_used():
    cohort, _ = planted(seed=1)
    inside = SimilarityNetworkFusion(modalities=["m1", "m0"], neighbours=15)
    method = Subtypes(embedding=inside, n_clusters=3).fit(cohort)
    assert method.modalities_ == method.embedding_.modalities_ == ["m1", "m0"]
    assert inside.modalities == ["m1", "m0"]  # the user's own is left alone
    other = Subtypes(embedding=inside, modalities=["m2"], n_clusters=3, references=0).fit(cohort)
    assert other.modalities_ == ["m2"]


def test_a_given_number_is_tested_for_itself(three):
    cohort, _, _ = three
    with pytest.warns(InputWarning, match=r"no number of subtypes 5 .* the 5 given"):
        method = Subtypes(n_clusters=5).fit(planted(seed=0, shift=0.0)[0])
    assert method.n_clusters_ == len(method.centres_) == 5
    larger = Subtypes(n_clusters=7, references=0, resamples=10).fit(cohort)
    assert larger.n_clusters_ == 7
    assert np.isnan(larger.p_value_)
    assert "not tested" in larger.verdict_


def test_a_learner_on_the_subtypes_predicts(three):
    cohort, labels, _ = three
    y = (labels == 1).astype(int)
    model = Subtypes(LogisticRegression()).fit(cohort[:100], y[:100])
    assert model.score(cohort[100:], y[100:]) > 0.85
    groups = model.discoveries()[0]
    assert set(groups.labels) == set(cohort.index[:100])
    assert set(groups.labels.values()) == {"subtype 1", "subtype 2", "subtype 3"}
    assert groups.stability["3"] > 0.95
    bare = model.without_patients()
    assert_array_equal(bare.predict(cohort[100:]), model.predict(cohort[100:]))
    assert not {"labels_", "consensus_", "coordinates_", "patients_"} & set(vars(bare))


def test_what_subtypes_are(three):
    cohort, _, method = three
    profiles = method.profiles(cohort)
    carriers = profiles["feature"].str.fullmatch(r"m\df\d")  # the first ten of each modality
    assert carriers[profiles["q_value"] < 1e-4].mean() > 0.95
    clinical = method.enrichment(cohort, ["grade", "sex"])
    assert clinical.loc["grade", "q_value"] < 1e-10 < 0.05 < clinical.loc["sex", "q_value"]
    assert method.survival(cohort, Survival("dead", "years")).p_value < 1e-6


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_clusters": 41}, "n_clusters is 41, more than the 40 patients"),
        ({"n_clusters": 1}, "n_clusters must be a whole number of at least 2, not 1"),
        ({"most": 1}, "most must be a whole number of at least 2"),
        ({"resamples": 1}, "resamples must be a whole number of at least 2"),
        ({"references": -1}, "references must be a whole number of at least 0"),
        ({"share": 0.0}, "share must be above 0 and at most 1"),
        ({"share": 1.5}, "share must be above 0 and at most 1"),
        ({"embedding": LogisticRegression()}, "embedding must be an instance of Embedding"),
        ({"embedding": Columns}, "embedding must be an instance of Embedding"),
        ({"embedding": Columns(LogisticRegression())}, "has a learner of its own"),
    ],
)
def test_bad_settings_in_one_sentence(settings, sentence):
    cohort, _ = planted(40)
    with pytest.raises(InputError, match=sentence):
        Subtypes(**{"embedding": Columns(), **settings}).fit(cohort)


def test_too_few_patients_for_the_default_embedding_are_told_what_to_change():
    with pytest.raises(InputError, match="neighbours is 20, but there are 15 patients"):
        Subtypes().fit(planted(15)[0])
