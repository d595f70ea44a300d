"""Groups hold everybody once and have names a person understands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.trust import strata_of


def named(column: pd.Series) -> dict[str, int]:
    return {stratum.label: int(stratum.members.sum()) for stratum in strata_of(column)}


RNG = np.random.default_rng(0)
COLUMNS = {
    "age": pd.Series(RNG.normal(60, 12, 300)).where(RNG.random(300) < 0.9),
    "skewed": pd.Series(np.r_[np.zeros(200), RNG.exponential(1e-3, 100)]),
    "stage": pd.Series(RNG.choice(["i", "ii", "iii", None], 300)),
    "centre": pd.Series(RNG.choice([f"c{i}" for i in range(20)], 300)),
    "flag": pd.Series(RNG.random(300) < 0.3),
    "nullable": pd.Series(RNG.choice([0, 1], 300), dtype="Int64").where(RNG.random(300) < 0.8),
    "constant": pd.Series([5.0] * 300),
    "nothing": pd.Series([np.nan] * 300),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_everybody_is_in_one_group(name: str) -> None:
    strata = strata_of(COLUMNS[name])
    np.testing.assert_array_equal(np.sum([s.members for s in strata], axis=0), 1)
    assert len({s.label for s in strata}) == len(strata)
    assert all(s.members.any() for s in strata)


def test_numbers_are_cut_near_tertiles_at_round_values() -> None:
    groups = named(COLUMNS["age"])
    labels = [label for label in groups if label != "missing"]
    assert len(labels) == 3
    cut = float(labels[0].removeprefix("up to "))
    assert cut == int(cut)
    known = COLUMNS["age"].notna().sum()
    assert all(0.25 < groups[label] / known < 0.42 for label in labels)
    assert groups["missing"] == 300 - known


def test_cuts_move_with_the_unit() -> None:
    age = COLUMNS["age"]
    assert list(named(age).values()) == list(named(age * 1000).values())


def test_many_levels_leave_the_frequent_ones_and_the_others() -> None:
    groups = named(COLUMNS["centre"])
    counts = COLUMNS["centre"].value_counts()
    assert len(groups) == 7
    assert groups["other (14 levels)"] == counts.iloc[6:].sum()
    assert max(counts) in groups.values()


def test_one_level_too_many_is_no_group_of_others() -> None:
    assert set(named(pd.Series(list("abcdefg") * 5))) == set("abcdefg")


def test_the_word_missing_is_not_a_missing_value() -> None:
    groups = named(pd.Series(["missing", "a", None, "a"]))
    assert groups["missing"] == 1
    assert len(groups) == 3
