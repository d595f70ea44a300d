"""The network of `FeatureGraphFusion`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from consilience.fusion.known_network import KnownNetwork
from consilience.nn.batch import Batch
from consilience.nn.graphs import summary
from consilience.nn.network import Encoded, FusionNetwork
from consilience.nn.sources import Sources


class FeatureGraphNetwork(FusionNetwork):
    """Feature nodes that share what they mean with their neighbours, and tell it to patients.

    Parameters
    ----------
    sources : Sources
    width : int
    nodes : mapping of str to sequence of str
        The feature nodes of each modality that has some; the others are encoded.
    known : KnownNetwork, optional
        Which feature nodes are tied.
    steps : int
        How often feature nodes hear their neighbours.
    spread : float
        What share of a feature's meaning comes from its neighbours.
    dropout : float
    encoders, modality_dropout
        See `FusionNetwork`.
    """

    adjacency: Tensor
    tied: Tensor

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        nodes: Mapping[str, Sequence[str]],
        known: KnownNetwork | None,
        steps: int,
        spread: float,
        dropout: float,
        encoders: Mapping[str, Any] | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__(sources, width, encoders=encoders, modality_dropout=modality_dropout)
        self.sources = tuple(sources.fitted_.values())
        self.steps, self.spread = (steps, spread) if known is not None else (0, 0.0)
        self.spans: dict[str, tuple[int, int]] = {}
        total = 0
        for name, own in nodes.items():
            self.spans[name] = (total, total + len(own))
            total += len(own)
        for place, name in enumerate(self.names):
            if name in self.spans:
                self.encoders[place] = nn.Sequential(
                    nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout)
                )
        self.meanings = nn.Parameter(torch.empty(total, width))
        for first, last in self.spans.values():
            nn.init.normal_(self.meanings[first:last], std=(last - first) ** -0.5)
        self._tie(known, total)
        self.bias = nn.Parameter(torch.zeros(len(self.names), width))
        self.join = nn.Sequential(
            nn.Linear(len(self.names) * (width + 1), width), nn.LayerNorm(width), nn.GELU()
        )

    def _tie(self, known: KnownNetwork | None, total: int) -> None:
        places, values = np.zeros((2, 0), dtype=np.int64), np.zeros(0, dtype=np.float32)
        if known is not None:
            places, values = np.stack([known.rows_, known.columns_]), known.values_
        adjacency = torch.sparse_coo_tensor(
            torch.as_tensor(places), torch.as_tensor(values), (total, total), check_invariants=False
        )
        self.register_buffer("adjacency", adjacency.coalesce(), persistent=False)
        tied = torch.zeros(total, 1)
        tied[places[0]] = 1.0
        self.register_buffer("tied", tied, persistent=False)

    def features(self) -> Tensor:
        """Return what each feature node has to tell, (n_nodes, width), its neighbours heard."""
        own = self.meanings
        share = self.spread * self.tied
        heard = own
        for _ in range(self.steps):
            heard = (1.0 - share) * own + share * torch.sparse.mm(self.adjacency, heard)
        return heard

    def encode(self, batch: Batch) -> Encoded:
        """Return what each modality's features tell patients, after modality dropout."""
        present = self.kept(batch.present())
        features = self.features()
        vectors = torch.zeros(batch.size, len(self.names), self.width, device=batch.device)
        for place, name in enumerate(self.names):
            rows = batch.parts[name].rows
            if len(rows):
                told = self._told(place, batch, features).to(vectors.dtype)
                vectors = vectors.index_put((rows, torch.full_like(rows, place)), told)
        return Encoded(vectors * present[:, :, None], present)

    def _told(self, place: int, batch: Batch, features: Tensor) -> Tensor:
        name, encoder = self.names[place], self.encoders[place]
        part = batch.parts[name]
        if name not in self.spans:
            encoded: Tensor = encoder(part)
            return encoded
        first, last = self.spans[name]
        heard = summary(self.sources[place], part) @ features[first:last] + self.bias[place]
        told: Tensor = encoder(heard)
        return told

    def embed(self, batch: Batch) -> Tensor:
        vectors, present = self.encode(batch)
        columns = torch.cat([vectors.flatten(1), present.to(vectors.dtype)], dim=1)
        joined: Tensor = self.join(columns)
        return joined
