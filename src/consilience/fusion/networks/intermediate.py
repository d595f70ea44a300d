"""The network of `IntermediateFusion`: towers, fusion at some of their depths, a linear path."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn

from consilience.nn.batch import Batch, Part
from consilience.nn.network import Encoded, FusionNetwork
from consilience.nn.sources import Source, Sources, TableSource

HIDDEN = 0.5  # share of the features hidden from the linear path in training
# Adam moves all weights by equal steps: divided by the number of features, tables of any
# width are learned at about one speed. Times 10, it is about that of the other layers.
STEP = 10.0


class IntermediateNetwork(FusionNetwork):
    """Codes of the modalities, deepened step by step and fused at the stages asked for.

    Parameters
    ----------
    sources : Sources
    width : int
        Of every code, and of the joint representation.
    fuse : callable
        From the number of modalities and the width to a `Fuser`: one of `FUSERS`.
    stages : sequence of int
        Rising: after how many layers beyond the encoder the codes are fused.
    dropout : float
        Of the joint representation, in training.
    linear : int
        How many linear combinations of the features of all tables stand beside the
        joint representation; 0 for none.
    **options
        Of `FusionNetwork`.
    """

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        fuse: Callable[[int, int], Fuser],
        stages: Sequence[int] = (0,),
        dropout: float = 0.0,
        linear: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(sources, width, **options)
        n = len(self.names)
        self.stages = tuple(stages)
        self.towers = nn.ModuleList(Layers(n, width, dropout) for _ in range(max(stages)))
        self.fusers = nn.ModuleList(fuse(n, width) for _ in stages)
        self.after = nn.ModuleList(_block(width, dropout) for _ in stages)
        self.onward = nn.ModuleList(nn.Linear(width, width) for _ in stages[1:])
        self.paths = nn.ModuleDict()
        if linear:
            found = {
                str(i): linear_path(source, linear)
                for i, source in enumerate(sources.fitted_.values())
            }
            self.paths.update({place: path for place, path in found.items() if path is not None})
        self.linear = linear if len(self.paths) else 0
        self.embedding_width = width + self.linear

    def embed(self, batch: Batch) -> Tensor:
        encoded = self.encode(batch)
        joint = self._joint(encoded)
        if not self.linear:
            return joint
        return torch.cat([joint, self._straight(batch, encoded.present)], dim=1)

    def _joint(self, encoded: Encoded) -> Tensor:
        """Return the joint representation, (n, width): each stage adds to the last."""
        codes, present = encoded
        joint: Tensor | None = None
        depth = 0
        for number, stage in enumerate(self.stages):
            for tower in self.towers[depth:stage]:
                codes = tower(codes, present)
            depth = stage
            fused = self.fusers[number](codes, present)
            if joint is not None:
                fused = fused + self.onward[number - 1](joint)
            joint = self.after[number](fused)
        assert joint is not None
        return joint

    def _straight(self, batch: Batch, present: Tensor) -> Tensor:
        """Return the linear combinations, (n, linear), of the modalities that are present."""
        total = torch.zeros(batch.size, self.linear, device=batch.device)
        for place, path in self.paths.items():
            part = batch.parts[self.names[int(place)]]
            if len(part):
                shown = present[part.rows, int(place)].to(total.dtype)
                total = total.index_add(0, part.rows, path(part).to(total.dtype) * shown[:, None])
        return total

    def gates(self, batch: Batch) -> Tensor:
        """Return the weight of each modality, (n, n_modalities), mean over the stages.

        Only where fusion is by gating.
        """
        codes, present = self.encode(batch)
        found, depth = [], 0
        for number, stage in enumerate(self.stages):
            for tower in self.towers[depth:stage]:
                codes = tower(codes, present)
            depth = stage
            fuser = self.fusers[number]
            assert isinstance(fuser, Gating)
            found.append(fuser.weights(codes, present))
        return torch.stack(found).mean(dim=0)


class Layers(nn.Module):
    """One layer for each modality's code, its own weights for each, with a way around it.

    Parameters
    ----------
    n_modalities, width : int
    dropout : float
    """

    def __init__(self, n_modalities: int, width: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_modalities, width, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(n_modalities, width))
        self.block = _block(width, dropout)

    def forward(self, codes: Tensor, present: Tensor) -> Tensor:
        """Return deeper codes, (n, n_modalities, width); zeros where a modality is absent."""
        changed = self.block(torch.einsum("nmw,mwv->nmv", codes, self.weight) + self.bias)
        deeper: Tensor = (codes + changed) * present[:, :, None]
        return deeper


class Fuser(nn.Module):
    """From the codes of the modalities present to one vector.

    Parameters
    ----------
    n_modalities, width : int
    """

    def __init__(self, n_modalities: int, width: int) -> None:
        super().__init__()
        self.n_modalities, self.width = n_modalities, width

    def forward(self, codes: Tensor, present: Tensor) -> Tensor:
        """Return the joint vector, (n, width).

        Parameters
        ----------
        codes : Tensor of shape (n, n_modalities, width)
            Zeros where a modality is absent.
        present : Tensor of bool, (n, n_modalities)
        """
        raise NotImplementedError


class Concatenation(Fuser):
    """A linear layer on all codes side by side, with who has what beside them."""

    def __init__(self, n_modalities: int, width: int) -> None:
        super().__init__(n_modalities, width)
        self.join = nn.Linear(n_modalities * (width + 1), width)

    def forward(self, codes: Tensor, present: Tensor) -> Tensor:
        joined: Tensor = self.join(torch.cat([codes.flatten(1), present.to(codes.dtype)], dim=1))
        return joined


class Gating(Fuser):
    """A weighted mean of the codes, the weights told by the codes themselves.

    ``w = softmax(s)`` over the modalities present, with ``s_m = a_m' c_m + b_m``, and the
    joint vector is ``sum_m w_m (V_m c_m + d_m)`` (Arevalo et al. 2017, equation 1 for
    several modalities, with a softmax so that weights of any subset add to 1).
    """

    def __init__(self, n_modalities: int, width: int) -> None:
        super().__init__(n_modalities, width)
        self.score = nn.Parameter(torch.zeros(n_modalities, width))
        self.level = nn.Parameter(torch.zeros(n_modalities))
        self.value = nn.Parameter(torch.randn(n_modalities, width, width) / math.sqrt(width))
        self.shift = nn.Parameter(torch.zeros(n_modalities, width))

    def weights(self, codes: Tensor, present: Tensor) -> Tensor:
        """Return how much each modality counts, (n, n_modalities): 0 if absent, sum 1."""
        scores = (codes * self.score).sum(dim=2) + self.level
        # A patient without any would have no finite score; all his codes are zeros anyway.
        alone = present | ~present.any(dim=1, keepdim=True)
        return torch.softmax(scores.masked_fill(~alone, -math.inf), dim=1) * present

    def forward(self, codes: Tensor, present: Tensor) -> Tensor:
        values = torch.einsum("nmw,mwv->nmv", codes, self.value) + self.shift
        return (self.weights(codes, present)[:, :, None] * values).sum(dim=1)


class Bilinear(Fuser):
    """The outer product of all codes through a weight tensor of low rank.

    ``z = sum_r w_r prod_m (W_m^r [c_m; 1])`` (Liu et al. 2018, equation 8 and their code's
    weights of the ranks). The 1 keeps the products of fewer modalities in it, down to each
    alone; an absent modality's code is 0, which leaves exactly those without it.

    Parameters
    ----------
    n_modalities, width : int
    rank : int
    """

    def __init__(self, n_modalities: int, width: int, rank: int = 4) -> None:
        super().__init__(n_modalities, width)
        # Factors begin near 1, so that a product of many neither vanishes nor explodes.
        drawn = torch.randn(n_modalities, rank, width, width) / math.sqrt(width * n_modalities)
        self.factor = nn.Parameter(drawn)
        self.constant = nn.Parameter(torch.ones(n_modalities, rank, width))
        self.mix = nn.Parameter(torch.full((rank,), 1.0 / rank))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, codes: Tensor, present: Tensor) -> Tensor:
        factors = torch.einsum("nmw,mrwv->nmrv", codes, self.factor) + self.constant
        return torch.einsum("nrv,r->nv", factors.prod(dim=1), self.mix) + self.shift


class LinearTable(nn.Module):
    """Linear combinations of a table's numbers and levels; all zero before training.

    Parameters
    ----------
    source : TableSource
    n_outputs : int
    """

    def __init__(self, source: TableSource, n_outputs: int) -> None:
        super().__init__()
        self.scale = STEP / max(1, len(source.features_))
        self.numbers = nn.Linear(len(source.numbers_), n_outputs, bias=False)
        nn.init.zeros_(self.numbers.weight)
        sizes = [len(own) + 1 for own in source.levels_.values()]
        levels = [nn.Embedding(size, n_outputs, padding_idx=0) for size in sizes]
        for layer in levels:
            nn.init.zeros_(layer.weight)
        self.levels = nn.ModuleList(levels)
        self.drop = nn.Dropout(HIDDEN)

    def forward(self, part: Part) -> Tensor:
        """Return the combinations, (m, n_outputs)."""
        total: Tensor = self.numbers(self.drop(part.arrays["numbers"]))
        for column, layer in enumerate(self.levels):
            total = total + layer(part.arrays["codes"][:, column])
        return total * self.scale


@singledispatch
def linear_path(source: Source, n_outputs: int) -> nn.Module | None:
    """Return linear combinations of a modality's features; None for a kind that has none."""
    return None


@linear_path.register
def _(source: TableSource, n_outputs: int) -> nn.Module | None:
    return LinearTable(source, n_outputs)


def _block(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout))
