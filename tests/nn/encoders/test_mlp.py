"""The perceptron of tables: what goes in, and that width does not decide the speed of learning."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from consilience.cohort import Cohort, Table
from consilience.nn.batch import Part
from consilience.nn.encoders import MLP
from consilience.nn.reading import Reader
from consilience.nn.sources import Sources


def part_of(frame: pd.DataFrame) -> tuple[object, Part]:
    cohort = Cohort(pd.DataFrame(index=frame.index), {"t": Table(frame)})
    sources = Sources(["t"]).fit(cohort)
    return sources.fitted_["t"], Reader(sources, cohort).batch(np.arange(len(frame))).parts["t"]


def numbers(p: int, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    ids = [f"p{i:02d}" for i in range(n)]
    return pd.DataFrame(rng.normal(size=(n, p)), ids, [f"f{i:04d}" for i in range(p)])


def test_gaps_and_categories_are_told() -> None:
    frame = numbers(3)
    frame.iloc[:5, 0] = np.nan
    frame["sex"] = ["f", "m"] * 30
    source, part = part_of(frame)
    torch.manual_seed(0)
    encoder = MLP().build(source, 4).eval()
    first = encoder(part)
    assert first.shape == (60, 4)
    known = {**part.arrays, "known": torch.ones_like(part.arrays["known"])}
    filled = encoder(Part(known, part.rows))
    changed = (first != filled).any(dim=1)
    assert changed[:5].all()  # a missing value is not the mean
    assert not changed[5:].any()
    other = {**part.arrays, "codes": 3 - part.arrays["codes"]}
    assert (first != encoder(Part(other, part.rows))).any(dim=1).all()


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_and_hidden_width(depth: int) -> None:
    source, part = part_of(numbers(6))
    encoder = MLP(depth=depth, hidden=9).build(source, 5)
    layers = [layer for layer in encoder.layers if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in layers] == [9] * (depth - 1) + [5]
    assert encoder(part).shape == (60, 5)


def test_codes_of_wide_and_narrow_tables_begin_and_move_alike() -> None:
    """Without the scale, one step of Adam moves the wide table's first layer far more."""
    moved, spread = {}, {}
    for p in (4, 1024):
        source, part = part_of(numbers(p))
        torch.manual_seed(0)
        encoder = MLP(depth=1, dropout=0.0, input_dropout=0.0).build(source, 64)
        linear = encoder.layers[0]
        seen = []
        linear.register_forward_hook(lambda _, __, out, seen=seen: seen.append(out.detach()))
        optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-3)
        target = part.arrays["numbers"].mean(dim=1, keepdim=True).sign()
        (encoder(part) - target).square().sum().backward()
        optimiser.step()
        encoder(part)
        moved[p], spread[p] = float((seen[1] - seen[0]).std()), float(seen[0].std())
    assert spread[1024] == pytest.approx(spread[4], rel=0.3)
    assert moved[1024] < 4 * moved[4]


def test_features_hidden_in_training_only() -> None:
    source, part = part_of(numbers(50))
    torch.manual_seed(0)
    encoder = MLP(input_dropout=0.9, dropout=0.0).build(source, 4)
    encoder.train()
    assert not torch.equal(encoder(part), encoder(part))
    encoder.eval()
    assert torch.equal(encoder(part), encoder(part))
