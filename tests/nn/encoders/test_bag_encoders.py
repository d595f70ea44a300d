"""What every encoder of bags keeps to: ragged bags, no order, weights that add up to one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from sklearn.base import clone
from tests.nn.encoders.bags import drawn, part_of, source_of
from torch import nn

from consilience.nn.encoders import Encoder, GatedAttention, TorchModule, TransformerPooling

COUNTS = (5, 1, 130, 64)
SETTINGS = [
    GatedAttention(),
    TransformerPooling(inducing=3, heads=2),
    TorchModule(nn.Sequential(nn.Linear(6, 9), nn.Tanh())),
]


@pytest.fixture(params=SETTINGS, ids=lambda settings: type(settings).__name__)
def encoder(request) -> Encoder:
    torch.manual_seed(0)
    return clone(request.param).build(source_of(6), 8).eval()


def test_ragged_bags_are_each_patient_alone(encoder) -> None:
    bags = drawn(COUNTS)
    alone = torch.cat([encoder(part_of([own])) for own in bags])
    torch.testing.assert_close(encoder(part_of(bags)), alone, atol=1e-5, rtol=1e-5)


def test_the_order_of_instances_is_of_no_account(encoder) -> None:
    bags = drawn(COUNTS)
    turned = [own.flip(0) for own in bags]
    torch.testing.assert_close(
        encoder(part_of(turned)), encoder(part_of(bags)), atol=1e-5, rtol=1e-5
    )
    there, here = encoder.attention(part_of(turned)), encoder.attention(part_of(bags))
    torch.testing.assert_close(there[:5].flip(0), here[:5], atol=1e-6, rtol=1e-5)


def test_attention_adds_up_to_one(encoder) -> None:
    part = part_of(drawn(COUNTS))
    weights = encoder.attention(part)
    assert (weights >= 0).all()
    sums = torch.zeros(len(part)).index_add(0, part.owner, weights)
    torch.testing.assert_close(sums, torch.ones(len(part)))


def test_every_weight_has_a_gradient(encoder) -> None:
    encoder(part_of(drawn(COUNTS))).square().sum().backward()
    still = [
        name
        for name, weight in encoder.named_parameters()
        if weight.grad is None or not weight.grad.abs().sum() > 0
    ]
    # A constant added to all scores of a softmax changes nothing.
    assert [name for name in still if not name.endswith("key.bias")] == []


def test_pieces_change_nothing(encoder, monkeypatch) -> None:
    """A bag beyond the size of a piece goes through checkpoints: same values and gradients."""
    part = part_of(drawn((700, 3)))

    def both() -> list[torch.Tensor]:
        value = encoder(part)
        return [value, *torch.autograd.grad(value.square().sum(), list(encoder.parameters()))]

    whole = both()
    monkeypatch.setattr("consilience.nn.chunks.by_chunks.__kwdefaults__", {"size": 100})
    for module in ("pooling",):
        monkeypatch.setattr(f"consilience.nn.encoders.{module}.CHUNK", 128)
    for ours, theirs in zip(both(), whole, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_instances_that_differ_only_in_weight_move_the_vector(encoder) -> None:
    """The vector follows the instances: it is no function of their number alone."""
    first, second = drawn((20, 20))
    vectors = encoder(part_of([first, second]))
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3


MEASURE = """
import json, resource, sys, torch
from consilience.nn import encoders
from tests.nn.encoders.bags import drawn, part_of, source_of
torch.set_num_threads(1)
encoder = getattr(encoders, sys.argv[1])().build(source_of(256), 32)
encoder(part_of(drawn([64], 256))).sum().backward()
part = part_of([torch.randn(int(sys.argv[2]), 256)])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
encoder(part).sum().backward()
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.parametrize("name", ["GatedAttention", "TransformerPooling"])
def test_a_training_step_needs_little_more_memory_than_the_bag(name, root) -> None:
    """50,000 instances of 512 features are to fit into 1 GB: 20,000 into their share of it.

    The share is that of the instances, without the features that they come with: what a
    step adds depends on the instances alone.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, name, "20000"],
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) * unit < (1e9 - 50_000 * 512 * 4) * 20_000 / 50_000
