"""One matrix a modality."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.laws.cohorts import complete_cohort, gappy_cohort

from consilience.cohort import Bag, Cohort, Table
from consilience.errors import InputError
from consilience.fusion.blocks import Blocks, anything


def test_columns_have_mean_0_and_variance_1_over_what_was_measured():
    cohort, _ = gappy_cohort("binary")
    names = list(cohort.modalities)
    for name, matrix in Blocks(names, {}).fit(cohort).matrices(cohort).items():
        np.testing.assert_allclose(np.nanmean(matrix, axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(np.nanstd(matrix, axis=0), 1, atol=1e-12)
        np.testing.assert_array_equal(np.isnan(matrix).all(axis=1), ~cohort.has(name))


def test_gaps_stay_gaps_in_numbers_and_in_categories():
    cohort, _ = gappy_cohort("binary")
    blocks = Blocks(["alpha"], {}).fit(cohort)
    matrix = blocks.matrices(cohort)["alpha"]
    assert blocks.features["alpha"][-2:] == ["stage = I", "stage = II"]
    measured = matrix[cohort.has("alpha")]
    frame = cohort.modalities["alpha"].frame.reindex(cohort.index[cohort.has("alpha")])
    np.testing.assert_array_equal(np.isnan(measured[:, :4]), frame.iloc[:, :4].isna())
    np.testing.assert_array_equal(np.isnan(measured[:, -1]), frame["stage"].isna())


def test_own_unit_undoes_it():
    cohort, _, matrices = complete_cohort("binary")
    for centred in (True, False):
        blocks = Blocks(["beta"], {}, centred=centred).fit(cohort)
        found = blocks.own_unit("beta", blocks.matrices(cohort)["beta"])
        np.testing.assert_allclose(found, matrices[1], rtol=1e-12)


def test_uncentred_columns_keep_their_signs_and_have_mean_square_1():
    cohort, _, matrices = complete_cohort("binary")
    matrix = Blocks(["beta"], {}, centred=False).fit(cohort).matrices(cohort)["beta"]
    np.testing.assert_array_equal(np.sign(matrix), np.sign(matrices[1]))
    np.testing.assert_allclose((matrix**2).mean(axis=0), 1)


def test_columns_that_do_not_vary_are_dropped_and_remembered():
    ids = [f"p{i}" for i in range(6)]
    frame = pd.DataFrame({"a": np.arange(6.0), "b": 0.1, "c": np.nan}, index=ids)
    cohort = Cohort(pd.DataFrame(index=ids), {"m": Table(frame)})
    blocks = Blocks(["m"], {}).fit(cohort)
    assert blocks.features == {"m": ["a"]}
    assert blocks.constants_ == {"m": {"b": pytest.approx(0.1)}}
    assert blocks.matrices(cohort)["m"].shape == (6, 1)


def test_a_modality_of_constants_is_refused_by_name():
    ids = [f"p{i}" for i in range(6)]
    frame = pd.DataFrame({"a": 0.1, "b": 3e9}, index=ids)
    cohort = Cohort(pd.DataFrame(index=ids), {"flat": Table(frame)})
    with pytest.raises(InputError, match="'flat' has no feature that varies"):
        Blocks(["flat"], {}).fit(cohort)


def test_other_kinds_of_modality_have_matrices_too():
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(8)]
    bag = Bag(pd.Index(ids), rng.normal(size=(40, 3)), [5] * 8)
    cohort = Cohort(pd.DataFrame(index=ids), {"tiles": bag})
    blocks = Blocks(["tiles"], {}).fit(cohort)
    assert blocks.matrices(cohort)["tiles"].shape == (8, len(blocks.features["tiles"]))
    assert blocks.constants_["tiles"] == {"log number of instances": pytest.approx(np.log(5))}


def test_anything_tells_who_has_a_value():
    blocks = {"a": np.array([[np.nan, 1.0], [np.nan, np.nan]]), "b": np.full((2, 1), np.nan)}
    np.testing.assert_array_equal(anything(blocks), [True, False])
