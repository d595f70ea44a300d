"""Ragged instances in blocks of one length, each of one patient, for products of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LENGTH = 64  # instances a block; a patient's last block is filled up


@dataclass(frozen=True)
class Blocks:
    """How instances are laid out; at most `LENGTH` - 1 places a patient are left empty.

    Attributes
    ----------
    index : Tensor of int64, (n_blocks, LENGTH)
        Which instance stands where; 0 in an empty place.
    filled : Tensor of bool, (n_blocks, LENGTH)
    owner : Tensor of int64, (n_blocks,)
        Whose a block is.
    """

    index: Tensor
    filled: Tensor
    owner: Tensor

    @classmethod
    def of(cls, owner: Tensor, n: int) -> Blocks:
        """Lay out instances whose owners rise, of n patients."""
        counts = torch.bincount(owner, minlength=n)
        blocks = (counts + LENGTH - 1) // LENGTH
        block_owner = torch.repeat_interleave(torch.arange(n, device=owner.device), blocks)
        number = torch.arange(len(block_owner), device=owner.device)
        within = number - (blocks.cumsum(0) - blocks)[block_owner]
        inside = within[:, None] * LENGTH + torch.arange(LENGTH, device=owner.device)
        filled = inside < counts[block_owner, None]
        first = (counts.cumsum(0) - counts)[block_owner, None]
        return cls(torch.where(filled, first + inside, 0), filled, block_owner)

    def laid(self, values: Tensor) -> Tensor:
        """Return values of instances in their places, (n_blocks, LENGTH, ...); 0 in empty ones."""
        shape = (*self.filled.shape, *[1] * (values.dim() - 1))
        return values[self.index] * self.filled.reshape(shape)

    def back(self, laid: Tensor) -> Tensor:
        """Return what stands in the places as values of instances, (n_instances, ...)."""
        return laid[self.filled]
