"""P-values, choices and stability of canonical components, on data whose truth is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from tests.laws.cohorts import complete_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.canonical_inference import (
    choose_penalty_by_cross_validation,
    choose_penalty_by_permutation,
    component_test,
    permutation_test,
    selection_stability,
    shuffled,
)
from consilience.fusion.numerics.penalised_decomposition import Penalty
from consilience.fusion.sparse_cca import SparseCCA

PENALTIES = [Penalty(1.5), Penalty(1.4)]


def noise(rng: np.random.Generator, n: int = 40, sizes: tuple[int, ...] = (6, 5)):
    blocks = [rng.standard_normal((n, size)) for size in sizes]
    return [(b - b.mean(axis=0)) / b.std(axis=0) for b in blocks]


@cache
def cohort_of(signal: float, n: int = 120, features: int = 40) -> Cohort:
    rng = np.random.default_rng(0)
    factor = rng.standard_normal(n)
    ids = [f"p{i:03d}" for i in range(n)]
    tables = {}
    for name in ("rna", "protein"):
        values = rng.standard_normal((n, features))
        values[:, :8] += signal * factor[:, None]
        columns = [f"{name}{i}" for i in range(features)]
        tables[name] = Table(pd.DataFrame(values, index=ids, columns=columns))
    return Cohort(pd.DataFrame(index=ids), tables)


def test_p_values_are_uniform_under_the_null():
    rng = np.random.default_rng(0)
    found = []
    for seed in range(150):
        table = component_test(noise(rng), PENALTIES, 1, n=39, seed=seed)
        # 40 equally likely steps: spread evenly within its step, a p-value is continuous.
        found.append(table["p_value"].iloc[0] - rng.random() / 40)
    assert kstest(found, "uniform").pvalue > 0.01


def test_p_values_are_uniform_with_missing_modalities_and_three_blocks():
    rng = np.random.default_rng(1)
    found = []
    for seed in range(100):
        blocks = noise(rng, sizes=(5, 4, 4))
        for place, block in enumerate(blocks):
            block[10 * place : 10 * place + 8] = np.nan
        table = component_test(blocks, [Penalty(1.4)] * 3, 1, n=19, seed=seed)
        found.append(table["p_value"].iloc[0] - rng.random() / 20)
    assert kstest(found, "uniform").pvalue > 0.01


def test_noise_behind_a_real_component_is_no_discovery():
    # Compared with nulls that still hold the first component, the second would come out too
    # often; with what is left it must not.
    rng = np.random.default_rng(2)
    found = []
    for seed in range(100):
        blocks = noise(rng)
        factor = rng.standard_normal(len(blocks[0]))
        for block in blocks:
            block[:, 0] = (factor + 0.3 * rng.standard_normal(len(factor))) / np.sqrt(1.09)
        table = component_test(blocks, PENALTIES, 2, n=19, seed=seed)
        assert table["p_value"].iloc[0] == pytest.approx(0.05)
        found.append(table["p_value"].iloc[1])
    assert np.mean(np.array(found) <= 0.05) <= 0.12  # 0.05 expected; 3 standard errors above
    assert kstest(found, "uniform", alternative="greater").pvalue > 0.01


def test_a_real_component_is_told_from_chance():
    model = SparseCCA(n_components=2)
    table = permutation_test(model, cohort_of(1.0), n=99, jobs=1)
    assert list(table.index) == [1, 2]
    assert table["p_value"].iloc[0] == pytest.approx(0.01)
    assert table["z"].iloc[0] > 3 > table["z"].iloc[1]
    assert table["p_value"].iloc[1] > 0.05
    fitted = SparseCCA(n_components=2).fit(cohort_of(1.0))
    assert table["statistic"].iloc[0] == pytest.approx(fitted.correlations_[0], rel=1e-3)


def test_the_number_of_processes_changes_nothing():
    model = SparseCCA(n_components=1)
    one, two = (permutation_test(model, cohort_of(1.0), n=12, jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one, two)


def test_shuffling_keeps_who_was_measured():
    rng = np.random.default_rng(3)
    block = np.arange(20.0).reshape(10, 2)
    block[[2, 5]] = np.nan
    block[7, 1] = np.nan
    out = shuffled(block, rng)
    np.testing.assert_array_equal(np.isnan(out).all(axis=1), np.isnan(block).all(axis=1))
    assert {str(row) for row in out} == {str(row) for row in block}
    assert not np.array_equal(out, block, equal_nan=True)


def test_penalty_by_permutation():
    choice = choose_penalty_by_permutation(
        SparseCCA(n_components=1), cohort_of(1.0), (0.2, 0.4, 1.0), n=30, jobs=1
    )
    table = choice.table
    assert list(table["penalty"]) == [0.2, 0.4, 1.0]
    assert choice.penalty == table["penalty"][table["z"].argmax()]
    assert choice.penalty < 1.0
    assert table["features"].is_monotonic_increasing
    np.testing.assert_allclose(table["p_value"], 1 / 31)


def test_penalty_by_cross_validation():
    grid = (0.2, 0.4, 1.0)
    choice = choose_penalty_by_cross_validation(
        SparseCCA(n_components=1), cohort_of(1.0), grid, jobs=1
    )
    table = choice.table
    assert choice.penalty == table["penalty"][table["correlation"].argmax()]
    assert choice.penalty < 1.0  # the features without signal only add noise
    assert table["correlation"].max() > 0.8
    assert (table["se"] > 0).all()


def test_penalties_may_differ_by_modality():
    settings = ({"rna": 0.3, "protein": 0.5}, {"rna": 0.5, "protein": 0.3})
    choice = choose_penalty_by_permutation(
        SparseCCA(n_components=1), cohort_of(1.0), settings, n=5, jobs=1
    )
    assert choice.penalty in settings


def test_stability_separates_signal_from_noise():
    model = SparseCCA(n_components=1, penalty=float(np.sqrt(8 / 40)))  # eight equal weights of 40
    table = selection_stability(model, cohort_of(1.0), n=30, jobs=1)
    true = table["feature"].isin([f"{m}{i}" for m in ("rna", "protein") for i in range(8)])
    assert table.loc[true, "selected"].min() > 0.8
    assert table.loc[~true, "selected"].mean() < 0.3
    assert (table["same_sign"] <= table["selected"]).all()
    assert table.loc[true, "same_sign"].min() > 0.8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, c: permutation_test(m, c, n=0), "n must be a whole number"),
        (lambda m, c: choose_penalty_by_permutation(m, c, ()), "at least one penalty"),
        (lambda m, c: choose_penalty_by_permutation(m, c, (0.3, 2.0)), "at most 1"),
        (lambda m, c: choose_penalty_by_cross_validation(m, c, folds=60), "too few for 60 folds"),
        (lambda m, c: selection_stability(m, c, share=1.0), "share"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(SparseCCA(n_components=1), cohort_of(1.0))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m, c: permutation_test(m, c, n=3, jobs="a"), "jobs must be"),
        (lambda m, c: permutation_test(m, c, n=3, jobs=0), "jobs must be"),
        (lambda m, c: permutation_test(m, c, n=3, random_state=-1), "random_state must be"),
        (
            lambda m, c: choose_penalty_by_permutation(m, c, 0.3, n=3),
            "at least one penalty",
        ),
        (lambda m, c: selection_stability(m, c, n=3, share="a"), "share must be"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(call, sentence):
    cohort, _, _ = complete_cohort("binary")
    with pytest.raises(InputError, match=sentence):
        call(SparseCCA(n_components=1), cohort)
