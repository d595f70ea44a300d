"""Transformer pooling against the same blocks written densely, one patient after another."""

from __future__ import annotations

import math

import pytest
import torch
from tests.nn.encoders.bags import drawn, part_of, source_of
from torch import Tensor

from consilience.errors import InputError
from consilience.nn.encoders import TransformerPooling
from consilience.nn.encoders.pooling import AttentionBlock

COUNTS = (5, 1, 130)


def dense(block: AttentionBlock, x: Tensor, y: Tensor) -> Tensor:
    """MAB(X, Y) (Lee et al., 2019, eq. 6 and 7) of two matrices, a head at a time."""
    size = x.shape[1] // block.heads
    heads = []
    for head in range(block.heads):
        own = slice(head * size, (head + 1) * size)
        q, k, v = block.query(x)[:, own], block.key(y)[:, own], block.value(y)[:, own]
        heads.append(torch.softmax(q @ k.T / math.sqrt(size), dim=1) @ v)
    middle = block.before(x + block.out(torch.cat(heads, dim=1)))
    return block.after(middle + block.feed(middle))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TransformerPooling(inducing=4, heads=2).build(source_of(6), 8).eval()


def test_vectors_are_those_of_the_dense_form(network) -> None:
    bags = drawn(COUNTS)
    for vector, own in zip(network(part_of(bags)), bags, strict=True):
        h = network.layer(own)
        seen = dense(network.outwards, h, dense(network.inwards, network.points, h))
        weights = torch.softmax(network.pool.scores(seen)[:, 0], dim=0)
        expected = network.out(weights @ seen)
        torch.testing.assert_close(vector, expected, atol=1e-5, rtol=1e-5)


def test_tokens_are_the_inducing_points(network) -> None:
    bags = drawn(COUNTS)
    tokens = network.tokens(part_of(bags))
    assert network.n_tokens == 4
    for own_tokens, own in zip(tokens, bags, strict=True):
        expected = network.out(dense(network.inwards, network.points, network.layer(own)))
        torch.testing.assert_close(own_tokens, expected, atol=1e-5, rtol=1e-5)


def test_heads_must_divide_the_hidden_width() -> None:
    with pytest.raises(InputError, match="hidden is 16, which 3 heads do not divide"):
        TransformerPooling(heads=3).build(source_of(6), 8)
