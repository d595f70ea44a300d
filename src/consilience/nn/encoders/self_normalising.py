"""Tables by a self-normalising network: no normalisation layer, and none is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from consilience.nn.batch import Part
from consilience.nn.encoders.columns import Columns
from consilience.nn.encoders.encoder import Encoder, EncoderSettings
from consilience.nn.encoders.ranges import LAYERS, SHARE, SIZE_OR_NONE, Range
from consilience.nn.sources import TableSource


class SelfNormalising(EncoderSettings):
    """Linear layers with SELU and alpha dropout (Klambauer et al., 2017).

    With weights drawn with mean 0 and variance 1 / inputs, SELU draws means towards 0 and
    variances towards 1 from layer to layer; alpha dropout keeps both.

    Parameters
    ----------
    depth : int
        Number of layers.
    hidden : int, optional
        Width of the layers before the last; that of the last by default.
    dropout : float
        Share of each layer's outputs set to SELU's lower limit in training.
    input_dropout : float
        Share of the columns set to 0, the mean, in training.

    References
    ----------
    Klambauer G, Unterthiner T, Mayr A, Hochreiter S. Self-normalizing neural networks.
    NeurIPS 2017.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "depth": LAYERS,
        "hidden": SIZE_OR_NONE,
        "dropout": SHARE,
        "input_dropout": SHARE,
    }

    def __init__(
        self,
        depth: int = 2,
        hidden: int | None = None,
        dropout: float = 0.25,
        input_dropout: float = 0.0,
    ) -> None:
        self.depth = depth
        self.hidden = hidden
        self.dropout = dropout
        self.input_dropout = input_dropout

    def build(self, source: TableSource, width: int) -> Encoder:
        return SelfNormalisingNetwork(source, width, self)


class SelfNormalisingNetwork(Encoder):
    """The network of `SelfNormalising`."""

    def __init__(self, source: TableSource, width: int, settings: SelfNormalising) -> None:
        super().__init__()
        self.width = width
        self.columns = Columns(source)
        self.drop = nn.Dropout(settings.input_dropout)
        widths = [settings.hidden or width] * (settings.depth - 1) + [width]
        self.layers = self_normalising(len(self.columns.features), widths, settings.dropout)

    def forward(self, part: Part) -> Tensor:
        vectors: Tensor = self.layers(self.drop(self.columns(part)))
        return vectors


def self_normalising(before: int, widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Return layers of these widths; their weights are drawn with variance 1 / inputs."""
    layers: list[nn.Module] = []
    for after in widths:
        linear = nn.Linear(before, after)
        with torch.no_grad():
            linear.weight.normal_(0.0, max(before, 1) ** -0.5)
            linear.bias.zero_()
        layers += [linear, nn.SELU(), nn.AlphaDropout(dropout)]
        before = after
    return nn.Sequential(*layers)
