"""Images by a small residual network, in two axes or three."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from consilience.errors import InputError
from consilience.nn.batch import Part
from consilience.nn.encoders.encoder import Encoder, EncoderSettings, default_encoder
from consilience.nn.encoders.ranges import SHARE, SIZE_OR_NONE, Range, whole
from consilience.nn.sources import ImageSource

CONVOLUTION: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
USUAL_CHANNELS = {2: 16, 3: 8}  # about 80,000 and 60,000 weights in three blocks
GROUPS = 4


class ResidualNetwork(EncoderSettings):
    """Blocks of two convolutions beside a shortcut (He et al., 2016), then the mean over space.

    Each block halves the image along every axis, and every block but the first doubles the
    channels. Group normalisation (Wu and He, 2018), so that a patient's vector does not depend
    on who else is in the batch.

    Parameters
    ----------
    channels : int, optional
        Of the first block, a multiple of 4; by default 16 for images of two axes and 8 for
        those of three.
    blocks : int
        Number of blocks.
    dropout : float
        Share of the vector's entries set to 0 in training.

    References
    ----------
    He K, Zhang X, Ren S, Sun J. Deep residual learning for image recognition. CVPR 2016.

    Wu Y, He K. Group normalization. ECCV 2018.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "channels": SIZE_OR_NONE,
        "blocks": whole(10),
        "dropout": SHARE,
    }

    def __init__(self, channels: int | None = None, blocks: int = 3, dropout: float = 0.2) -> None:
        self.channels = channels
        self.blocks = blocks
        self.dropout = dropout

    def build(self, source: ImageSource, width: int) -> Encoder:
        channels = self.channels or USUAL_CHANNELS[source.axes_]
        if channels % GROUPS:
            raise InputError(
                f"ResidualNetwork: channels must be a multiple of {GROUPS}, not {channels}."
            )
        return ResidualEncoder(source, width, channels, self)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut of one, at half the resolution."""

    def __init__(self, axes: int, before: int, after: int) -> None:
        super().__init__()
        convolution = CONVOLUTION[axes]
        self.path = nn.Sequential(
            convolution(before, after, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(GROUPS, after),
            nn.GELU(),
            convolution(after, after, 3, padding=1, bias=False),
            nn.GroupNorm(GROUPS, after),
        )
        self.shortcut = nn.Sequential(
            convolution(before, after, 1, stride=2, bias=False), nn.GroupNorm(GROUPS, after)
        )
        self.end = nn.GELU()

    def forward(self, images: Tensor) -> Tensor:
        """Return images of half the size."""
        out: Tensor = self.end(self.path(images) + self.shortcut(images))
        return out


class ResidualEncoder(Encoder):
    """The network of `ResidualNetwork`."""

    def __init__(
        self, source: ImageSource, width: int, channels: int, settings: ResidualNetwork
    ) -> None:
        super().__init__()
        self.width = width
        before, blocks = len(source.features_), []
        for number in range(settings.blocks):
            after = channels * 2**number
            blocks.append(ResidualBlock(source.axes_, before, after))
            before = after
        self.blocks = nn.Sequential(*blocks)
        self.out = nn.Sequential(
            nn.Linear(before, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(settings.dropout)
        )

    def forward(self, part: Part) -> Tensor:
        vectors: Tensor = self.out(self.blocks(part.arrays["pixels"]).flatten(2).mean(dim=2))
        return vectors


@default_encoder.register
def _(source: ImageSource) -> EncoderSettings:
    return ResidualNetwork()
