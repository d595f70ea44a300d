"""Tables by a multilayer perceptron, categories by embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from consilience.nn.batch import Part
from consilience.nn.encoders.columns import Columns
from consilience.nn.encoders.encoder import Encoder, EncoderSettings, default_encoder
from consilience.nn.encoders.ranges import LAYERS, SHARE, SIZE_OR_NONE, Range
from consilience.nn.sources import TableSource


class MLP(EncoderSettings):
    """Linear layers with layer normalisation, GELU and dropout.

    The inputs are divided by the root of their number, and the first weights multiplied
    by it: at first this changes nothing, but Adam, which moves all weights by equal steps,
    would otherwise learn a table of many features by heart before a narrow one has been
    learned at all (for the principle: Yang and Hu, Tensor programs IV, ICML 2021).

    Parameters
    ----------
    depth : int
        Number of layers.
    hidden : int, optional
        Width of the layers before the last; twice the last by default.
    dropout : float
        Share of each layer's outputs set to 0 in training.
    input_dropout : float
        Share of the inputs set to 0, a number's mean, in training.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "depth": LAYERS,
        "hidden": SIZE_OR_NONE,
        "dropout": SHARE,
        "input_dropout": SHARE,
    }

    def __init__(
        self,
        depth: int = 1,
        hidden: int | None = None,
        dropout: float = 0.3,
        input_dropout: float = 0.3,
    ) -> None:
        self.depth = depth
        self.hidden = hidden
        self.dropout = dropout
        self.input_dropout = input_dropout

    def build(self, source: TableSource, width: int) -> Encoder:
        hidden = self.hidden or 2 * width
        return Perceptron(source, [hidden] * (self.depth - 1) + [width], self)


class Perceptron(Encoder):
    """The network of `MLP`."""

    def __init__(self, source: TableSource, widths: list[int], settings: MLP) -> None:
        super().__init__()
        self.width = widths[-1]
        self.columns = Columns(source)
        self.drop = nn.Dropout(settings.input_dropout)
        layers: list[nn.Module] = []
        before = len(self.columns.features)
        self.scale = 1.0 / math.sqrt(before)
        for after in widths:
            linear = nn.Linear(before, after)
            if not layers:
                with torch.no_grad():
                    linear.weight /= self.scale
            layers += [linear, nn.LayerNorm(after), nn.GELU(), nn.Dropout(settings.dropout)]
            before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, part: Part) -> Tensor:
        out: Tensor = self.layers(self.drop(self.columns(part)) * self.scale)
        return out


@default_encoder.register
def _(source: TableSource) -> EncoderSettings:
    return MLP()
