"""The network of `MultimodalAutoencoder`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from consilience.fusion.networks.decoding import DecodingNetwork
from consilience.nn.batch import Batch
from consilience.nn.sources import Sources


class AutoencoderNetwork(DecodingNetwork):
    """The mean code of the modalities there, and every modality rebuilt from it."""

    def __init__(
        self, sources: Sources, width: int, *, latent: int, reconstruction: float, **options: Any
    ) -> None:
        super().__init__(sources, width, code=latent, latent=latent, **options)
        self.reconstruction = reconstruction
        self.embedding_width = latent

    def embed(self, batch: Batch) -> Tensor:
        codes, present = self.codes(batch)
        return mean_code(codes, self.kept(present))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        codes, present = self.codes(batch)
        kept = self.kept(present)
        terms: dict[str, Tensor] = {}
        if self.reconstruction > 0:
            shown = self.shown(present, kept)
            terms["reconstruction"] = self.reconstruction * self._rebuilding(batch, codes, shown)
        if self.head is not None:
            outputs = self.head(mean_code(codes, kept))
            terms["outcome"] = self.head.loss(outputs, batch.targets)
        return terms

    def _rebuilding(self, batch: Batch, codes: Tensor, shown: Tensor) -> Tensor:
        """Return the mean misfit of a value, every modality counting the same."""
        total = codes.sum() * 0.0
        columns = self.rebuildable(batch)
        for column in columns:
            rows = batch.parts[self.names[column]].rows
            latent = mean_code(codes[rows], shown[column, rows])
            loss = self.misfit(batch, column, latent).mean()
            total = total + loss / (self.n_features(column) * len(columns))
        return total

    def rebuilt(self, batch: Batch) -> dict[str, Tensor]:
        """Return the outputs of every decoder for all patients, by modality."""
        embedding = self.embed(batch)
        return {name: self.decoder_of(name)(embedding) for name in self.tables()}


def mean_code(codes: Tensor, kept: Tensor) -> Tensor:
    """Return the mean over the modalities kept, (n, code); 0 where none is."""
    weights = kept.to(codes.dtype)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1.0)
    return torch.einsum("nm,nmk->nk", weights, codes)
