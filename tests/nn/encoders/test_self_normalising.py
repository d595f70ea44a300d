"""Self-normalising networks: what gives them their name, and what a table brings to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from consilience.cohort import Table
from consilience.nn.batch import Part
from consilience.nn.encoders import SelfNormalising
from consilience.nn.encoders.columns import Columns
from consilience.nn.encoders.self_normalising import self_normalising
from consilience.nn.sources import TableSource


def part_of(frame: pd.DataFrame) -> tuple[TableSource, Part]:
    table = Table(frame)
    source = TableSource().fit(table)
    reading = source.read(table, np.arange(len(frame)))
    arrays = {name: torch.as_tensor(array) for name, array in reading.arrays.items()}
    return source, Part(arrays, torch.arange(len(frame)))


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_mean_and_variance_stay_through_many_layers(dropout: float) -> None:
    """Klambauer et al., theorem 1: (0, 1) is a fixed point, with alpha dropout too."""
    torch.manual_seed(0)
    layers = self_normalising(512, [512] * 12, dropout)
    out = layers(torch.randn(2000, 512)).detach()
    assert abs(float(out.mean())) < 0.1
    assert 0.8 < float(out.var()) < 1.2


def test_columns_are_numbers_gaps_and_levels() -> None:
    frame = pd.DataFrame(
        {"b": [1.0, np.nan, 3.0], "a": [5.0, 6.0, 7.0], "stage": ["I", "II", None]},
        index=["p", "q", "r"],
    )
    source, part = part_of(frame)
    columns = Columns(source)
    assert columns.features[:3] == ("a", "b", "b")
    assert set(columns.features[3:]) == {"stage"}
    values = columns(part).detach().numpy()
    assert values.shape == (3, len(columns.features))
    np.testing.assert_allclose(values[:, 0], np.array([-1, 0, 1]) * np.sqrt(1.5), rtol=1e-6)
    np.testing.assert_array_equal(values[:, 2], [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(values[2, 3:], 0.0)  # a missing level says nothing


def test_it_encodes_a_table() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), index=list("abcdef"))
    source, part = part_of(frame)
    encoder = SelfNormalising(depth=3, hidden=7).build(source, 5).eval()
    vectors = encoder(part)
    assert vectors.shape == (6, 5)
    assert [tuple(layer.weight.shape) for layer in encoder.layers[::3]] == [(7, 3), (7, 7), (5, 7)]
    shuffled = Part({k: a[[2, 0]] for k, a in part.arrays.items()}, torch.arange(2))
    torch.testing.assert_close(encoder(shuffled), vectors[[2, 0]])
