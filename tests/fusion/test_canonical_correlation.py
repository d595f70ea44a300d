"""The adapter to cca-zoo: the same numbers as there, and patients with gaps besides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.canonical_correlation import CanonicalCorrelation

pytest.importorskip("cca_zoo", reason="the extra cca is not installed")


def planted(n: int = 200) -> Cohort:
    rng = np.random.default_rng(0)
    factor = rng.standard_normal(n)
    ids = [f"p{i:03d}" for i in range(n)]
    tables = {}
    for name in ("blood", "image", "rna"):
        values = rng.standard_normal((n, 6))
        values[:, 0] += 2 * factor
        columns = [f"{name}{i}" for i in range(6)]
        tables[name] = Table(pd.DataFrame(values, index=ids, columns=columns))
    return Cohort(pd.DataFrame({"factor": factor}, index=ids), tables)


def test_the_numbers_are_cca_zoos():
    from cca_zoo.linear import MCCA

    cohort = planted()
    model = CanonicalCorrelation(model="regularised", shrinkage=0.3).fit(cohort)
    blocks = model.blocks_.matrices(cohort)
    theirs = MCCA(2, shrinkage=0.3).fit([blocks[name] for name in model.names_])
    said = theirs.transform([blocks[name] for name in model.names_])
    for name, scores in zip(model.names_, said, strict=True):
        np.testing.assert_allclose(model.variates(cohort)[name], scores, atol=1e-8)


@pytest.mark.parametrize("word", ["plain", "regularised", "kernel"])
def test_the_factor_is_found_in_new_patients(word):
    cohort = planted()
    model = CanonicalCorrelation(model=word, n_components=1).fit(cohort[:140])
    # Chance has a standard deviation of 0.13; a Gaussian kernel sees the noise features too.
    assert model.correlations(cohort[140:])["correlation"].min() > (
        0.4 if word == "kernel" else 0.6
    )
    alone = np.vstack([model.transform(cohort[[i]]) for i in range(140, 150)])
    np.testing.assert_allclose(alone, model.transform(cohort[140:150]), atol=1e-10)


def test_any_estimator_of_cca_zoo():
    from cca_zoo.linear import GCCA

    cohort = planted()
    model = CanonicalCorrelation(model=GCCA(1)).fit(cohort[:140])
    assert hasattr(model, "weights_")
    assert model.correlations_.shape == (1,)
    assert model.correlations(cohort[140:])["correlation"].min() > 0.6


def test_a_missing_modality_is_predicted():
    cohort = planted()
    model = CanonicalCorrelation(n_components=1).fit(cohort[:140])
    frame = cohort.modalities["rna"].frame
    without = cohort.with_modality("rna", Table(frame.iloc[:140]))[140:]
    place = model.names_.index("rna")
    assert np.isnan(model.variates(without)["rna"]).all()
    predicted, true = model.transform(without)[:, place], model.transform(cohort[140:])[:, place]
    assert np.corrcoef(predicted, true)[0, 1] > 0.6


def test_linear_models_are_kept_as_numbers_and_others_keep_patients():
    cohort = planted()
    linear = CanonicalCorrelation().fit(cohort)
    assert not hasattr(linear, "fitted_")
    assert {item.modality for item in linear.discoveries()[0].components[0].loadings} == set(
        linear.names_
    )
    kernel = CanonicalCorrelation(model="kernel").fit(cohort)
    assert kernel.__sklearn_tags__().keeps_patients
    assert not kernel.discoveries()[0].components[0].loadings
    again = kernel.set_params(model="plain").fit(cohort)
    assert not hasattr(again, "fitted_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "regularized"}, "Did you mean 'regularised'"),
        ({"model": object()}, "fit\\(views\\)"),
        ({"shrinkage": 2.0}, "between 0 and 1"),
        ({"n_components": 7}, "at most 6"),
        ({"modalities": ["rna"]}, "at least two modalities"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        CanonicalCorrelation(**options).fit(planted())


def test_more_components_than_the_narrowest_has_features():
    cohort = planted()
    narrow = cohort.with_modality("rna", Table(cohort.modalities["rna"].frame[["rna0"]]))
    with pytest.raises(InputError, match="modality 'rna' has"):
        CanonicalCorrelation(n_components=2).fit(narrow)
