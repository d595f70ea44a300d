"""Columns of numbers from tables, bags and images: moments, gaps, levels, transformers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from consilience.cohort import Bag, Table
from consilience.cohort.bag import bag_of
from consilience.errors import InputError
from consilience.fusion import encoding
from consilience.fusion.encoding import BagEncoder, FrameEncoder, TableEncoder, encoder_for


def table_of(values: np.ndarray, **columns) -> Table:
    ids = [f"p{i:04d}" for i in range(len(values))]
    names = [f"x{j}" for j in range(values.shape[1])]
    return Table(pd.DataFrame(values, index=ids, columns=names).assign(**columns))


def encoded(table: Table, encoder=None) -> np.ndarray:
    encoder = (encoder or TableEncoder()).fit(table)
    return encoder.encode(table, np.arange(len(table)))


@pytest.fixture
def gappy() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(5, 3, size=(53, 7)) * 10.0 ** np.arange(-3, 4)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[0, 3] = np.nan
    return values


@pytest.mark.parametrize("chunk", [1, 7, 50, 10**6])
def test_moments_are_numpys_whatever_the_chunks(gappy, chunk, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK", chunk)
    encoder = TableEncoder().fit(table_of(gappy))
    np.testing.assert_allclose(encoder.mean_, np.nanmean(gappy, axis=0), rtol=1e-12)
    np.testing.assert_allclose(encoder.scale_, np.nanstd(gappy, axis=0), rtol=1e-12)


def test_complete_columns_are_those_of_a_standard_scaler():
    values = np.random.default_rng(1).normal(2, 7, size=(40, 5))
    np.testing.assert_allclose(
        encoded(table_of(values)), StandardScaler().fit_transform(values), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("chunk", [9, 10**6])
@pytest.mark.parametrize("first_known", [0, 1, 30])
def test_a_large_mean_beside_a_small_spread_loses_no_digits(chunk, first_known, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK", chunk)
    values = 1e8 + np.random.default_rng(2).normal(size=(90, 2))
    values[:first_known, 0] = np.nan
    encoder = TableEncoder().fit(table_of(values))
    np.testing.assert_allclose(encoder.scale_, np.nanstd(values, axis=0), rtol=1e-7)
    np.testing.assert_allclose(encoder.mean_, np.nanmean(values, axis=0), rtol=1e-15)


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_the_unit_of_a_feature_changes_nothing(unit):
    values = np.random.default_rng(3).normal(3, 1, size=(60, 2))
    np.testing.assert_allclose(
        encoded(table_of(values * unit)), encoded(table_of(values)), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.1, 1e-9, 1e9, -123456.789])
def test_constant_columns_are_zero(constant):
    values = np.random.default_rng(4).normal(size=(1000, 2))
    values[:, 1] = constant
    np.testing.assert_allclose(encoded(table_of(values))[:, 1], 0.0, rtol=0, atol=1e-6)


def test_single_precision_stays_single_and_agrees():
    values = np.random.default_rng(5).normal(50, 2, size=(80, 3))
    values[::9, 0] = np.nan
    single = encoded(table_of(values.astype(np.float32)))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, encoded(table_of(values)), rtol=0, atol=1e-4)


def test_columns_without_any_value_are_zero_and_marked():
    values = np.random.default_rng(6).normal(size=(20, 2))
    values[:, 1] = np.nan
    encoder = TableEncoder().fit(table_of(values))
    columns = encoder.encode(table_of(values), np.arange(20))
    assert encoder.names_ == ["x0", "x1", "x1 missing"]
    np.testing.assert_array_equal(columns[:, 1], 0.0)
    np.testing.assert_array_equal(columns[:, 2], 1.0)


def test_missing_values_are_the_mean_with_an_indicator_beside(gappy):
    encoder = TableEncoder().fit(table_of(gappy))
    columns = encoder.encode(table_of(gappy), np.arange(len(gappy)))
    numbers, marks = columns[:, :7], columns[:, 7:]
    np.testing.assert_array_equal(marks, np.isnan(gappy).astype(float))
    np.testing.assert_array_equal(numbers[np.isnan(gappy)], 0.0)


def test_a_gap_in_a_feature_that_had_none_in_training_has_no_indicator():
    values = np.random.default_rng(7).normal(size=(20, 2))
    encoder = TableEncoder().fit(table_of(values))
    later = values.copy()
    later[0, 1] = np.nan
    columns = encoder.encode(table_of(later), np.arange(20))
    assert columns.shape == (20, 2)
    assert columns[0, 1] == 0.0


@pytest.mark.parametrize("constant", [0.0, -7.0, 1e3])
def test_with_the_indicator_the_constant_imputed_is_immaterial_in_a_linear_model(constant):
    """The claim of `Standardised`'s docstring, for least squares without a penalty."""
    rng = np.random.default_rng(8)
    values = rng.normal(size=(100, 3))
    y = values @ [1.0, -2.0, 0.5] + rng.normal(size=100)
    values[rng.random(values.shape) < 0.2] = np.nan
    ours = encoded(table_of(values))
    imputer = SimpleImputer(strategy="constant", fill_value=constant, add_indicator=True)
    other = imputer.fit_transform(values)
    np.testing.assert_allclose(
        LinearRegression().fit(ours, y).predict(ours),
        LinearRegression().fit(other, y).predict(other),
        rtol=0,
        atol=1e-8,
    )


def test_levels_are_columns_and_unseen_or_missing_ones_are_none():
    values = np.zeros((4, 1))
    train = table_of(values, stage=["II", "I", None, "II"])
    encoder = TableEncoder().fit(train)
    assert encoder.names_ == ["x0", "stage = I", "stage = II"]
    later = table_of(values, stage=["I", "IV", None, "II"])
    np.testing.assert_array_equal(
        encoder.encode(later, np.arange(4))[:, 1:], [[1, 0], [0, 0], [0, 0], [0, 1]]
    )


def test_levels_are_those_of_a_one_hot_encoder():
    rng = np.random.default_rng(9)
    text = rng.choice(list("abcde"), size=50)
    ours = encoded(table_of(np.zeros((50, 1)), site=text))[:, 1:]
    theirs = OneHotEncoder(sparse_output=False).fit_transform(text[:, None])
    np.testing.assert_array_equal(ours, theirs)


def test_a_table_of_text_alone():
    table = Table(pd.DataFrame({"sex": ["f", "m", "f"]}, index=list("abc")))
    np.testing.assert_array_equal(encoded(table), [[1, 0], [0, 1], [1, 0]])


def test_features_may_come_in_another_order_with_others_between():
    rng = np.random.default_rng(10)
    train = table_of(rng.normal(size=(30, 4)), stage=rng.choice(["I", "II"], 30))
    frame = train.frame.iloc[:, ::-1]
    frame.insert(2, "novel", 1.0)
    frame.insert(0, "remark", "text")
    encoder = TableEncoder().fit(train)
    np.testing.assert_array_equal(
        encoder.encode(Table(frame), np.arange(30)), encoder.encode(train, np.arange(30))
    )


def test_a_feature_that_is_all_missing_later_has_no_kind_and_is_missing():
    rng = np.random.default_rng(11)
    train = table_of(rng.normal(size=(12, 2)), stage=["I", "II"] * 6)
    encoder = TableEncoder().fit(train)
    frame = train.frame.assign(stage=np.nan)  # read back as numbers
    frame["x0"] = None  # read back as text
    columns = encoder.encode(Table(frame), np.arange(12))
    np.testing.assert_array_equal(columns[:, [0, 2, 3]], 0.0)
    np.testing.assert_array_equal(columns[:, 1], encoder.encode(train, np.arange(12))[:, 1])


def test_numbers_where_text_was_are_refused():
    train = table_of(np.zeros((4, 1)), stage=["I", "II", "I", "II"])
    later = table_of(np.zeros((4, 1)), stage=[1, 2, 1, 2])
    with pytest.raises(InputError, match="'stage' held text .* holds numbers now"):
        TableEncoder().fit(train).encode(later, np.arange(4))
    with pytest.raises(InputError, match="'stage' held numbers .* holds text now"):
        TableEncoder().fit(later).encode(train, np.arange(4))


def test_bags_are_summarised_by_mean_spread_and_number():
    rng = np.random.default_rng(12)
    instances = {f"p{i}": rng.normal(i, 1 + i, size=(3 + i, 2)) for i in range(6)}
    rows = [np.r_[v.mean(0), v.std(0), np.log(len(v))] for v in instances.values()]
    expected = StandardScaler().fit_transform(np.array(rows))
    bag = bag_of(instances)
    encoder = BagEncoder().fit(bag)
    np.testing.assert_allclose(encoder.encode(bag, np.arange(6)), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(encoder.encode(bag, np.array([4, 1])), expected[[4, 1]], atol=1e-12)
    turned = bag_of({k: v[:, ::-1] for k, v in instances.items()}, features=["1", "0"])
    np.testing.assert_allclose(encoder.encode(turned, np.arange(6)), expected, rtol=0, atol=1e-12)
    with pytest.raises(InputError, match="lacks 1 of the features .* '1'"):
        encoder.encode(bag_of({"p": np.zeros((2, 1))}), np.arange(1))


def test_a_transformer_is_given_the_table_as_a_frame():
    rng = np.random.default_rng(13)
    table = table_of(rng.normal(size=(30, 5)))
    encoder = encoder_for(table, make_pipeline(StandardScaler(), PCA(2, svd_solver="full")))
    assert isinstance(encoder, FrameEncoder)
    reference = make_pipeline(StandardScaler(), PCA(2, svd_solver="full"))
    expected = reference.fit_transform(table.frame)
    np.testing.assert_allclose(encoded(table, encoder), expected, rtol=0, atol=1e-12)
    assert encoder.names_ == ["pca0", "pca1"]


def test_sparse_transformers_are_made_dense():
    table = Table(pd.DataFrame({"sex": ["f", "m", "f"]}, index=list("abc")))
    np.testing.assert_array_equal(
        encoded(table, FrameEncoder(OneHotEncoder())), [[1, 0], [0, 1], [1, 0]]
    )


def test_a_transformer_on_a_bag_is_refused():
    bag: Bag = bag_of({"p": np.zeros((2, 1))})
    with pytest.raises(InputError, match="StandardScaler is given a table .* kind Bag"):
        FrameEncoder(StandardScaler()).fit(bag)
