"""Tables by a multilayer perceptron, categories by embeddings."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from consilience.nn.batch import Part
from consilience.nn.encoders.encoder import Encoder, EncoderSettings, default_encoder
from consilience.nn.sources import TableSource

LONGEST = 16  # entries of the vector of a level


class MLP(EncoderSettings):
    """Linear layers with layer normalisation, GELU and dropout.

    Parameters
    ----------
    depth : int
        Number of layers.
    hidden : int, optional
        Width of the layers before the last; twice the last by default.
    dropout : float
        Share of each layer's outputs set to 0 in training.
    input_dropout : float
        Share of the features set to their mean in training.
    """

    def __init__(
        self,
        depth: int = 2,
        hidden: int | None = None,
        dropout: float = 0.2,
        input_dropout: float = 0.0,
    ) -> None:
        self.depth = depth
        self.hidden = hidden
        self.dropout = dropout
        self.input_dropout = input_dropout

    def build(self, source: TableSource, width: int) -> Encoder:
        hidden = self.hidden or 2 * width
        return Perceptron(source, [hidden] * (self.depth - 1) + [width], self)


class Perceptron(Encoder):
    """The network of `MLP`: numbers, indicators of gaps, and embeddings of categories go in."""

    gappy: Tensor

    def __init__(self, source: TableSource, widths: list[int], settings: MLP) -> None:
        super().__init__()
        self.width = widths[-1]
        self.register_buffer("gappy", torch.as_tensor(np.flatnonzero(source.gappy_)))
        levels = [len(own) for own in source.levels_.values()]
        lengths = [min(LONGEST, (n + 2) // 2) for n in levels]
        self.embeddings = nn.ModuleList(
            nn.Embedding(n + 1, k, padding_idx=0) for n, k in zip(levels, lengths, strict=True)
        )
        self.drop = nn.Dropout(settings.input_dropout)
        layers: list[nn.Module] = []
        before = len(source.numbers_) + int(source.gappy_.sum()) + sum(lengths)
        for after in widths:
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.GELU()]
            layers += [nn.Dropout(settings.dropout)]
            before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, part: Part) -> Tensor:
        gaps = 1.0 - part.arrays["known"][:, self.gappy]
        codes = part.arrays["codes"]
        levels = [layer(codes[:, i]) for i, layer in enumerate(self.embeddings)]
        columns = torch.cat([self.drop(part.arrays["numbers"]), gaps, *levels], dim=1)
        out: Tensor = self.layers(columns)
        return out


@default_encoder.register
def _(source: TableSource) -> EncoderSettings:
    return MLP()
