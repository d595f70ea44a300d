"""Bags by gated attention: a weighted mean of instances, the weights learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from consilience.nn.batch import Part
from consilience.nn.chunks import by_chunks
from consilience.nn.encoders.encoder import Encoder, EncoderSettings, default_encoder
from consilience.nn.encoders.ranges import SHARE, SIZE_OR_NONE, Range
from consilience.nn.segments import segment_softmax, segment_sum
from consilience.nn.sources import BagSource


class GatedAttention(EncoderSettings):
    """Attention-based multiple-instance learning, gated (Ilse et al., 2018, eq. 9).

    An instance x becomes h = GELU(LayerNorm(W x)), and a patient the sum of a_i h_i, where
    a is the softmax over his instances of w' (tanh(V h_i) * sigmoid(U h_i)).

    Parameters
    ----------
    hidden : int, optional
        Length of h; twice the width by default.
    attention : int, optional
        Rows of V and U; half of `hidden` by default.
    dropout : float
        Share of the entries of h, and of the gates, set to 0 in training.

    References
    ----------
    Ilse M, Tomczak JM, Welling M. Attention-based deep multiple instance learning. ICML 2018.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "hidden": SIZE_OR_NONE,
        "attention": SIZE_OR_NONE,
        "dropout": SHARE,
    }

    def __init__(
        self, hidden: int | None = None, attention: int | None = None, dropout: float = 0.2
    ) -> None:
        self.hidden = hidden
        self.attention = attention
        self.dropout = dropout

    def build(self, source: BagSource, width: int) -> Encoder:
        return AttentionNetwork(source, width, self)


class InstanceLayer(nn.Sequential):
    """One layer for every instance by itself: linear, layer normalisation, GELU, dropout."""

    def __init__(self, before: int, after: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(before, after), nn.LayerNorm(after), nn.GELU(), nn.Dropout(dropout)
        )


class GatedPooling(nn.Module):
    """Which instances count how much, and their mean with these weights.

    Parameters
    ----------
    hidden : int
        Length of an instance's vector.
    attention : int
        Rows of V and U.
    dropout : float
    """

    def __init__(self, hidden: int, attention: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.tanh = nn.Sequential(nn.Linear(hidden, attention), nn.Tanh(), nn.Dropout(dropout))
        self.gate = nn.Sequential(nn.Linear(hidden, attention), nn.Sigmoid(), nn.Dropout(dropout))
        self.score = nn.Linear(attention, 1, bias=False)  # a bias would cancel in the softmax

    def scores(self, instances: Tensor) -> Tensor:
        """Return the score of each instance, (n_instances, 1)."""
        score: Tensor = self.score(self.tanh(instances) * self.gate(instances))
        return score

    def forward(self, instances: Tensor, owner: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Return the weighted means, (n, hidden), and the weights, (n_instances,)."""
        weights = segment_softmax(by_chunks(self.scores, instances), owner, n)
        return segment_sum(weights * instances, owner, n), weights[:, 0]


class AttentionNetwork(Encoder):
    """The network of `GatedAttention`."""

    def __init__(self, source: BagSource, width: int, settings: GatedAttention) -> None:
        super().__init__()
        self.width = width
        hidden = settings.hidden or 2 * width
        self.layer = InstanceLayer(len(source.features_), hidden, settings.dropout)
        self.pool = GatedPooling(
            hidden, settings.attention or max(1, hidden // 2), settings.dropout
        )
        self.out = nn.Sequential(
            nn.Linear(hidden, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(settings.dropout)
        )

    def _pooled(self, part: Part) -> tuple[Tensor, Tensor]:
        assert part.owner is not None
        instances = by_chunks(self.layer, part.arrays["instances"])
        pooled: tuple[Tensor, Tensor] = self.pool(instances, part.owner, len(part))
        return pooled

    def forward(self, part: Part) -> Tensor:
        vectors: Tensor = self.out(self._pooled(part)[0])
        return vectors

    def attention(self, part: Part) -> Tensor:
        """Return the weight of each instance, (n_instances,); a patient's add up to 1."""
        return self._pooled(part)[1]


@default_encoder.register
def _(source: BagSource) -> EncoderSettings:
    return GatedAttention()
