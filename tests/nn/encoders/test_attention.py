"""Gated attention against its formula."""

from __future__ import annotations

import torch
from tests.nn.encoders.bags import drawn, part_of, source_of

from consilience.nn.encoders.attention import GatedAttention, GatedPooling


def test_weights_and_mean_are_those_of_the_formula() -> None:
    """Ilse et al. (2018), eq. 7 and 9, for one bag."""
    torch.manual_seed(0)
    (h,) = drawn([11])
    pool = GatedPooling(6, 4)
    v, u, w = pool.tanh[0], pool.gate[0], pool.score.weight[0]
    scores = torch.stack(
        [w @ (torch.tanh(v.weight @ x + v.bias) * torch.sigmoid(u.weight @ x + u.bias)) for x in h]
    )
    raised = torch.exp(scores)
    mean, weights = pool(h, torch.zeros(11, dtype=torch.long), 1)
    torch.testing.assert_close(weights, raised / raised.sum())
    torch.testing.assert_close(mean[0], (raised[:, None] * h).sum(dim=0) / raised.sum())


def test_one_instance_has_all_the_weight() -> None:
    encoder = GatedAttention().build(source_of(6), 8).eval()
    torch.testing.assert_close(encoder.attention(part_of(drawn([1]))), torch.ones(1))
