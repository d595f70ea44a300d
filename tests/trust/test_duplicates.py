"""Planted copies are found, unrelated patients are not taken for copies."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Images, Table, bag_of
from consilience.trust import duplicate_patients, find_duplicates


def ids(n: int) -> list[str]:
    return [f"P{i:05d}" for i in range(n)]


def factor_data(n: int, p: int, seed: int, factors: int = 8) -> np.ndarray:
    """Return features that hang together, as those of omics do."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, factors)) @ rng.standard_normal((factors, p))
    return shared + rng.standard_normal((n, p))


def cohort_of(**tables: np.ndarray | pd.DataFrame) -> Cohort:
    n = len(next(iter(tables.values())))
    rng = np.random.default_rng(99)
    patients = pd.DataFrame({"age": rng.normal(60, 10, n).round(2)}, index=ids(n))
    frames = {
        name: pd.DataFrame(
            np.asarray(values),
            index=ids(n),
            columns=[f"f{j}" for j in range(np.asarray(values).shape[1])],
        )
        for name, values in tables.items()
    }
    return Cohort(patients, {name: Table(frame) for name, frame in frames.items()})


def found_pairs(cohort: Cohort) -> dict[tuple[int, int], dict[str, str]]:
    return {(p.first, p.second): p.modalities for p in find_duplicates(cohort).pairs}


@pytest.mark.parametrize("n", [60, 400, 2500])
def test_a_row_copied_exactly_is_found_and_nothing_else(n: int) -> None:
    values = factor_data(n, 40, seed=n)
    values[n - 7] = values[3]
    assert found_pairs(cohort_of(rna=values)) == {(3, n - 7): {"rna": "equal"}}


@pytest.mark.parametrize("n", [60, 400, 2500])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_row_copied_with_noise_of_a_hundredth_is_found_at_any_scale(n: int, unit: float) -> None:
    values = factor_data(n, 40, seed=n + 1)
    noise = np.random.default_rng(1).standard_normal(40) * values.std(axis=0) * 0.01
    values[n - 7] = values[3] + noise
    values[:, ::2] *= unit
    assert found_pairs(cohort_of(rna=values)) == {(3, n - 7): {"rna": "nearly equal"}}


def test_a_copy_whose_gaps_differ_is_found() -> None:
    values = factor_data(200, 40, seed=5)
    values[150] = values[3]
    rng = np.random.default_rng(2)
    values[rng.random(values.shape) < 0.1] = np.nan
    assert not np.array_equal(np.isnan(values[150]), np.isnan(values[3]))
    assert list(found_pairs(cohort_of(rna=values))) == [(3, 150)]


def test_unrelated_patients_raise_no_alarm_in_a_hundred_cohorts() -> None:
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(20, 150))
        rare = (rng.random((n, 90)) < rng.beta(0.3, 8, 90)).astype(float)
        alarms += bool(
            found_pairs(
                cohort_of(
                    rna=factor_data(n, 120, seed),
                    long_tails=np.exp(2 * factor_data(n, 30, seed + 1, factors=3)),
                    few=rng.standard_normal((n, 3)),
                    rounded=rng.normal(100, 15, (n, 4)).round(),
                    mutation=rare,
                )
            )
        )
    assert alarms == 0


def test_many_patients_without_a_mutation_are_no_duplicates() -> None:
    rng = np.random.default_rng(0)
    mutation = (rng.random((500, 60)) < 0.02).astype(float)
    assert (mutation.sum(axis=1) == 0).sum() > 50
    assert found_pairs(cohort_of(mutation=mutation)) == {}


def test_many_quiet_genomes_are_no_duplicates() -> None:
    rng = np.random.default_rng(0)
    arms = rng.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15], size=(200, 10))
    arms[:30] = 0
    assert found_pairs(cohort_of(copy_number=np.repeat(arms, 20, axis=1))) == {}


def test_a_genotype_shared_in_full_is_a_duplicate() -> None:
    rng = np.random.default_rng(0)
    genotype = rng.binomial(2, rng.uniform(0.1, 0.5, 300), size=(100, 300)).astype(float)
    genotype[80] = genotype[10]
    assert found_pairs(cohort_of(snp=genotype)) == {(10, 80): {"snp": "equal"}}


def test_a_cohort_appended_to_itself_is_found_whole() -> None:
    values = factor_data(80, 30, seed=0)
    twice = np.vstack([values, values])
    assert set(found_pairs(cohort_of(rna=twice))) == {(i, i + 80) for i in range(80)}


def test_three_copies_are_two_pairs_with_the_first() -> None:
    values = factor_data(80, 30, seed=0)
    values[[40, 60]] = values[7]
    assert set(found_pairs(cohort_of(rna=values))) == {(7, 40), (7, 60)}


def test_text_counts_too() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {f"c{j}": rng.choice(list("abcdefghij"), 100) for j in range(20)}, index=ids(100)
    )
    frame.iloc[50] = frame.iloc[2]
    cohort = Cohort(pd.DataFrame({"age": range(100)}, index=ids(100)), {"codes": Table(frame)})
    assert list(found_pairs(cohort)) == [(2, 50)]


def test_positions_are_those_of_the_cohort_where_not_all_were_measured() -> None:
    values = factor_data(60, 30, seed=0)
    values[50] = values[10]
    index = pd.Index(ids(120)[::2][::-1])
    table = Table(pd.DataFrame(values, index=index))
    cohort = Cohort(pd.DataFrame({"age": range(120)}, index=ids(120)), {"rna": table})
    (pair,) = find_duplicates(cohort).pairs
    assert set(pair.ids) == {index[10], index[50]}
    assert [cohort.index[pair.first], cohort.index[pair.second]] == list(pair.ids)


def test_bags_and_images_are_compared() -> None:
    rng = np.random.default_rng(0)
    bags = {name: rng.standard_normal((5, 8)) for name in ids(40)}
    bags["P00030"] = bags["P00004"][::-1]
    pictures = [rng.standard_normal((16, 16)) for _ in range(40)]
    pictures[30] = pictures[4] + 1e-4 * rng.standard_normal((16, 16))
    cohort = Cohort(
        pd.DataFrame({"age": range(40)}, index=ids(40)),
        {"cells": bag_of(bags), "scan": Images(pd.Index(ids(40)), pictures)},
    )
    (pair,) = find_duplicates(cohort).pairs
    assert (pair.first, pair.second) == (4, 30)
    assert set(pair.modalities) == {"cells", "scan"}


def test_a_near_copy_in_one_modality_is_a_warning_and_in_two_a_failure() -> None:
    rng = np.random.default_rng(0)
    one, two = factor_data(100, 30, seed=1), factor_data(100, 30, seed=2)
    one[60] = one[5] + 0.01 * rng.standard_normal(30)
    assert duplicate_patients(cohort_of(rna=one, protein=two)).status == "warning"
    two[60] = two[5] + 0.01 * rng.standard_normal(30)
    assert duplicate_patients(cohort_of(rna=one, protein=two)).status == "failed"


def test_ids_that_agree_need_equal_data() -> None:
    values = factor_data(60, 10, seed=1)
    index = [*ids(58), "TCGA-OR-A5J1", "tcga_or_a5j1"]
    patients = pd.DataFrame({"age": np.arange(60), "sex": "f"}, index=index)
    rna = Table(pd.DataFrame(values, index=index))
    assert duplicate_patients(Cohort(patients, {"rna": rna})).status == "passed"
    patients.loc["tcga_or_a5j1"] = patients.loc["TCGA-OR-A5J1"]
    check = duplicate_patients(Cohort(patients, {"rna": rna}))
    assert check.status == "warning"
    assert "TCGA-OR-A5J1" in check.sentence


def test_patients_named_by_their_ward_are_not_one() -> None:
    index = [f"hospital-a-ward-{i}" for i in range(60)]
    patients = pd.DataFrame({"a": 1, "b": 2, "c": 3}, index=index)
    rna = Table(pd.DataFrame(factor_data(60, 10, seed=1), index=index))
    assert duplicate_patients(Cohort(patients, {"rna": rna})).status == "passed"


def test_a_check_is_json_and_says_what_was_covered() -> None:
    values = factor_data(60, 10, seed=1)
    values[5] = values[6]
    check = duplicate_patients(cohort_of(rna=values))
    assert json.loads(json.dumps(asdict(check), allow_nan=False))["status"] == "failed"
    assert check.details[-2]["compared for equal rows"] == 60
    assert check.details[-1] == {"near pairs set aside": 0}


def test_a_placeholder_row_is_a_warning_and_no_copied_patient() -> None:
    tables = {f"t{k}": factor_data(100, 30, seed=k) for k in range(4)}
    tables["t0"][[3, 50, 80]] = 0.123
    check = duplicate_patients(cohort_of(**tables))
    assert check.status == "warning"
    assert "placeholder" in check.sentence
    assert "same patient twice" not in check.sentence
    assert check.details[0]["differs in"] == ["t1", "t2", "t3"]


def test_rows_near_in_one_of_many_modalities_are_set_aside_and_counted() -> None:
    tables = {f"t{k}": factor_data(100, 30, seed=k) for k in range(4)}
    tables["t0"][50] = tables["t0"][3] * 1.001
    check = duplicate_patients(cohort_of(**tables))
    assert check.status == "passed"
    assert check.details[-1] == {"near pairs set aside": 1}


def test_a_copy_with_equal_but_unremarkable_mutations_is_one_patient() -> None:
    rna = factor_data(100, 30, seed=1)
    rna[50] = rna[3]
    quiet = np.zeros((100, 20))
    quiet[10:20, 3] = 1
    check = duplicate_patients(cohort_of(rna=rna, a=quiet, b=quiet, c=quiet))
    assert check.status == "failed"
    assert check.details[0]["differs in"] == []
