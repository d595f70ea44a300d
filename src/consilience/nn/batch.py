"""What a network is given: some patients, and of each modality those who have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """One modality of a batch; it holds only the patients who have it.

    Attributes
    ----------
    arrays : dict of str to Tensor
        What the modality's source reads (see `Source`), a row each patient in `rows`; a
        ragged array has a row each instance.
    rows : Tensor of int64, (m,)
        Which patients of the batch these are, rising.
    owner : Tensor of int64, (n_instances,), optional
        For ragged arrays: which of the m patients an instance belongs to, rising.
    """

    arrays: Mapping[str, Tensor]
    rows: Tensor
    owner: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> Self:
        """Return the part on a device."""
        arrays = {name: array.to(device) for name, array in self.arrays.items()}
        owner = None if self.owner is None else self.owner.to(device)
        return type(self)(arrays, self.rows.to(device), owner)


@dataclass(frozen=True)
class Batch:
    """Some patients.

    Attributes
    ----------
    parts : dict of str to Part
        Every modality of the network, in its order; one that nobody here has is empty.
    size : int
        Number of patients.
    targets : dict of str to Tensor
        What is to be learned, a row each patient; empty when predicting.
    patients : Tensor of int64, (size,)
        Their positions in the cohort, to name them.
    """

    parts: Mapping[str, Part]
    size: int
    patients: Tensor
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.patients.device

    def present(self) -> Tensor:
        """Return who has what, (size, n_modalities) of bool, modalities in order."""
        has = torch.zeros(self.size, len(self.parts), dtype=torch.bool, device=self.device)
        for column, part in enumerate(self.parts.values()):
            has[part.rows, column] = True
        return has

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch on a device."""
        parts = {name: part.to(device) for name, part in self.parts.items()}
        targets = {name: target.to(device) for name, target in self.targets.items()}
        return type(self)(parts, self.size, self.patients.to(device), targets)
