"""The network of `IntermediateFusion`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from consilience.nn.batch import Batch
from consilience.nn.network import FusionNetwork
from consilience.nn.sources import Sources


class IntermediateNetwork(FusionNetwork):
    """Encoders, then one vector of all modalities."""

    def __init__(self, sources: Sources, width: int, **options: Any) -> None:
        super().__init__(sources, width, **options)
        wide = len(self.names) * (width + 1)
        self.join = nn.Sequential(nn.Linear(wide, width), nn.LayerNorm(width), nn.GELU())

    def embed(self, batch: Batch) -> Tensor:
        vectors, present = self.encode(batch)
        columns = torch.cat([vectors.flatten(1), present.to(vectors.dtype)], dim=1)
        joined: Tensor = self.join(columns)
        return joined
