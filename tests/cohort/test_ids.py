"""Ids that should agree: what would make them, and what must never be done."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.cohort.ids import (
    TRANSFORMATIONS,
    changed_ids,
    matching_transformation,
    unknown_ids,
)
from consilience.errors import InputError


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (["tcga_or_a5j1", "tcga_or_a5j2"], ["TCGA-OR-A5J1", "TCGA-OR-A5J2"], "upper case, dashes"),
        (["p1", "p2"], ["P1", "P2"], "upper case"),
        (["a ", " b"], ["a", "b"], "strip blanks"),
        (["a.1", "b.1"], ["a-1", "b-1"], "dashes"),
        (["TCGA-OR-A5J1-01A", "TCGA-OR-A5J2-01A"], ["TCGA-OR-A5J1", "TCGA-OR-A5J2"], "first three"),
        (["1", "12"], ["001", "012"], "no leading zeros"),
        (["1.0", "12.0"], ["1", "12"], "no trailing .0"),
    ],
)
def test_the_transformation_that_would_match_is_named(ours, theirs, words) -> None:
    found = matching_transformation(pd.Index(ours), pd.Index(theirs))
    assert found is not None
    assert words in found[0]
    assert found[1] == 2
    with pytest.raises(InputError, match=found[0]):
        unknown_ids(pd.Index(ours), pd.Index(theirs), "table 'rna'")
    changed = changed_ids(pd.Index(ours), found[0], "rna")
    assert set(changed) == set(changed_ids(pd.Index(theirs), found[0], "patients"))


def test_no_transformation_is_offered_that_merges_patients() -> None:
    ours, theirs = pd.Index(["a", "A"]), pd.Index(["A", "B"])
    assert matching_transformation(ours, theirs) is None
    with pytest.raises(InputError, match=r"'A', of 'a', 'A'"):
        changed_ids(ours, "upper case", "rna")


def test_an_unknown_transformation_is_refused_with_the_closest() -> None:
    with pytest.raises(InputError, match="Did you mean 'upper case'"):
        changed_ids(pd.Index(["a"]), "uper case", "rna")


def test_known_ids_pass() -> None:
    unknown_ids(pd.Index(["a"]), pd.Index(["b", "a"]), "table 'rna'")


@given(st.text(), st.sampled_from(sorted(TRANSFORMATIONS)))
def test_a_transformation_changes_nothing_the_second_time(text: str, words: str) -> None:
    change = TRANSFORMATIONS[words]
    once = change(text)
    if words != "no trailing .0":  # "1.0.0" has two to lose
        assert change(once) == once
