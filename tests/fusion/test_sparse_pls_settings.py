"""Designs and numbers of features, as users may give them."""

import numpy as np
import pandas as pd
import pytest

from consilience.errors import InputError
from consilience.fusion.sparse_pls_settings import (
    check_keep,
    check_names,
    components_of,
    design_matrix,
    kept,
)

NAMES = ["rna", "protein", "clinical"]
PAIRS = {"rna": {"protein": 0.5, "clinical": 0.2}, "protein": {"clinical": 0.0}}


def test_one_number_holds_for_all_pairs_and_the_outcome_agrees_with_all():
    expected = [[0, 0.1, 1], [0.1, 0, 1], [1, 1, 0]]
    np.testing.assert_array_equal(design_matrix(0.1, ["a", "b"]), expected)


def test_pairs_may_stand_in_either_order_and_in_a_frame():
    expected = [[0, 0.5, 0.2, 1], [0.5, 0, 0, 1], [0.2, 0, 0, 1], [1, 1, 1, 0]]
    np.testing.assert_array_equal(design_matrix(PAIRS, NAMES), expected)
    frame = pd.DataFrame(np.array(expected)[:3, :3], index=NAMES, columns=NAMES)
    np.testing.assert_array_equal(design_matrix(frame, NAMES), expected)
    order = ["clinical", "rna", "protein"]
    turned = design_matrix(PAIRS, order)
    assert turned[order.index("rna"), order.index("protein")] == 0.5


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        (-0.1, "design must be between 0 and 1, but 'protein' and 'rna' have -0.1"),
        (float("nan"), "between 0 and 1"),
        ({"rna": {"protein": 0.5}}, "how much 'clinical' and 'rna' shall agree"),
        ({**PAIRS, "clinical": {"rna": 0.3}}, "symmetric, but it gives 'clinical' and 'rna'"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(design, sentence):
    with pytest.raises(InputError, match=sentence):
        design_matrix(design, NAMES)


def test_numbers_of_features_by_modality_and_component():
    widths = {"rna": 20, "protein": 5}
    assert kept(4, widths, 1) == (4, 4)
    assert kept([4, 2], widths, 1) == (2, 2)
    assert kept({"rna": [9, 8], "protein": 3}, widths, 1) == (8, 3)
    with pytest.raises(InputError, match="asks for 6 features of modality 'protein', of which 5"):
        kept(6, widths, 0)


def test_the_number_of_components_is_read_off():
    assert components_of(4, NAMES) is None
    assert components_of([4, 2], NAMES) == 2
    assert components_of({"rna": [9, 8, 7], "protein": 3}, NAMES) == 3


@pytest.mark.parametrize("keep", [0, 2.5, [], [3, 0], {"rna": None}, {"rna": "5"}, True])
def test_what_is_no_number_of_features_is_refused(keep):
    with pytest.raises(InputError, match="keep"):
        check_keep(keep, None)


def test_a_modality_that_is_not_there_is_named_with_what_is_meant():
    with pytest.raises(InputError, match="keep names 'protien'.*protein"):
        check_names({"protien": 3}, "keep", NAMES)
    check_names(3, "keep", NAMES)
