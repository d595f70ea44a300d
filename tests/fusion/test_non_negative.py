"""Blocks without negative entries, and back."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.errors import InputError
from consilience.fusion.non_negative import NonNegative

BLOCK = np.array([[1.0, -2.0, 3.0], [2.0, -1.0, -1.0], [np.nan, -4.0, 0.0]])
NAMES = ["b", "a", "c"]


def fitted(negatives: str) -> NonNegative:
    return NonNegative(negatives).fit({"m": BLOCK}, {"m": NAMES})


def test_refused_by_name_with_the_ways_out() -> None:
    said = (
        r"modality 'm', feature 'a' and 1 others: a value below 0 .* 'split' .* 'centre' .* "
        r"or 'shift'"
    )
    with pytest.raises(InputError, match=said):
        fitted("refuse")


def test_refused_in_a_new_patient_too() -> None:
    kept = NonNegative().fit({"m": np.abs(BLOCK)}, {"m": NAMES})
    with pytest.raises(InputError, match="feature 'c'"):
        kept.columns({"m": np.array([[1.0, 1.0, -0.1]])})


def test_split_has_a_column_for_each_sign_that_occurs() -> None:
    columns = fitted("split").columns({"m": BLOCK})["m"]
    b, c, a_below, c_below = columns.T  # features in the order of their names, + before -
    np.testing.assert_array_equal(b, [1, 2, np.nan])
    np.testing.assert_array_equal(c, [3, 0, 0])
    np.testing.assert_array_equal(a_below, [2, 1, 4])
    np.testing.assert_array_equal(c_below, [0, 1, 0])


@pytest.mark.parametrize("negatives", ["split", "centre", "shift"])
def test_back_is_where_it_came_from(negatives: str) -> None:
    way = fitted(negatives)
    columns = way.columns({"m": BLOCK})
    assert np.nanmin(columns["m"]) >= 0
    np.testing.assert_allclose(way.blocks(columns)["m"], BLOCK, atol=1e-12)


def test_shift_counts_from_the_smallest_and_keeps_the_mean_square() -> None:
    columns = fitted("shift").columns({"m": BLOCK})["m"]
    np.testing.assert_array_equal(np.nanmin(columns, axis=0), 0.0)
    np.testing.assert_allclose(np.nanmean(columns**2, axis=0), 1.0)


def test_centre_has_what_is_above_the_mean_and_what_is_below() -> None:
    columns = fitted("centre").columns({"m": BLOCK})["m"]
    assert columns.shape == (3, 6)
    a_above, a_below = columns[:, 0], columns[:, 3]
    deviation = np.std(BLOCK[:, 1])
    values = (BLOCK[:, 1] - BLOCK[:, 1].mean()) / deviation
    np.testing.assert_allclose(a_above - a_below, values)
    np.testing.assert_array_equal(a_above * a_below, 0.0)


@pytest.mark.parametrize("negatives", ["split", "shift"])
def test_a_new_patient_beyond_what_was_seen_counts_as_at_the_edge(negatives: str) -> None:
    way = fitted(negatives)
    beyond = way.columns({"m": np.array([[-9.0, 5.0, -9.0]])})["m"]
    assert beyond.min() >= 0
    if negatives == "shift":
        np.testing.assert_array_equal(beyond[0, [1, 2]], 0.0)  # b and c below their smallest


def test_the_order_of_features_is_of_no_account() -> None:
    turned = NonNegative("split").fit({"m": BLOCK[:, ::-1]}, {"m": NAMES[::-1]})
    ours, theirs = fitted("split").columns({"m": BLOCK}), turned.columns({"m": BLOCK[:, ::-1]})
    np.testing.assert_array_equal(ours["m"], theirs["m"])


def test_places_run_over_all_modalities() -> None:
    way = NonNegative("split").fit({"y": BLOCK, "x": np.abs(BLOCK)}, {"y": NAMES, "x": NAMES})
    feature, sign = way.places()
    # in sorted order a, b, c stand at 1, 0, 2 of a block; y has b, c above 0 and a, c below
    assert list(feature) == [1, 0, 2, 3, 5, 4, 5]
    assert list(sign) == [1, 1, 1, 1, 1, -1, -1]
