"""Instances in blocks: every instance once, nobody's beside another's."""

from __future__ import annotations

import pytest
import torch

from consilience.nn.blocks import LENGTH, Blocks


@pytest.mark.parametrize("counts", [[1], [LENGTH], [3, 0, LENGTH + 1, 2 * LENGTH, 5]])
def test_every_instance_stands_once_in_a_block_of_its_patient(counts: list[int]) -> None:
    owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    blocks = Blocks.of(owner, len(counts))
    values = torch.arange(1.0, len(owner) + 1)[:, None]
    laid = blocks.laid(values)
    torch.testing.assert_close(blocks.back(laid), values)
    assert laid.sum() == values.sum()
    whose = blocks.owner[:, None].expand_as(blocks.filled)[blocks.filled]
    assert torch.equal(whose, owner)
    assert blocks.filled.numel() <= len(owner) + len(counts) * (LENGTH - 1)
