"""Features of a subtype against the others: the tests of SciPy, column by column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2_contingency, false_discovery_control, mannwhitneyu

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.subtype_profiles import feature_profiles, in_order


@pytest.fixture
def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    ids = [f"p{i:02d}" for i in range(60)]
    rna = pd.DataFrame(rng.normal(size=(60, 4)), index=ids, columns=list("abcd"))
    rna["counts"] = rng.integers(0, 4, 60)
    rna["same"] = 1.5
    rna["stage"] = rng.choice(["I", "II", "III"], 60)
    rna.iloc[:5, 0] = np.nan
    rna.loc[ids[7], "stage"] = None
    protein = pd.DataFrame(rng.normal(size=(40, 2)), index=ids[10:50], columns=["e", "rare"])
    protein.loc[ids[11:50], "rare"] = np.nan
    return Cohort(pd.DataFrame(index=ids), {"rna": Table(rna), "protein": Table(protein)})


@pytest.fixture
def labels(cohort: Cohort) -> pd.Series:
    own = pd.Series(np.random.default_rng(1).choice(["1", "2", "10"], 60), index=cohort.index)
    own.iloc[3] = pd.NA
    return own


def test_numbers_are_compared_by_mann_whitney(cohort, labels):
    table = feature_profiles(cohort, labels)
    for name, feature in (("rna", "a"), ("rna", "counts"), ("protein", "e")):
        values = cohort.modalities[name].frame[feature].reindex(cohort.index)
        for group in ("1", "2", "10"):
            one = values[(labels == group) & labels.notna()].dropna()
            other = values[(labels != group) & labels.notna()].dropna()
            expected = mannwhitneyu(one, other, method="asymptotic")
            row = table.query("subtype == @group and feature == @feature").squeeze()
            assert row["p_value"] == pytest.approx(expected.pvalue, rel=1e-10)
            effect = 2 * expected.statistic / (len(one) * len(other)) - 1
            assert row["effect"] == pytest.approx(effect)
            assert (row["inside"], row["outside"]) == (one.median(), other.median())
            assert row["patients"] == len(one) + len(other)
            assert row["modality"] == name


def test_levels_are_compared_by_chi_square(cohort, labels):
    table = feature_profiles(cohort, labels)
    stage = cohort.modalities["rna"].frame["stage"]
    known = stage.notna() & labels.notna()
    for level in ("I", "II", "III"):
        inside = (labels[known] == "2").to_numpy(dtype=bool)
        hit = (stage[known] == level).to_numpy()
        counts = pd.crosstab(inside, hit).to_numpy()
        row = table.query("subtype == '2' and feature == 'stage' and level == @level").squeeze()
        expected = chi2_contingency(counts, correction=False).pvalue
        assert row["p_value"] == pytest.approx(expected, rel=1e-10)
        assert row["effect"] == pytest.approx(hit[inside].mean() - hit[~inside].mean())


def test_p_values_are_adjusted_over_all_rows(cohort, labels):
    table = feature_profiles(cohort, labels)
    assert_allclose(table["q_value"], false_discovery_control(table["p_value"]))
    assert len(table) == 3 * (4 + 1 + 3 + 1)


def test_what_could_not_be_compared_is_listed(cohort, labels):
    left = feature_profiles(cohort, labels).attrs["not_compared"]
    assert {feature for _, _, feature in left} == {"same", "rare"}
    assert {modality for _, modality, _ in left} == {"rna", "protein"}
    assert len(left) == 6


def test_the_largest_effects_come_first_in_each_subtype(cohort, labels):
    table = feature_profiles(cohort, labels)
    assert list(table["subtype"].unique()) == ["1", "2", "10"] == in_order(labels)
    for _, own in table.groupby("subtype"):
        assert own["effect"].abs().is_monotonic_decreasing


def test_a_planted_difference_has_its_direction(cohort, labels):
    frame = cohort.modalities["rna"].frame
    frame.loc[(labels == "1").to_numpy(dtype=bool, na_value=False), "b"] += 20
    shifted = cohort.with_modality("rna", Table(frame))
    first = feature_profiles(shifted, labels).query("feature == 'b'").set_index("subtype")
    assert first.loc["1", "effect"] == 1.0
    assert first.loc["2", "effect"] < 0
    assert first.loc["1", "q_value"] < 1e-5


def test_one_subtype_cannot_be_compared(cohort):
    with pytest.raises(InputError, match="60 patients have 1 subtypes; it takes two"):
        feature_profiles(cohort, pd.Series("1", index=cohort.index))
