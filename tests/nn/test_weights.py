"""Weights are kept exactly, in the model's own file or apart from it."""

from __future__ import annotations

import numpy as np
import pytest
import skops.io
import torch
from torch import nn

from consilience.errors import InputError
from consilience.nn.weights import Weights, brought_back, set_apart

TRUSTED = ["consilience.nn.weights.Weights"]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def same(one: Weights, other: Weights) -> bool:
    assert one.arrays_.keys() == other.arrays_.keys()
    pairs = [(one.arrays_[name], other.arrays_[name]) for name in one.arrays_]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def test_a_network_is_the_same_with_its_weights_back():
    first = network()
    first(torch.randn(8, 3))  # moves the running means
    again = Weights().of(first).put(nn.Sequential(*[type(m)(*s) for m, s in LAYERS]))
    x = torch.randn(5, 3)
    assert torch.equal(first.eval()(x), again(x))
    assert not again.training
    assert Weights().of(first).size == sum(t.numel() for t in first.state_dict().values())


LAYERS = [(nn.Linear(1, 1), (3, 4)), (nn.BatchNorm1d(1), (4,)), (nn.Linear(1, 1), (4, 2))]


def test_alone_the_arrays_are_in_the_file():
    weights = Weights().of(network())
    back = skops.io.loads(skops.io.dumps(weights), trusted=TRUSTED)
    assert same(weights, back)


def test_apart_they_are_not_and_come_back():
    one, other = Weights().of(network()), Weights().of(nn.Linear(2, 2))
    with set_apart() as apart:
        data = skops.io.dumps([one, other, one])
    assert b".npy" not in data
    assert set(apart.arrays) == {
        *(f"0/{name}" for name in one.arrays_),
        *(f"1/{name}" for name in other.arrays_),
    }
    with brought_back(apart.arrays) as found:
        first, second, third = skops.io.loads(data, trusted=TRUSTED)
    assert same(first, one) and same(second, other) and same(third, one)
    assert found.taken == set(apart.arrays)
    assert hasattr(one, "arrays_")


def test_without_their_file_it_is_said():
    with set_apart():
        data = skops.io.dumps(Weights().of(network()))
    with pytest.raises(InputError, match="not read"):
        skops.io.loads(data, trusted=TRUSTED)
    with brought_back({"7/weight": np.zeros(1)}), pytest.raises(InputError, match="not where"):
        skops.io.loads(data, trusted=TRUSTED)


def test_weights_of_another_form_are_refused():
    with pytest.raises(InputError, match="not those of this network"):
        Weights().of(nn.Linear(2, 2)).put(nn.Linear(3, 2))
