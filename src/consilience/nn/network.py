"""The base of all fusion networks: an encoder a modality, modality dropout, a head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from consilience.nn.batch import Batch
from consilience.nn.encoders import Encoder, encoder_for
from consilience.nn.heads import Head
from consilience.nn.sources import Sources


class Encoded(NamedTuple):
    """Patients by modality, as vectors.

    Attributes
    ----------
    vectors : Tensor of shape (n, n_modalities, width)
        Zeros where a patient lacks the modality.
    present : Tensor of bool, (n, n_modalities)
    """

    vectors: Tensor
    present: Tensor


class FusionNetwork(nn.Module):
    """Encoders and a head; a subclass gives what lies between, in `embed`.

    Parameters
    ----------
    sources : Sources
        Fitted; the modalities are in their order.
    width : int
        Of the encoders' vectors.
    encoders : mapping of str to EncoderSettings
        Encoders other than the kinds' own.
    modality_dropout : float
        With what chance a modality that is there is hidden in training; one at least
        is left to each patient.
    """

    embedding_width: int

    def __init__(
        self,
        sources: Sources,
        width: int,
        encoders: Mapping[str, Any] | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        given = encoders or {}
        self.names = tuple(sources.fitted_)
        self.width = self.embedding_width = width
        self.modality_dropout = modality_dropout
        self.head: Head | None = None
        self.encoders = nn.ModuleList(
            encoder_for(name, source, width, given.get(name))
            for name, source in sources.fitted_.items()
        )

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """Return the embedding of each patient, (n, embedding_width)."""

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the embedding and, if there is a head, its outputs."""
        embedding = self.embed(batch)
        return embedding, None if self.head is None else self.head(embedding)

    @contextmanager
    def held(self, batch: Batch) -> Iterator[None]:
        """Hold fast what measurements choose in jumps, as it is for a batch.

        Inside, the network is asked of the same patients with other measurements. A network
        that chooses nothing, as most, is what it is outside.
        """
        yield

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the named terms of the loss, scalars; their sum is made small."""
        _, outputs = self(batch)
        assert self.head is not None
        assert outputs is not None
        return {"outcome": self.head.loss(outputs, batch.targets)}

    def encode(self, batch: Batch) -> Encoded:
        """Return a vector a patient and modality, after modality dropout."""
        present = self.kept(batch.present())
        vectors = torch.zeros(batch.size, len(self.names), self.width, device=batch.device)
        for column, (encoder, name) in enumerate(zip(self.encoders, self.names, strict=True)):
            part = batch.parts[name]
            if len(part):
                assert isinstance(encoder, Encoder)
                index = part.rows
                vectors = vectors.index_put(
                    (index, torch.full_like(index, column)), encoder(part).to(vectors.dtype)
                )
        return Encoded(vectors * present[:, :, None], present)

    def kept(self, present: Tensor) -> Tensor:
        """Return which modalities are left by modality dropout; all of them unless training."""
        if not (self.training and self.modality_dropout > 0):
            return present
        kept = present & (torch.rand(present.shape, device=present.device) >= self.modality_dropout)
        # Whoever lost all keeps one of his own, drawn evenly.
        draw = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
        spare = torch.zeros_like(present).scatter(1, draw.argmax(dim=1, keepdim=True), True)
        lost = ~kept.any(dim=1, keepdim=True)
        return torch.where(lost, spare & present, kept)
