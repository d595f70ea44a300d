"""Tokens of features: what each is made from, and what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from consilience.cohort import Cohort, Table
from consilience.nn.encoders import FeatureTokens, FeatureTransformer
from consilience.nn.reading import Reader
from consilience.nn.sources import Sources


def read(frame: pd.DataFrame):
    cohort = Cohort(pd.DataFrame(index=frame.index), {"t": Table(frame)})
    sources = Sources(["t"]).fit(cohort)
    batch = Reader(sources, cohort).batch(np.arange(len(cohort)))
    return sources.fitted_["t"], batch.parts["t"]


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.normal(size=(8, 3)), columns=["u", "v", "w"])
    values["stage"] = ["I", "II", "I", None, "II", "I", "II", "I"]
    values.loc[2, "v"] = np.nan
    return values.set_axis([f"p{i}" for i in range(8)])


def test_a_token_a_feature_is_the_formula_of_the_paper(frame):
    torch.manual_seed(0)
    source, part = read(frame)
    encoder = FeatureTokens().build(source, 5)
    tokens = encoder.tokens(part)
    assert tokens.shape == (8, 4, 5)
    numbers = part.arrays["numbers"]
    for j in range(3):
        expected = numbers[:, j, None] * encoder.slopes[j, 0] + encoder.bias[j]
        rows = part.arrays["known"][:, j] > 0
        torch.testing.assert_close(tokens[rows, j], expected[rows])
    codes = part.arrays["codes"][:, 0]
    there = codes > 0
    torch.testing.assert_close(tokens[there, 3], encoder.levels[codes[there] - 1] + encoder.bias[3])
    assert encoder.known(part)[2].tolist() == [True, False, True, True]
    assert encoder.known(part)[3].tolist() == [True, True, True, False]


def test_groups_add_up_what_is_known(frame):
    torch.manual_seed(0)
    source, part = read(frame)
    encoder = FeatureTokens(tokens=2).build(source, 5)  # u and v, w and the stage
    assert encoder.n_tokens == 2
    u, v = part.arrays["numbers"][:, 0], part.arrays["numbers"][:, 1]
    said = u[:, None] * encoder.slopes[0, 0] + v[:, None] * encoder.slopes[0, 1]
    torch.testing.assert_close(encoder.tokens(part)[:, 0], said / 2**0.5 + encoder.bias[0])
    w, codes = part.arrays["numbers"][:, 2], part.arrays["codes"][:, 0]
    said = w[:, None] * encoder.slopes[1, 0] + encoder.levels[(codes - 1).clamp(min=0)]
    full = codes > 0
    expected = said / 2**0.5 + encoder.bias[1]
    torch.testing.assert_close(encoder.tokens(part)[full, 1], expected[full])


@pytest.mark.parametrize("tokens", [2, 16])
def test_every_parameter_of_a_feature_has_a_gradient(frame, tokens):
    source, part = read(frame)
    encoder = FeatureTransformer(tokens=tokens, depth=1, heads=1).build(source, 4)
    encoder(part).square().sum().backward()
    used = encoder.tokeniser.slopes.grad.abs().sum(dim=2)
    real = encoder.tokeniser.slots < 3
    assert (used[real] > 0).all()
    assert (used[~real] == 0).all()
    assert (encoder.tokeniser.levels.grad.abs().sum(dim=1) > 0).all()


def test_a_missing_feature_changes_no_other_token_of_the_transformer(frame):
    torch.manual_seed(0)
    source, part = read(frame)
    encoder = FeatureTransformer(heads=1).build(source, 4).eval()
    part.arrays["numbers"][2, 1] = 1e3  # of a value that is not known
    moved = encoder(part)[2]
    part.arrays["numbers"][2, 1] = 0.0
    torch.testing.assert_close(encoder(part)[2], moved, rtol=0, atol=0)
