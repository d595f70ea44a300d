"""Instances stay with their patient."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Bag, bag_of
from consilience.errors import InputError


@pytest.fixture
def parts() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=(n, 3)) for name, n in {"b": 2, "a": 1, "c": 4}.items()}


def test_each_patient_has_his_instances(parts: dict[str, np.ndarray]) -> None:
    bag = bag_of(parts, coordinates=np.arange(14).reshape(7, 2), unit="µm")
    assert (len(bag), bag.n_features, bag.unit) == (3, 3, "µm")
    assert bag.counts.tolist() == [2, 1, 4]
    for i, name in enumerate(bag.index):
        np.testing.assert_array_equal(bag.instances(i), parts[name])
    np.testing.assert_array_equal(bag.coordinates(1), [[4, 5]])
    np.testing.assert_array_equal(bag.coordinates(2), np.arange(6, 14).reshape(4, 2))


def test_views_repeat_and_reorder(parts: dict[str, np.ndarray]) -> None:
    bag = bag_of(parts).take(np.array([2, 0, 2, 1])).take(np.array([3, 0, 0]))
    assert list(bag.index) == ["a", "c", "c"]
    assert bag.counts.tolist() == [1, 4, 4]
    for i, name in enumerate(bag.index):
        np.testing.assert_array_equal(bag.instances(i), parts[name])
    assert bag.coordinates(0) is None


class Counting:
    """An array that counts how many rows were read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.read = values, values.shape, 0

    def __getitem__(self, key: slice) -> np.ndarray:
        part = self.values[key]
        self.read += len(part)
        return part


def test_only_the_patient_asked_for_is_read() -> None:
    stored = Counting(np.arange(20.0).reshape(10, 2))
    bag = Bag(pd.Index(["a", "b", "c"]), stored, [5, 2, 3])
    view = bag.take(np.array([1]))
    assert stored.read == 0
    np.testing.assert_array_equal(view.instances(0), [[10, 11], [12, 13]])
    assert stored.read == 2


def test_wrong_bags_are_refused() -> None:
    ids, rows = pd.Index(["a", "b"]), np.zeros((3, 2))
    with pytest.raises(InputError, match="1 counts for 2 patients"):
        Bag(ids, rows, [3])
    with pytest.raises(InputError, match="'b' has no instance"):
        Bag(ids, rows, [3, 0])
    with pytest.raises(InputError, match="add up to 4 instances, but there are 3"):
        Bag(ids, rows, [3, 1])
    with pytest.raises(InputError, match="1 feature names for 2 features"):
        Bag(ids, rows, [2, 1], features=["x"])
    with pytest.raises(InputError, match="2 coordinates for 3 instances"):
        Bag(ids, rows, [2, 1], coordinates=np.zeros((2, 2)))
    with pytest.raises(InputError, match="rows x features"):
        Bag(ids, np.zeros(3), [2, 1])
    with pytest.raises(InputError, match="'a' stands in more than one row"):
        Bag(pd.Index(["a", "a"]), rows, [2, 1])
    with pytest.raises(InputError, match="no patient"):
        bag_of({})
    with pytest.raises(InputError, match="'b' has 3 features a row where the first has 2"):
        bag_of({"a": np.zeros((1, 2)), "b": np.zeros((1, 3))})
