"""Patients' columns between subtypes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2_contingency, false_discovery_control, kruskal

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.subtype_enrichment import patient_enrichment


@pytest.fixture
def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    ids = [f"p{i:02d}" for i in range(80)]
    patients = pd.DataFrame(
        {
            "age": rng.normal(60, 10, 80),
            "smoker": rng.random(80) < 0.4,
            "site": rng.choice(["north", "south", "west"], 80),
            "country": "DE",
            "score": np.where(np.arange(80) < 1, 3.0, np.nan),
        },
        index=ids,
    )
    patients.loc[ids[5], "age"] = np.nan
    return Cohort(patients, {"m": Table(pd.DataFrame({"x": rng.normal(size=80)}, index=ids))})


@pytest.fixture
def labels(cohort: Cohort) -> pd.Series:
    own = pd.Series(np.random.default_rng(1).choice(["1", "2", "3"], 80), index=cohort.index)
    own.iloc[7] = pd.NA
    return own


def test_numbers_by_kruskal_wallis_and_the_rest_by_chi_square(cohort, labels):
    table = patient_enrichment(cohort, labels)
    known = labels.notna() & cohort.patients["age"].notna()
    age = kruskal(*(cohort.patients["age"][known & (labels == g)] for g in "123"))
    assert table.loc["age", "p_value"] == pytest.approx(age.pvalue)
    assert table.loc["age", "effect"] == pytest.approx(age.statistic / (known.sum() - 1))
    assert table.loc["age", "patients"] == known.sum() == 78
    for column in ("smoker", "site"):
        held = labels.notna()
        counts = pd.crosstab(labels[held], cohort.patients[column][held])
        expected = chi2_contingency(counts, correction=False)
        row = table.loc[column]
        assert row["test"] == "chi-square"
        assert row["p_value"] == pytest.approx(expected.pvalue)
        cramer = np.sqrt(expected.statistic / (79 * (min(counts.shape) - 1)))
        assert row["effect"] == pytest.approx(cramer)
        assert row["smallest_expected"] == pytest.approx(expected.expected_freq.min())
    assert_allclose(table["q_value"], false_discovery_control(table["p_value"].astype(float)))
    assert table["p_value"].is_monotonic_increasing


def test_what_each_subtype_has_is_told(cohort, labels):
    table = patient_enrichment(cohort, labels, ["site", "age"])
    first = cohort.patients["site"][(labels == "1").to_numpy(dtype=bool, na_value=False)]
    share = first.value_counts(normalize=True)
    assert table.loc["site", "subtype 1"] == f"{share.index[0]} ({share.iloc[0]:.0%})"


def test_columns_that_cannot_be_compared_are_listed(cohort, labels):
    table = patient_enrichment(cohort, labels)
    assert table.attrs["not_compared"] == ["country", "score"]
    assert set(table.index) == {"age", "smoker", "site"}


def test_the_full_effect_is_1(cohort, labels):
    patients = cohort.patients.assign(copy=labels.to_numpy())
    own = Cohort(patients, dict(cohort.modalities))
    assert patient_enrichment(own, labels, ["copy"]).loc["copy", "effect"] == pytest.approx(1.0)


def test_an_unknown_column_in_one_sentence(cohort, labels):
    with pytest.raises(InputError, match=r"no patient column 'Age'.* Did you mean 'age'\?"):
        patient_enrichment(cohort, labels, ["Age"])
    with pytest.raises(InputError, match="give columns as a list"):
        patient_enrichment(cohort, labels, "age")
