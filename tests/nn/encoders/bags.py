"""Parts of bags made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from consilience.nn.batch import Part
from consilience.nn.sources import BagSource


def source_of(features: int) -> BagSource:
    """Return a source of so many features, as if fitted."""
    source = BagSource()
    source.features_ = tuple(str(i) for i in range(features))
    return source


def part_of(bags: Sequence[Tensor]) -> Part:
    """Return patients, each with his instances."""
    owner = torch.repeat_interleave(
        torch.arange(len(bags)), torch.tensor([len(own) for own in bags])
    )
    return Part({"instances": torch.cat(list(bags))}, torch.arange(len(bags)), owner)


def drawn(counts: Sequence[int], features: int = 6, seed: int = 0) -> list[Tensor]:
    """Return instances of patients with so many each."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, features, generator=generator) for n in counts]
