"""Sparse CCA as an estimator: variates of new patients, gaps, what it says and refuses."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from consilience.cohort import Cohort, Table
from consilience.errors import InputError, InputWarning
from consilience.fusion.sparse_cca import SparseCCA


@cache
def planted(n: int = 240, seed: int = 0, features: int = 60) -> Cohort:
    """Return three modalities that share a factor through their first ten features."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal(n)
    ids = [f"p{i:03d}" for i in range(n)]
    tables = {}
    for name in ("rna", "mirna", "protein"):
        values = rng.standard_normal((n, features))
        values[:, :10] += factor[:, None] * np.where(np.arange(10) % 2, -1.0, 1.0)
        columns = [f"{name}{i}" for i in range(features)]
        tables[name] = Table(pd.DataFrame(5 + 2 * values, index=ids, columns=columns))
    patients = pd.DataFrame({"factor": factor}, index=ids)
    return Cohort(patients, tables)


def lacking(cohort: Cohort, name: str, rows: np.ndarray) -> Cohort:
    frame = cohort.modalities[name].frame
    return cohort.with_modality(name, Table(frame[~rows]))


def holed(cohort: Cohort, share: float, seed: int = 0) -> Cohort:
    rng = np.random.default_rng(seed)
    for name, table in cohort.modalities.items():
        frame = table.frame
        cohort = cohort.with_modality(name, Table(frame.mask(rng.random(frame.shape) < share)))
    return cohort


def alike(one, other) -> float:
    return abs(np.corrcoef(one, other)[0, 1])


PLANTED = float(np.sqrt(10 / 60))  # ten equal weights of sixty
TRAIN, TEST = slice(0, 160), slice(160, 240)


def test_the_factor_is_found_and_holds_in_new_patients():
    cohort = planted()
    model = SparseCCA(n_components=1, penalty=PLANTED).fit(cohort[TRAIN])
    for name in model.names_:
        chosen = np.flatnonzero(model.weights_[name][:, 0])
        true = np.intersect1d(chosen, np.arange(10))
        assert 2 * len(true) / (len(chosen) + 10) >= 0.9  # F1
    table = model.correlations(cohort[TEST])
    assert list(table["patients"]) == [80] * 3
    assert table["correlation"].min() > 0.8
    assert alike(model.transform(cohort[TEST])[:, 0], cohort.patients["factor"][TEST]) > 0.9


def test_correlations_are_those_of_the_variates():
    cohort = planted()
    model = SparseCCA(n_components=2).fit(cohort[TRAIN])
    variates = model.variates(cohort[TEST])
    row = model.correlations(cohort[TEST]).query("component == 2 and first == 'mirna'").iloc[0]
    expected = np.corrcoef(variates["mirna"][:, 1], variates[row["second"]][:, 1])[0, 1]
    assert row["correlation"] == pytest.approx(expected)
    training = model.correlations(cohort[TRAIN]).groupby("component")["correlation"].mean()
    np.testing.assert_allclose(model.correlations_, training)


def test_a_variate_of_a_complete_patient_is_the_weighted_sum():
    cohort = planted()
    model = SparseCCA(n_components=2).fit(cohort[TRAIN])
    matrix = model.blocks_.matrices(cohort[TEST])["rna"]
    np.testing.assert_allclose(
        model.variates(cohort[TEST])["rna"], matrix @ model.weights_["rna"], rtol=1e-10
    )


def test_missing_values_are_scaled_up_and_not_taken_for_the_mean():
    cohort = planted()
    model = SparseCCA(n_components=1, penalty=PLANTED).fit(cohort[TRAIN])
    whole = model.variates(cohort[TEST])["rna"][:, 0]
    gappy = model.variates(holed(cohort[TEST], 0.4))["rna"][:, 0]
    slope = (whole @ gappy) / (whole @ whole)
    assert 0.85 < slope < 1.1  # the training mean in their place would give about 0.6
    assert alike(whole, gappy) > 0.9


def test_a_missing_modality_is_predicted_from_the_others():
    cohort = planted()
    model = SparseCCA(n_components=1, penalty=PLANTED).fit(cohort[TRAIN])
    absent = np.arange(len(cohort)) % 2 == 0
    half = lacking(cohort, "rna", absent)[TEST]
    assert np.isnan(model.variates(half)["rna"][:, 0]).sum() == 40
    own = model.names_.index("rna")
    predicted, true = model.transform(half)[:, own], model.transform(cohort[TEST])[:, own]
    missing = absent[TEST]
    np.testing.assert_allclose(predicted[~missing], true[~missing], rtol=1e-10)
    assert alike(predicted[missing], true[missing]) > 0.85


def test_training_with_gaps_finds_the_same():
    cohort = planted()
    rng = np.random.default_rng(1)
    gappy = holed(cohort[TRAIN], 0.1)
    for name in cohort.modalities:
        gappy = lacking(gappy, name, rng.random(len(gappy.modalities[name])) < 0.2)
    whole = SparseCCA(n_components=1, penalty=PLANTED).fit(cohort[TRAIN])
    model = SparseCCA(n_components=1, penalty=PLANTED).fit(gappy)
    for name in model.names_:
        one, other = (m.variates(cohort[TEST])[name][:, 0] for m in (whole, model))
        assert alike(one, other) > 0.95
    assert model.correlations(cohort[TEST])["correlation"].min() > 0.8


def test_the_order_of_modalities_changes_nothing():
    cohort = planted()
    turned = Cohort(cohort.patients, dict(reversed(list(cohort.modalities.items()))))
    one, other = (SparseCCA(n_components=2).fit(c[TRAIN]) for c in (cohort, turned))
    np.testing.assert_array_equal(one.transform(cohort[TEST]), other.transform(cohort[TEST]))


def test_imputation_beats_the_mean():
    cohort = planted()
    model = SparseCCA(n_components=1, penalty=PLANTED).fit(cohort[TRAIN])
    gappy = lacking(cohort[TEST], "rna", np.arange(80) < 40)
    filled = model.impute(gappy).modalities["rna"].frame.loc[cohort.index[TEST][:40]]
    true = cohort.modalities["rna"].frame.loc[filled.index]
    informative = filled.columns[:10]
    mean = cohort[TRAIN].modalities["rna"].frame[informative].mean()
    error = ((filled - true)[informative] ** 2).to_numpy().mean()
    assert error < 0.75 * ((true[informative] - mean) ** 2).to_numpy().mean()


def test_a_learner_on_the_variates():
    cohort = planted()
    y = (cohort.patients["factor"] > 0).astype(int).to_numpy()
    model = SparseCCA(LogisticRegression(), n_components=1).fit(cohort[TRAIN], y[TRAIN])
    assert model.score(cohort[TEST], y[TEST]) > 0.85


def test_penalties_by_modality_and_signs():
    cohort = planted()
    model = SparseCCA(
        n_components=1,
        penalty={"rna": 0.2, "mirna": 1.0, "protein": 0.5},
        nonnegative=["protein"],
    ).fit(cohort[TRAIN])
    bound = 0.2 * np.sqrt(60)
    assert np.abs(model.weights_["rna"]).sum() == pytest.approx(bound)
    assert np.count_nonzero(model.weights_["mirna"]) == 60
    assert (model.weights_["protein"] >= 0).all()
    assert model.weights_["protein"].any()


def test_smoothness_by_modality():
    cohort = planted()
    plain = SparseCCA(n_components=1, penalty=0.8).fit(cohort[TRAIN])
    smooth = SparseCCA(n_components=1, penalty=0.8, smoothness={"rna": 0.2}).fit(cohort[TRAIN])
    jumps = [np.abs(np.diff(m.weights_["rna"][:, 0])).sum() for m in (plain, smooth)]
    assert jumps[1] < 0.5 * jumps[0]


def test_what_it_found_is_told():
    cohort = planted()
    pair = SparseCCA(n_components=2, modalities=["rna", "protein"], permutations=19)
    (told,) = pair.fit(cohort[TRAIN]).discoveries()
    first = told.components[0]
    assert first.name == "pair 1"
    assert first.strength == pytest.approx(pair.correlations_[0])
    assert first.p_value == pytest.approx(1 / 20)
    assert {loading.modality for loading in first.loadings} == {"rna", "protein"}
    sizes = [abs(item.weight) for item in first.loadings if item.modality == "rna"]
    assert sizes == sorted(sizes, reverse=True)
    assert "of 60 features of rna" in first.notes
    assert SparseCCA().fit(cohort[TRAIN]).discoveries()[0].components[0].p_value is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": 0.0}, "penalty must be a fraction"),
        ({"penalty": 1.2}, "above 0 and at most 1"),
        ({"penalty": {"rna": 2.0}}, "penalty of 'rna'"),
        ({"penalty": {"rna": 0.5}}, "no entry for 'mirna', 'protein'"),
        ({"penalty": {"rnaa": 0.5}}, "Did you mean 'rna'"),
        ({"n_components": 0}, "n_components"),
        ({"n_components": 61}, "give at most 60"),
        ({"modalities": ["rna"]}, "at least two modalities"),
        ({"nonnegative": "rna"}, r"\['rna'\]"),
        ({"nonnegative": ["dna"]}, "nonnegative names 'dna'"),
        ({"smoothness": {"rna": -1.0}}, "0 or more"),
        ({"smoothness": {"rna": 1.0}, "nonnegative": ["rna"]}, "both smooth and non-negative"),
        ({"permutations": -1}, "permutations"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, message):
    with pytest.raises(InputError, match=message) as refused:
        SparseCCA(**options).fit(planted())
    assert "\n" not in str(refused.value)


def test_modalities_of_different_patients_are_told():
    cohort = planted()
    first = np.arange(len(cohort)) < 120
    apart = lacking(lacking(cohort, "rna", first), "protein", ~first)
    pair = Cohort(apart.patients, {name: apart.modalities[name] for name in ("rna", "protein")})
    with pytest.warns(InputWarning, match="nothing can be correlated"):
        model = SparseCCA(n_components=1).fit(pair)
    assert not model.transform(cohort).any()
