"""Bags by a transformer whose cost is linear in the number of instances."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from consilience.errors import InputError
from consilience.nn.batch import Part
from consilience.nn.blocks import LENGTH, Blocks
from consilience.nn.chunks import CHUNK, by_chunks, recomputed
from consilience.nn.encoders.attention import GatedPooling, InstanceLayer
from consilience.nn.encoders.encoder import Encoder, EncoderSettings
from consilience.nn.encoders.ranges import LAYERS, SHARE, SIZE, SIZE_OR_NONE, Range
from consilience.nn.segments import segment_softmax, segment_sum
from consilience.nn.sources import BagSource


class TransformerPooling(EncoderSettings):
    """Instances that see each other through a few inducing points (Lee et al., 2019).

    An induced set attention block (eq. 9) lets m learned points attend to a patient's
    instances, and each instance to the m points as they then are. No instance attends to
    another directly, so that time and memory grow with instances times m. What comes out is
    pooled by gated attention (see `GatedAttention`) and not, as in the paper, by a learned
    seed: each instance then has one weight, and on bags of which a few instances carry the
    outcome the loss of patients held back came out lower.

    Parameters
    ----------
    inducing : int
        Number m of inducing points.
    heads : int
        Heads of attention; divides `hidden`.
    hidden : int, optional
        Length of an instance's vector; twice the width by default.
    dropout : float
        Share of the entries of an instance's vector, and of the gates, set to 0 in training.

    References
    ----------
    Lee J, Lee Y, Kim J, et al. Set Transformer: a framework for attention-based
    permutation-invariant neural networks. ICML 2019.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "inducing": SIZE,
        "heads": LAYERS,
        "hidden": SIZE_OR_NONE,
        "dropout": SHARE,
    }

    def __init__(
        self,
        inducing: int = 16,
        heads: int = 4,
        hidden: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        self.inducing = inducing
        self.heads = heads
        self.hidden = hidden
        self.dropout = dropout

    def build(self, source: BagSource, width: int) -> Encoder:
        hidden = self.hidden or 2 * width
        if hidden % self.heads:
            raise InputError(
                f"TransformerPooling: hidden is {hidden}, which {self.heads} heads do not divide."
            )
        return PoolingNetwork(source, width, hidden, self)


class AttentionBlock(nn.Module):
    """Queries attend to values, then pass a layer each (MAB: Lee et al., 2019, eq. 6 and 7).

    Parameters
    ----------
    hidden : int
    heads : int
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.value, self.out = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.before, self.after = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.feed = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden)
        )

    def _split(self, vectors: Tensor) -> Tensor:
        """Return vectors with an axis of heads before their last."""
        return vectors.reshape(*vectors.shape[:-1], self.heads, -1)

    def _finished(self, queries: Tensor, attended: Tensor) -> Tensor:
        middle = self.before(queries + self.out(attended))
        finished: Tensor = self.after(middle + self.feed(middle))
        return finished

    def weights(self, points: Tensor, instances: Tensor, owner: Tensor, n: int) -> Tensor:
        """Return how much each point attends to each instance, (n_instances, heads, m)."""
        queries = self._split(self.query(points))
        queries = queries / math.sqrt(queries.shape[-1])

        def scores(mine: Tensor) -> Tensor:
            return torch.einsum("ihd,mhd->ihm", self._split(self.key(mine)), queries)

        return segment_softmax(by_chunks(scores, instances), owner, n)

    def gather(self, points: Tensor, instances: Tensor, owner: Tensor, n: int) -> Tensor:
        """Let the same points, (m, hidden), attend to each patient's instances: (n, m, hidden)."""

        def sums(weights: Tensor, mine: Tensor) -> Tensor:
            values = self._split(self.value(mine))
            return torch.einsum("bihm,bihd->bmhd", weights.to(values.dtype), values)

        blocks = Blocks.of(owner, n)
        weights = blocks.laid(self.weights(points, instances, owner, n))
        summed = by_chunks(sums, weights, blocks.laid(instances), size=CHUNK // LENGTH)
        return self._finished(points, segment_sum(summed, blocks.owner, n).flatten(-2))

    def spread(self, instances: Tensor, points: Tensor, owner: Tensor) -> Tensor:
        """Let each instance attend to his patient's points, (n, m, hidden)."""

        def attended(mine: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            queries = self._split(self.query(mine))
            scores = torch.einsum("bihd,bmhd->bihm", queries, keys)
            weights = (scores / math.sqrt(queries.shape[-1])).softmax(dim=-1)
            summed = torch.einsum("bihm,bmhd->bihd", weights, values)
            return self._finished(mine, summed.flatten(-2))

        blocks = Blocks.of(owner, len(points))
        keys = self._split(self.key(points))[blocks.owner]
        values = self._split(self.value(points))[blocks.owner]
        rows = blocks.laid(instances), keys, values
        return blocks.back(by_chunks(attended, *rows, size=CHUNK // LENGTH))


class PoolingNetwork(Encoder):
    """The network of `TransformerPooling`."""

    def __init__(
        self, source: BagSource, width: int, hidden: int, settings: TransformerPooling
    ) -> None:
        super().__init__()
        self.width, self.n_tokens = width, settings.inducing
        self.layer = InstanceLayer(len(source.features_), hidden, settings.dropout)
        self.points = nn.Parameter(nn.init.xavier_uniform_(torch.empty(settings.inducing, hidden)))
        self.inwards = AttentionBlock(hidden, settings.heads)
        self.outwards = AttentionBlock(hidden, settings.heads)
        self.pool = GatedPooling(hidden, max(1, hidden // 2), settings.dropout)
        self.out = nn.Sequential(
            nn.Linear(hidden, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(settings.dropout)
        )

    def _gathered(self, instances: Tensor, part: Part) -> Tensor:
        """Return the inducing points of each patient, (m, inducing, hidden)."""

        def gathered(instances: Tensor) -> Tensor:
            assert part.owner is not None
            return self.inwards.gather(self.points, instances, part.owner, len(part))

        few = len(instances) <= CHUNK
        return gathered(instances) if few else recomputed(gathered, instances)

    def _pooled(self, part: Part) -> tuple[Tensor, Tensor]:
        """Return a vector a patient, and the weights of the instances."""
        assert part.owner is not None
        instances = by_chunks(self.layer, part.arrays["instances"])
        points = self._gathered(instances, part)
        seen = self.outwards.spread(instances, points, part.owner)
        pooled: tuple[Tensor, Tensor] = self.pool(seen, part.owner, len(part))
        return pooled

    def forward(self, part: Part) -> Tensor:
        vectors: Tensor = self.out(self._pooled(part)[0])
        return vectors

    def tokens(self, part: Part) -> Tensor:
        """Return the inducing points of each patient, (m, inducing, width)."""
        instances = by_chunks(self.layer, part.arrays["instances"])
        vectors: Tensor = self.out(self._gathered(instances, part))
        return vectors

    def attention(self, part: Part) -> Tensor:
        """Return the weight of each instance, (n_instances,); a patient's add up to 1."""
        return self._pooled(part)[1]
