"""Any torch module in the place of an encoder: a user's own, or one trained elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import singledispatch
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from consilience.errors import InputError
from consilience.nn.batch import Part
from consilience.nn.chunks import by_chunks
from consilience.nn.encoders.attention import GatedPooling
from consilience.nn.encoders.encoder import Encoder, EncoderSettings
from consilience.nn.encoders.ranges import FLAG, Range
from consilience.nn.sources import BagSource, ImageSource, Source, TableSource


class TorchModule(EncoderSettings):
    """A torch module, then a linear layer to the network's width.

    What the module is given depends on the kind of modality, and it returns one row for each:

    - images: (m, n_channels, height, width) or (m, n_channels, three axes), standardised;
    - a table: (m, n_numbers + n_categories), numbers standardised with 0 for a missing value,
      then codes of the categories, both in the order of their names;
    - a bag: (n_instances, n_features), each instance by itself; what comes out is pooled by
      gated attention (Ilse et al., 2018).

    Parameters
    ----------
    module : torch.nn.Module
        It is copied, and the copy trained.
    frozen : bool
        Whether the module stays as it is, and only what follows it is trained.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "frozen": FLAG,
    }

    def __init__(self, module: nn.Module, frozen: bool = False) -> None:
        self.module = module
        self.frozen = frozen

    def build(self, source: Source, width: int) -> Encoder:
        if not isinstance(self.module, nn.Module):
            raise InputError(f"TorchModule takes a torch module, not {self.module!r}.")
        own = Given(deepcopy(self.module), self.frozen)
        return _encoder(source, own, width)


class Given(nn.Module):
    """A module that stays as it is, in evaluation mode and without gradients, if frozen."""

    def __init__(self, module: nn.Module, frozen: bool) -> None:
        super().__init__()
        self.module, self.frozen = module, frozen
        if frozen:
            module.requires_grad_(False)
            module.eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen module's stays."""
        super().train(mode)
        if self.frozen:
            self.module.eval()
        return self

    def forward(self, values: Tensor) -> Tensor:
        """Return what the module returns."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            out: Tensor = self.module(values)
        return out

    def length(self, example: Tensor) -> int:
        """Return the length of the rows that the module returns.

        Raises
        ------
        InputError
            If it cannot read what it will be given, or returns no row for each.
        """
        shape = tuple(example.shape)
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                out = self(example)
        except (RuntimeError, TypeError, ValueError, IndexError) as reason:
            raise InputError(
                f"the torch module cannot read an array of shape {shape}: "
                f"{str(reason).strip().splitlines()[0]}"
            ) from reason
        finally:
            self.train(training)
        if not isinstance(out, Tensor) or out.dim() != 2 or len(out) != len(example):
            given = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise InputError(
                f"the torch module must return {len(example)} rows of numbers for an array of "
                f"shape {shape}, and returns {given}."
            )
        return int(out.shape[1])


class GivenEncoder(Encoder):
    """A module on one array a patient, and a linear layer."""

    def __init__(
        self, module: Given, width: int, example: Tensor, values: Callable[[Part], Tensor]
    ) -> None:
        super().__init__()
        self.width, self.module, self.values = width, module, values
        self.out = nn.Linear(module.length(example), width)

    def forward(self, part: Part) -> Tensor:
        vectors: Tensor = self.out(self.module(self.values(part)))
        return vectors


class GivenInstances(Encoder):
    """A module on each instance, gated attention, and a linear layer."""

    def __init__(self, module: Given, width: int, example: Tensor) -> None:
        super().__init__()
        self.width, self.module = width, module
        length = module.length(example)
        self.pool = GatedPooling(length, max(1, min(length, width)))
        self.out = nn.Linear(length, width)

    def _pooled(self, part: Part) -> tuple[Tensor, Tensor]:
        assert part.owner is not None
        instances = by_chunks(self.module, part.arrays["instances"])
        pooled: tuple[Tensor, Tensor] = self.pool(instances, part.owner, len(part))
        return pooled

    def forward(self, part: Part) -> Tensor:
        vectors: Tensor = self.out(self._pooled(part)[0])
        return vectors

    def attention(self, part: Part) -> Tensor:
        """Return the weight of each instance, (n_instances,); a patient's add up to 1."""
        return self._pooled(part)[1]


@singledispatch
def _encoder(source: Source, module: Given, width: int) -> Encoder:
    raise InputError(f"TorchModule reads tables, bags and images, not a {type(source).__name__}.")


@_encoder.register
def _(source: TableSource, module: Given, width: int) -> Encoder:
    example = torch.zeros(2, len(source.features_))
    return GivenEncoder(module, width, example, _columns)


@_encoder.register
def _(source: ImageSource, module: Given, width: int) -> Encoder:
    example = torch.zeros(2, len(source.features_), *source.size_)
    return GivenEncoder(module, width, example, _pixels)


@_encoder.register
def _(source: BagSource, module: Given, width: int) -> Encoder:
    return GivenInstances(module, width, torch.zeros(2, len(source.features_)))


def _columns(part: Part) -> Tensor:
    numbers = part.arrays["numbers"]
    return torch.cat([numbers, part.arrays["codes"].to(numbers.dtype)], dim=1)


def _pixels(part: Part) -> Tensor:
    return part.arrays["pixels"]
