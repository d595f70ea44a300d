"""The network of `CoAttentionSurvival`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from consilience.fusion.attention_map import EVERYTHING
from consilience.fusion.networks.feature_groups import ColumnsAlone, GroupTokens, TableColumns
from consilience.fusion.signatures import FeatureGroups
from consilience.nn.batch import Batch, Part
from consilience.nn.chunks import CHUNK, by_chunks, recomputed
from consilience.nn.encoders import Encoder, EncoderSettings
from consilience.nn.encoders.attention import GatedPooling, InstanceLayer
from consilience.nn.network import FusionNetwork
from consilience.nn.segments import segment_mean, segment_softmax, segment_sum
from consilience.nn.sources import BagSource, Source, Sources, TableSource


class Shape(NamedTuple):
    """The settings that give the network its form (see `CoAttentionSurvival`)."""

    depth: int
    layers: int
    heads: int
    dropout: float


class CoAttentionNetwork(FusionNetwork):
    """Groups of features look at the instances of each bag; both sides are then pooled.

    A modality that is neither table nor bag is a bag of the vectors that its encoder
    returns.

    Parameters
    ----------
    sources, width, encoders, modality_dropout
        See `FusionNetwork`.
    groups : dict
        Group to table to features.
    shape : Shape

    Attributes
    ----------
    looks : tuple of str
        The groups; ("all",) without a table.
    """

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        groups: FeatureGroups,
        shape: Shape,
        encoders: Mapping[str, Any] | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        own = {name: _own(source, shape.dropout) for name, source in sources.fitted_.items()}
        given = {name: own[name] or (encoders or {}).get(name) for name in own}
        super().__init__(sources, width, given, modality_dropout)
        self.place = {name: i for i, name in enumerate(self.names)}
        tables = {n: e for n, e in self._readers() if isinstance(e, TableColumns)}
        self.bags = [name for name in self.names if name not in tables]
        self.looks = tuple(groups) or (EVERYTHING,)
        self.tokens = GroupTokens(tables, groups, width, shape.depth, shape.dropout)
        self.absent = nn.Parameter(torch.randn(len(self.looks), width))
        self.co_attention = nn.ModuleDict(
            {str(self.place[n]): CoAttention(width) for n in self.bags}
        )
        self.pools = nn.ModuleDict({str(self.place[n]): TokenPool(width, shape) for n in self.bags})
        self.table_pool = TokenPool(width, shape) if groups else None
        n_sides = len(self.bags) + bool(groups)
        self.join = InstanceLayer(n_sides * width + len(self.names), width, shape.dropout)

    def _readers(self) -> list[tuple[str, nn.Module]]:
        return list(zip(self.names, self.encoders, strict=True))

    def embed(self, batch: Batch) -> Tensor:
        present = self.kept(batch.present())
        tokens, there = self.tokens(batch, present)
        sides = [self._bag_side(name, batch, present, tokens, there) for name in self.bags]
        if self.table_pool is not None:
            sides.append(self.table_pool(tokens, there))
        joined: Tensor = self.join(torch.cat([*sides, present.to(tokens.dtype)], dim=1))
        return joined

    def _bag_side(
        self, name: str, batch: Batch, present: Tensor, tokens: Tensor, there: Tensor
    ) -> Tensor:
        """Return what a bag says of each patient, (n, width); 0 for those without it."""
        column, part = self.place[name], batch.parts[name]
        side = tokens.new_zeros(batch.size, self.width)
        if not len(part):
            return side
        seen = self._look(name, part, tokens, there)[0]
        everywhere = torch.ones(seen.shape[:2], dtype=torch.bool, device=seen.device)
        pooled = self.pools[str(column)](seen, everywhere)
        return side.index_copy(0, part.rows, pooled.to(side.dtype)) * present[:, column, None]

    def _look(self, name: str, part: Part, tokens: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each group saw in a bag, (m, n_groups, width), and the weights."""
        queries = torch.where(there[:, :, None], tokens, self.absent)[part.rows]
        encoder = self.encoders[self.place[name]]
        assert isinstance(encoder, Encoder)
        instances, owner = instances_of(encoder, part)
        look = self.co_attention[str(self.place[name])]
        seen: tuple[Tensor, Tensor] = look(queries, instances, owner)
        return seen

    def attention(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weight of each instance for each group, by bag, (n_instances, n_groups)."""
        tokens, there = self.tokens(batch, batch.present())
        return {
            name: self._look(name, batch.parts[name], tokens, there)[1]
            for name in self.bags
            if len(batch.parts[name]) and batch.parts[name].owner is not None
        }


class CoAttention(nn.Module):
    """Each query of a patient looks at all his instances (MCAT, equation 2).

    With queries Q (n_groups, d) and instances H (n_instances, d) of one patient::

        softmax((Q A) (H B)' / sqrt(d)) (H C) D

    the softmax over his instances, with biases. Time and memory are linear in the
    instances.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, queries: Tensor, instances: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """Return what was seen, (m, n_groups, width), and the weights, (n_instances, n_groups).

        Parameters
        ----------
        queries : Tensor of shape (m, n_groups, width)
        instances : Tensor of shape (n_instances, width)
        owner : Tensor of int64, (n_instances,)
        """
        m, n_groups, width = queries.shape
        asked = self.query(queries) * width**-0.5
        keys, values = self.key(instances), self.value(instances)
        weights = segment_softmax(_scores(asked, keys, owner), owner, m)
        # A group at a time, so that no array of instances x groups x width is made.
        seen = [segment_sum(weights[:, g, None] * values, owner, m) for g in range(n_groups)]
        return self.out(torch.stack(seen, dim=1)), weights


def _scores(asked: Tensor, keys: Tensor, owner: Tensor) -> Tensor:
    """Return how well each instance fits each query of its patient, (n_instances, n_groups)."""
    if len(keys) <= CHUNK:
        return torch.einsum("igd,id->ig", asked[owner], keys)
    return torch.stack([recomputed(_match, a, keys, owner) for a in asked.unbind(1)], dim=1)


def _match(asked: Tensor, keys: Tensor, owner: Tensor) -> Tensor:
    return (asked[owner] * keys).sum(dim=1)


class TokenPool(nn.Module):
    """A set of vectors to one: they look at one another, then a gated-attention mean."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.transformer = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                width,
                shape.heads,
                2 * width,
                shape.dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            ),
            shape.layers,
            enable_nested_tensor=False,
        )
        self.pool = GatedPooling(width, max(1, width // 2), shape.dropout)
        self.out = InstanceLayer(width, width, shape.dropout)

    def forward(self, tokens: Tensor, there: Tensor) -> Tensor:
        """Return a vector a patient, (n, width), of tokens (n, k, width); 0 if he has none.

        Parameters
        ----------
        tokens : Tensor of shape (n, k, width)
        there : Tensor of bool, (n, k)
            Which of them count.
        """
        some = torch.nonzero(there.any(dim=1))[:, 0]
        pooled = tokens.new_zeros(len(tokens), tokens.shape[2])
        if not len(some):
            return pooled
        own = there[some]
        mixed = self.transformer(tokens[some], src_key_padding_mask=~own)
        owner = torch.nonzero(own)[:, 0]
        vectors = self.out(self.pool(mixed[own], owner, len(some))[0])
        return pooled.index_copy(0, some, vectors.to(pooled.dtype))


class InstancesAlone(EncoderSettings):
    """A layer for every instance of a bag by itself."""

    def __init__(self, dropout: float) -> None:
        self.dropout = dropout

    def build(self, source: BagSource, width: int) -> Encoder:
        return Instances(source, width, self.dropout)


class Instances(Encoder):
    """The network of `InstancesAlone`; as an encoder it takes their mean."""

    def __init__(self, source: BagSource, width: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.layer = InstanceLayer(len(source.features_), width, dropout)

    def forward(self, part: Part) -> Tensor:
        instances, owner = instances_of(self, part)
        return segment_mean(instances, owner, len(part))


@singledispatch
def instances_of(encoder: Encoder, part: Part) -> tuple[Tensor, Tensor]:
    """Return vectors to look at, (n_instances, width), and whose they are, (n_instances,)."""
    tokens = encoder.tokens(part)
    owner = torch.arange(len(part), device=tokens.device).repeat_interleave(tokens.shape[1])
    return tokens.flatten(0, 1), owner


@instances_of.register
def _(encoder: Instances, part: Part) -> tuple[Tensor, Tensor]:
    assert part.owner is not None
    return by_chunks(encoder.layer, part.arrays["instances"]), part.owner


@singledispatch
def _own(source: Source, dropout: float) -> EncoderSettings | None:
    """Return how a kind is read here, or None where its usual encoder will do."""
    return None


@_own.register
def _(source: TableSource, dropout: float) -> EncoderSettings:
    return ColumnsAlone()


@_own.register
def _(source: BagSource, dropout: float) -> EncoderSettings:
    return InstancesAlone(dropout)
