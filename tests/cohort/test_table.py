"""What a table reads off a frame, and what it gives back."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from consilience.cohort import Table
from consilience.cohort.table import Blocks, TableSource, kind_of
from consilience.errors import InputError


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ldh": [210.5, np.nan, -3.0],
            "stage": ["ii", None, "iv"],
            "nodes": [3, 0, 12],
            "smoker": [True, False, True],
        },
        index=["c", "a", "b"],
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.0], "continuous"),
        ([-1, 2], "continuous"),
        ([0, 3], "count"),
        ([0.0, np.nan, 7.0], "count"),
        ([0, 1, 1], "binary"),
        ([1.0, np.nan], "binary"),
        ([True, False], "binary"),
        (["x", "y"], "categorical"),
        (["1", "2"], "categorical"),
        ([np.nan, "x"], "categorical"),
    ],
)
def test_kinds_are_read_off_the_values(values: list, kind: str) -> None:
    assert kind_of(pd.Series(values)) == kind


def test_frame_comes_back_in_order(frame: pd.DataFrame) -> None:
    table = Table(frame, units={"ldh": "U/L"})
    assert table.kinds == {
        "ldh": "continuous", "stage": "categorical", "nodes": "count", "smoker": "binary"
    }  # fmt: skip
    assert table.numeric_features == ("ldh", "nodes", "smoker")
    assert table.categorical_features == ("stage",)
    assert table.units == {"ldh": "U/L"}
    expected = frame.astype({"nodes": float, "smoker": float})
    assert_frame_equal(table.frame, expected, check_names=False)


def test_views_repeat_and_reorder(frame: pd.DataFrame) -> None:
    table = Table(frame).take(np.array([2, 0, 2])).take(np.array([1, 2, 0, 0]))
    assert list(table.index) == ["c", "b", "b", "b"]
    np.testing.assert_array_equal(table.numeric[:, 1], [3, 12, 12, 12])
    np.testing.assert_array_equal(table.numeric_at(np.array([3, 0]))[:, 1], [12, 3])
    assert table.categorical["stage"].tolist() == ["ii", "iv", "iv", "iv"]
    assert list(table.categorical.index) == ["c", "b", "b", "b"]
    assert_frame_equal(table.frame[["stage"]], table.categorical)


def test_all_float32_stays_float32_and_a_mixture_does_not(frame: pd.DataFrame) -> None:
    single = frame[["ldh"]].astype(np.float32)
    assert Table(single).numeric.dtype == np.float32
    assert Table(single.assign(nodes=[1, 2, 3])).numeric.dtype == np.float64


def test_nullable_columns_are_read(frame: pd.DataFrame) -> None:
    nullable = pd.DataFrame(
        {
            "count": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "grade": pd.Categorical(["low", None, "high"]),
        },
        index=frame.index,
    )
    table = Table(nullable)
    assert table.kinds == {"count": "count", "flag": "binary", "grade": "categorical"}
    np.testing.assert_array_equal(table.numeric, [[1, 1], [np.nan, np.nan], [3, 0]])
    assert table.categorical["grade"].tolist() == ["low", None, "high"]


def test_values_cannot_be_changed_through_a_table(frame: pd.DataFrame) -> None:
    table = Table(frame)
    with pytest.raises(ValueError, match="read-only"):
        table.numeric[0, 0] = 1.0
    table.numeric_at(np.array([0]))[:] = -1
    frame, text = table.frame, table.categorical
    frame.loc["c", "ldh"], text.loc["c", "stage"] = -1, "x"
    assert table.numeric[0, 0] == 210.5
    assert table.categorical.loc["c", "stage"] == "ii"


def test_wrong_frames_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"'ldh' for patient 'a' is infinite"):
        Table(frame.assign(ldh=[1.0, np.inf, 2.0]))
    with pytest.raises(InputError, match=r"patient 'a'"):
        Table(frame.set_axis(["a", "a", "b"], axis=0))
    with pytest.raises(InputError, match=r"feature 'ldh' stands more than once"):
        Table(pd.concat([frame, frame[["ldh"]]], axis=1))
    with pytest.raises(InputError, match=r"'ldl', which it has not"):
        Table(frame, units={"ldl": "U/L"})
    with pytest.raises(InputError, match=r"'number' is none of"):
        Table(frame, kinds={"ldh": "number"})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="holds text"):
        Table(frame, kinds={"stage": "continuous"})


def test_replaced_keeps_all_but_the_values(frame: pd.DataFrame) -> None:
    table = Table(frame, units={"ldh": "U/L"}).take(np.array([2, 1]))
    other = table.replaced(Blocks(table.numeric * 2, table.categorical))
    assert (other.kinds, other.units) == (table.kinds, table.units)
    np.testing.assert_array_equal(other.numeric, 2 * table.numeric)
    with pytest.raises(InputError, match="shapes"):
        table.replaced(Blocks(table.numeric[:1], table.categorical))


_loads: list[int] = []


def _load() -> Blocks:
    _loads.append(1)
    return Blocks(np.array([[1.0], [2.0]]), pd.DataFrame(index=["a", "b"]))


def test_a_source_is_read_once_when_needed_and_not_sent_along() -> None:
    _loads.clear()
    table = Table.from_source(TableSource(pd.Index(["a", "b"]), {"x": "continuous"}, {}, _load))
    views = [table.take(np.array([1])), table.take(np.array([0, 0]))]
    assert (len(table), table.n_features, len(views[1])) == (2, 1, 2)
    assert not _loads
    assert [view.numeric.ravel().tolist() for view in views] == [[2.0], [1.0, 1.0]]
    assert len(_loads) == 1
    received = pickle.loads(pickle.dumps(table))
    np.testing.assert_array_equal(received.numeric, table.numeric)
    assert len(_loads) == 2  # the receiver read for itself


columns = st.one_of(
    st.lists(st.one_of(st.none(), st.floats(allow_infinity=False)), min_size=4, max_size=4),
    st.lists(st.integers(-5, 5), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=4, max_size=4).filter(
        lambda values: any(value is not None for value in values)
    ),
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=5), columns, min_size=1, max_size=5))
def test_any_frame_survives_a_table(content: dict[str, list]) -> None:
    frame = pd.DataFrame(content, index=["a", "b", "c", "d"])
    back = Table(frame).frame
    assert list(back.columns) == list(frame.columns)
    for name in frame.columns:
        given_values, found = frame[name].tolist(), back[name].tolist()
        for ours, theirs in zip(given_values, found, strict=True):
            assert ours == theirs or (pd.isna(ours) and pd.isna(theirs))
