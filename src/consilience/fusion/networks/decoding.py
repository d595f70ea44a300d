"""What autoencoders share: codes of the modalities there, and decoders back to all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from consilience.nn.batch import Batch, Part
from consilience.nn.decoders import TableDecoder, decoder_for
from consilience.nn.network import Encoded, FusionNetwork
from consilience.nn.sources import Sources


class DecodingNetwork(FusionNetwork):
    """Encoders to codes, and a decoder for each modality that can be rebuilt.

    Parameters
    ----------
    sources, width, encoders, modality_dropout
        See `FusionNetwork`.
    code : int
        Numbers that a modality says.
    latent : int
        Width of what is decoded.
    hidden : int
        Width of the decoders' bend; 0 for linear ones.
    corruption : float
        Share of the features set to their mean in training, before they are encoded.
    """

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        code: int,
        latent: int,
        hidden: int,
        corruption: float,
        encoders: Mapping[str, Any] | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__(sources, width, encoders, modality_dropout)
        self.corruption = corruption
        self.code_width = code
        self.to_code = nn.ModuleList(nn.Linear(width, code) for _ in self.names)
        self.decoders = nn.ModuleDict()
        for column, source in enumerate(sources.fitted_.values()):
            decoder = decoder_for(source, latent, hidden)
            if decoder is not None:
                self.decoders[str(column)] = decoder

    def decoder(self, column: int) -> TableDecoder | None:
        """Return the decoder of a modality, by its place; None if it cannot be rebuilt."""
        found = dict(self.decoders.items()).get(str(column))
        assert found is None or isinstance(found, TableDecoder)
        return found

    def decoder_of(self, name: str) -> TableDecoder:
        """Return the decoder of a modality that can be rebuilt, by its name."""
        found = self.decoder(self.names.index(name))
        assert found is not None
        return found

    def tables(self) -> list[str]:
        """Return the modalities that can be rebuilt."""
        return [self.names[int(key)] for key in self.decoders]

    @abstractmethod
    def rebuilt(self, batch: Batch) -> dict[str, Tensor]:
        """Return what every decoder says of all patients, from all that is there."""

    def codes(self, batch: Batch) -> Encoded:
        """Return what each modality says of each patient, before any is hidden."""
        out = torch.zeros(batch.size, len(self.names), self.code_width, device=batch.device)
        for column, name in enumerate(self.names):
            part = batch.parts[name]
            if len(part):
                code = self.code_of(column, self._corrupted(part, column))
                place = (part.rows, torch.full_like(part.rows, column))
                out = out.index_put(place, code.to(out.dtype))
        return Encoded(out, batch.present())

    def code_of(self, column: int, part: Part) -> Tensor:
        """Return what a modality says of those who have it, (m, code)."""
        code: Tensor = self.to_code[column](self.encoders[column](part))
        return code

    def _corrupted(self, part: Part, column: int) -> Part:
        if not (self.training and self.corruption > 0 and str(column) in self.decoders):
            return part
        arrays = dict(part.arrays)
        left = (torch.rand_like(arrays["known"]) >= self.corruption).to(arrays["known"].dtype)
        arrays["numbers"] = arrays["numbers"] * left / (1.0 - self.corruption)
        arrays["known"] = arrays["known"] * left
        return Part(arrays, part.rows, part.owner)

    def shown(self, present: Tensor, kept: Tensor) -> Tensor:
        """Return from which modalities each one is to be rebuilt, (n_modalities, n, n_modalities).

        In training from those that modality dropout left, so that what is hidden is
        rebuilt from what is not; else each from all the others, which is what tells when
        training should stop. Of a patient with a single one it is rebuilt from itself.
        """
        n_modalities = present.shape[1]
        if self.training:
            return kept.expand(n_modalities, *kept.shape)
        itself = torch.eye(n_modalities, dtype=torch.bool, device=present.device)
        others = present[None] & ~itself[:, None]
        return torch.where(others.any(dim=2, keepdim=True), others, present[None])

    def misfit(self, batch: Batch, column: int, latent: Tensor) -> Tensor:
        """Return the negative log-likelihood of a modality, summed over features, (..., m).

        Parameters
        ----------
        batch : Batch
        column : int
            The modality; it must have a decoder, and someone in the batch must have it.
        latent : Tensor of shape (..., m, latent)
            Of the m patients who have it.
        """
        decoder = self.decoder(column)
        assert decoder is not None
        part = batch.parts[self.names[column]]
        return decoder.loss(decoder(latent), part.arrays)

    def rebuildable(self, batch: Batch) -> list[int]:
        """Return the places of the modalities that have a decoder and someone in the batch."""
        return [
            column
            for column, name in enumerate(self.names)
            if str(column) in self.decoders and len(batch.parts[name])
        ]

    def n_features(self, column: int) -> int:
        """Return how many features a decoder rebuilds."""
        decoder = self.decoder(column)
        return 0 if decoder is None else decoder.n_numbers + len(decoder.sizes)
