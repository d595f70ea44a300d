"""Similarity network fusion: subtypes through gaps, and unseen patients in their place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.utils import get_tags
from tests.fusion.planted_subtypes import mean_filled, planted
from tests.laws.cohorts import complete_cohort, gappy_cohort

from consilience.cohort import Cohort, Table, read_cohort, read_table
from consilience.errors import InputError
from consilience.fusion.similarity_network import SimilarityNetworkFusion, by_size


def agreement(labels: np.ndarray, found: pd.Series, cohort: Cohort) -> float:
    return float(adjusted_rand_score(labels, found.reindex(cohort.index)))


@pytest.fixture(scope="module")
def thirty_percent_missing() -> pd.DataFrame:
    """Agreement with the planted subtypes over ten cohorts: SNF, and what could be done without."""
    rows = []
    plain = KMeans(3, n_init=10, random_state=0)
    for seed in range(10):
        cohort, labels = planted(seed=seed)
        columns = mean_filled(cohort)
        row = {
            "fusion": agreement(labels, SimilarityNetworkFusion().fit(cohort).subtypes(3), cohort),
            "side by side": adjusted_rand_score(labels, plain.fit_predict(columns)),
        }
        for place, name in enumerate(cohort.modalities):
            has = cohort.has(name)
            own = columns[has, 30 * place : 30 * (place + 1)]
            row[name] = adjusted_rand_score(labels[has], plain.fit_predict(own))
        rows.append(row)
    return pd.DataFrame(rows)


def test_subtypes_are_found_with_30_percent_missing(thirty_percent_missing):
    mean = thirty_percent_missing.mean()
    assert mean["fusion"] > 0.85
    assert thirty_percent_missing["fusion"].min() > 0.7
    assert mean["fusion"] == mean.max()
    assert (mean["fusion"] > mean[["m0", "m1", "m2"]] + 0.1).all()


def test_the_number_of_subtypes_is_found():
    counts = [
        SimilarityNetworkFusion().fit(planted(seed=seed, shift=1.2)[0]).cluster_counts()
        for seed in range(10)
    ]
    assert np.mean([count["eigengap"] == 3 for count in counts]) >= 0.7
    assert np.mean([count["rotation"] == 3 for count in counts]) >= 0.7


def test_breast_tcga_agrees_with_the_known_subtypes_as_snftool_does(data):
    tables = {
        name: read_table(data / "breast-tcga" / f"train_{name}.csv")
        for name in ("mrna", "mirna", "protein")
    }
    known = pd.read_csv(data / "breast-tcga" / "train_subtype.csv", index_col=0, dtype=str)
    found = SimilarityNetworkFusion().fit(read_cohort(tables=tables)).subtypes(3)
    known = known.iloc[:, 0].loc[found.index]
    # SNFtool: .4316, with another last step from eigenvectors to clusters.
    assert normalized_mutual_info_score(known, found) == pytest.approx(0.4316, abs=0.02)


def test_training_patients_are_projected_onto_themselves():
    cohort, _ = planted(seed=1)
    method = SimilarityNetworkFusion().fit(cohort)
    asked = cohort[[cohort.index.get_loc(patient) for patient in method.patients_]]
    projected = method.transform(asked)
    for own, seen in zip(method.embedding_.T[:2], projected.T[:2], strict=True):
        assert np.corrcoef(own, seen)[0, 1] > 0.98


def test_training_patients_are_projected_where_unseen_ones_like_them_are():
    """The spread along the two true axes, which a learner sees: not wider than for others."""
    ratios, naive = [], []
    for seed in range(5):
        cohort, _ = planted(300, shift=0.8, seed=seed)
        method = SimilarityNetworkFusion().fit(cohort[:200])
        unseen = method.transform(cohort[200:])[:, :2].std(axis=0)
        ratios += list(method.transform(cohort[:200])[:, :2].std(axis=0) / unseen)
        naive += list(method.embedding_[:, :2].std(axis=0) / unseen)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.08)
    assert np.mean(naive) > 1.15


def test_unseen_patients_fall_among_their_subtype():
    cohort, labels = planted(300, seed=2)
    train, test = np.arange(200), np.arange(200, 300)
    method = SimilarityNetworkFusion().fit(cohort[train])
    own = pd.DataFrame(method.embedding_[:, :2], index=method.patients_).loc[cohort.index[train]]
    model = LogisticRegression().fit(own, labels[train])
    shown = method.transform(cohort[test])[:, :2]
    assert model.score(shown, labels[test]) > model.score(own, labels[train]) - 0.1
    assert model.score(shown, labels[test]) > 0.85


def test_placing_a_patient_leaves_the_network_alone():
    cohort, _ = planted(seed=3)
    method = SimilarityNetworkFusion().fit(cohort[:100])
    before = method.network_.copy()
    together = method.transform(cohort[100:])
    assert_array_equal(method.network_, before)
    alone = np.vstack([method.transform(cohort[[i]]) for i in range(100, len(cohort))])
    assert_allclose(alone, together, rtol=1e-12, atol=1e-14)


def test_one_modality_is_enough_to_be_placed_and_nothing_is_not():
    cohort, _ = planted(seed=4)
    method = SimilarityNetworkFusion().fit(cohort)
    placed = method.transform(cohort.only(["m0"]))
    assert_array_equal(np.isfinite(placed).all(axis=1), cohort.has("m0"))
    assert np.isnan(placed[~cohort.has("m0")]).all()


def test_the_axes_do_not_depend_on_the_unit_of_a_feature():
    cohort, _ = planted(seed=5)
    other = cohort.with_modality("m1", Table(cohort.modalities["m1"].frame * 1000.0 + 7.0))
    a, b = (SimilarityNetworkFusion().fit(each).embedding_ for each in (cohort, other))
    assert_allclose(a, b, atol=1e-8)


def test_hospitals_without_a_common_modality_do_not_become_the_subtypes():
    """Pairs of whom nothing is known are not taken for unlike: the eigenvectors are not of
    who measured what."""
    cohort, labels = planted(200, seed=6, missing=0.0, shift=1.2)
    first = np.arange(200) < 100
    held = Cohort(
        cohort.patients,
        {
            "m0": Table(cohort.modalities["m0"].frame[first]),
            "m1": Table(cohort.modalities["m1"].frame[~first]),
            "m2": Table(cohort.modalities["m2"].frame.iloc[60:140]),
        },
    )
    found = SimilarityNetworkFusion().fit(held).subtypes(3).reindex(held.index)
    assert adjusted_rand_score(labels, found) > 0.5
    assert adjusted_rand_score(first, found) < 0.2


def test_subtypes_are_named_by_size():
    assert by_size([5, 5, 9, 5, 2, 9]) == ["1", "1", "2", "1", "3", "2"]
    cohort, _ = planted(seed=7)
    sizes = SimilarityNetworkFusion().fit(cohort).subtypes(4).value_counts()
    assert_array_equal(sizes.loc[["1", "2", "3", "4"]], sorted(sizes, reverse=True))


def test_it_says_that_it_keeps_patients():
    assert get_tags(SimilarityNetworkFusion()).keeps_patients


def test_a_learner_on_the_network_predicts():
    cohort, y = gappy_cohort("binary", 150)
    train, test = np.arange(100), np.arange(100, 150)
    model = SimilarityNetworkFusion(LogisticRegression()).fit(cohort[train], y[train])
    assert model.score(cohort[test], y[test]) > 0.6


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"neighbours": 40}, "neighbours is 40, but there are 30 patients .* at most 29"),
        ({"neighbours": 0}, "neighbours must be a whole number of at least 1, not 0"),
        ({"width": 0.0}, "width must be at least 0.05"),
        ({"width": 1e-9}, "width must be at least 0.05"),
        ({"width": -1.0}, "width must be at least 0.05"),
        ({"width": np.nan}, "width must be at least 0.05"),
        ({"iterations": 2.5}, "iterations must be a whole number"),
        ({"n_components": 30}, "n_components is 30, but a network of 30 patients has at most 29"),
    ],
)
def test_bad_settings_in_one_sentence(settings, sentence):
    cohort, _ = planted(30)
    with pytest.raises(InputError, match=sentence):
        SimilarityNetworkFusion(**{"neighbours": 5, **settings}).fit(cohort)


def test_more_subtypes_than_patients():
    method = SimilarityNetworkFusion(neighbours=5).fit(planted(30)[0])
    with pytest.raises(InputError, match="n_clusters is 31, more than the 30 patients"):
        method.subtypes(31)
    with pytest.raises(InputError, match="n_clusters must be a whole number of at least 2"):
        method.subtypes(1)


# --- imputation -------------------------------------------------------------------------------


def test_what_is_missing_is_the_mean_of_neighbours_by_affinity():
    """A modality hidden from some patients is filled in by what their neighbours have."""
    cohort, _, matrices = complete_cohort("continuous", 60, widths=(5, 5, 5))
    hidden = np.arange(10)
    frame = cohort.modalities["beta"].frame
    holed = cohort.with_modality("beta", Table(frame.iloc[10:]))
    model = SimilarityNetworkFusion(neighbours=7).fit(holed)
    filled = model.impute(holed).modalities["beta"].frame.loc[frame.index[hidden]].to_numpy()
    walks = model._walks(model.blocks_.matrices(holed))[hidden]
    for patient, walk in zip(filled, walks, strict=True):
        near = np.argsort(-walk[10:])[:7]
        by_hand = np.average(matrices[1][10:][near], axis=0, weights=walk[10:][near])
        np.testing.assert_allclose(patient, by_hand, rtol=1e-9)


def test_neighbours_named_by_one_modality_fill_in_another_better_than_the_mean():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 40)
    ids = [f"p{i:03d}" for i in range(120)]
    values = [rng.normal(size=(3, 20))[group] * 2 + rng.normal(size=(120, 20)) for _ in range(2)]
    first, second = (pd.DataFrame(v, ids, [f"x{j}" for j in range(20)]) for v in values)
    hidden = rng.choice(120, 30, replace=False)
    seen = np.setdiff1d(np.arange(120), hidden)
    tables = {"first": Table(first), "second": Table(second.iloc[seen])}
    cohort = Cohort(pd.DataFrame(index=ids), tables)
    filled = SimilarityNetworkFusion(neighbours=15).fit(cohort).impute(cohort)
    found = filled.modalities["second"].frame.loc[second.index[hidden]].to_numpy()
    error = ((found - values[1][hidden]) ** 2).mean()
    of_the_mean = ((values[1][seen].mean(axis=0) - values[1][hidden]) ** 2).mean()
    assert error < 0.4 * of_the_mean
