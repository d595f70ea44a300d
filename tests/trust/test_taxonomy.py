"""Groups of patients, and to which a new one belongs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table
from consilience.trust.strata import strata_of
from consilience.trust.taxonomy import Split, Taxonomy


def patients(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    index = [f"p{i}" for i in range(n)]
    ages = rng.normal(60, 10, size=n).round()
    sites = np.where(rng.random(n) < 0.9, "north", [f"s{i}" for i in range(n)])
    sex = np.array(["f", "m"])[rng.integers(0, 2, n)]
    return pd.DataFrame({"sex": sex, "age": ages, "site": sites}, index=index)


def test_numbers_are_cut_where_the_report_cuts_them() -> None:
    ages = patients()["age"]
    split = Split.of(ages, fewest=20)
    for stratum in strata_of(ages):
        assert {split.label(a) for a in ages[stratum.members]} == {f"age {stratum.label}"}


def test_small_values_are_no_group_and_a_column_of_one_group_is_not_taken() -> None:
    found = Taxonomy.of(patients(), ["sex", "site", "age"], fewest=20)
    assert [split.column for split in found.splits] == ["sex", "age"]
    assert Taxonomy.model_validate_json(found.model_dump_json()) == found


def test_there_are_not_too_many_combinations() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({c: rng.integers(0, 5, 2000).astype(str) for c in "abc"})
    assert len(Taxonomy.of(frame, ["a", "b", "c"], fewest=20).splits) == 1


@pytest.mark.parametrize("value", [None, np.nan, "unheard of"])
def test_what_is_not_known_has_no_label(value: object) -> None:
    assert Split.of(patients()["sex"], fewest=20).label(value) is None
    assert Split.of(patients()["age"], fewest=20).label(value) is None


def test_a_column_is_found_among_the_features_too() -> None:
    frame = patients()
    taxonomy = Taxonomy.of(frame, ["sex", "age"], fewest=20)
    inside = Cohort(frame[[]], {"clinical": Table(frame[["sex", "age"]].iloc[:200])})
    found = taxonomy.groups(inside)
    assert found[:200] == taxonomy.groups(Cohort(frame, {}))[:200]
    assert found[200:] == [(None, None)] * 100


def test_without_columns_all_are_one_group() -> None:
    assert Taxonomy().groups(Cohort(patients(3), {})) == [(), (), ()]
