"""The network of `BilinearSurvival`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from consilience.fusion.attention_map import EVERYTHING
from consilience.nn.batch import Batch
from consilience.nn.encoders import Encoder, EncoderSettings
from consilience.nn.encoders.attention import InstanceLayer
from consilience.nn.encoders.self_normalising import SelfNormalising
from consilience.nn.network import FusionNetwork
from consilience.nn.sources import Source, Sources, TableSource


class BilinearNetwork(FusionNetwork):
    """Encoders, gates, and the Kronecker product of each pair of modalities.

    Parameters
    ----------
    sources, width, encoders, modality_dropout
        See `FusionNetwork`.
    reduced : int
        To which length each modality's vector is brought before the product.
    dropout : float
    """

    looks = (EVERYTHING,)

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        reduced: int,
        dropout: float,
        encoders: Mapping[str, Any] | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        usual = {name: _usual(source, dropout) for name, source in sources.fitted_.items()}
        given = {name: (encoders or {}).get(name) or usual[name] for name in usual}
        super().__init__(sources, width, given, modality_dropout)
        n = len(self.names)
        self.reduced = reduced
        self.gates = nn.Linear(n * (width + 1), n * reduced)
        self.reduce = nn.ModuleList(nn.Linear(width, reduced) for _ in self.names)
        self.drop = nn.Dropout(dropout)
        n_pairs = n * (n - 1) // 2
        products = n_pairs * (reduced + 1) ** 2 or reduced + 1
        self.product = InstanceLayer(products, width, dropout)
        self.join = InstanceLayer((n + 1) * width, width, dropout)

    def embed(self, batch: Batch) -> Tensor:
        vectors, present = self.encode(batch)
        products = self.product(kronecker(self._gated(vectors, present)))
        joined: Tensor = self.join(torch.cat([products, vectors.flatten(1)], dim=1))
        return joined

    def _gated(self, vectors: Tensor, present: Tensor) -> Tensor:
        """Return short vectors, (n, n_modalities, reduced), 0 where a modality is absent."""
        everything = torch.cat([vectors.flatten(1), present.to(vectors.dtype)], dim=1)
        gates = torch.sigmoid(self.gates(everything))
        gates = gates.reshape(len(vectors), len(self.names), self.reduced)
        short = [layer(vectors[:, i]) for i, layer in enumerate(self.reduce)]
        gated: Tensor = self.drop(gates * functional.gelu(torch.stack(short, dim=1)))
        return gated * present[:, :, None]

    def attention(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weight of each instance, by bag, (n_instances, 1)."""
        found = {}
        for name, encoder in zip(self.names, self.encoders, strict=True):
            assert isinstance(encoder, Encoder)
            part = batch.parts[name]
            weights = encoder.attention(part) if len(part) else None
            if weights is not None and part.owner is not None:
                found[name] = weights[:, None]
        return found


def kronecker(vectors: Tensor) -> Tensor:
    """Return the Kronecker products of all pairs of vectors, each with a 1 put before it.

    Parameters
    ----------
    vectors : Tensor of shape (n, n_modalities, k)

    Returns
    -------
    Tensor of shape (n, n_pairs * (k + 1) ** 2)
        Pair after pair; of one modality its vector with the 1, (n, k + 1).
    """
    ones = torch.ones_like(vectors[:, :, :1])
    whole = torch.cat([ones, vectors], dim=2)
    pairs = list(combinations(range(vectors.shape[1]), 2))
    if not pairs:
        return whole.flatten(1)
    one, other = (list(side) for side in zip(*pairs, strict=True))
    return (whole[:, one, :, None] * whole[:, other, None, :]).flatten(1)


@singledispatch
def _usual(source: Source, dropout: float) -> EncoderSettings | None:
    """Return the encoder of a kind in this method, or None for the kind's own."""
    return None


@_usual.register
def _(source: TableSource, dropout: float) -> EncoderSettings:
    return SelfNormalising(dropout=dropout)
