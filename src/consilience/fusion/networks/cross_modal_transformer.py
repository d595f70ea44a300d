"""The network of `CrossModalTransformer`: tokens of all modalities, attention between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from consilience.nn.batch import Batch
from consilience.nn.network import FusionNetwork
from consilience.nn.sources import Sources
from consilience.nn.tokens import Tokens, token_encoder, tokens_of
from consilience.nn.transformer import Transformer, rollout

SPREAD = 0.5  # of the labels' entries before training; those of a token are about 1


class CrossModalNetwork(FusionNetwork):
    """Tokens, each with the label of its modality; a transformer; its reader's last state.

    Parameters
    ----------
    sources : Sources
    width : int
    heads, depth : int
        Of the transformer.
    tokens : int
        Most tokens of a table.
    dropout : float
        In the transformer.
    encoders : mapping of str to EncoderSettings, optional
        Those not given are the kinds' token encoders.
    **options
        Of `FusionNetwork`.
    """

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        heads: int,
        depth: int,
        tokens: int,
        dropout: float,
        encoders: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        own = {name: token_encoder(source, tokens) for name, source in sources.fitted_.items()}
        super().__init__(sources, width, encoders={**own, **(encoders or {})}, **options)
        self.labels = nn.ParameterList(SPREAD * torch.randn(width) for _ in self.names)
        self.transformer = Transformer(width, heads, depth, dropout)

    def embed(self, batch: Batch) -> Tensor:
        return self.read(self.labelled(batch), self.kept(batch.present()))

    def labelled(self, batch: Batch) -> Tokens:
        """Return the tokens of a batch, each with its modality's label added."""
        tokens = tokens_of(self.encoders, batch, self.width)
        labels = torch.stack(list(self.labels))[tokens.modality]
        return tokens._replace(vectors=tokens.vectors + labels)

    def read(self, tokens: Tokens, present: Tensor) -> Tensor:
        """Return what the reader makes of the tokens of the modalities present, (n, width).

        Parameters
        ----------
        tokens : Tokens
        present : Tensor of bool, (n, n_modalities)
        """
        states, _ = self.transformer(tokens.vectors, tokens.shown & present[:, tokens.modality])
        first: Tensor = states[:, 0]
        return first

    def attention(self, batch: Batch, layer: int | None = None) -> Attention:
        """Return how much is read of each modality, by the reader and by each modality.

        Parameters
        ----------
        batch : Batch
        layer : int, optional
            Which block's attention, from 0; all of them together, by rollout, if not given.
        """
        tokens = self.labelled(batch)
        _, maps = self.transformer(tokens.vectors, tokens.shown)
        whole = rollout(maps) if layer is None else maps[layer]
        return between(whole, tokens, len(self.names))


class Attention(NamedTuple):
    """Attention between modalities.

    Attributes
    ----------
    maps : Tensor of shape (n, 1 + n_modalities, n_modalities)
        First the reader, then the modalities; rows sum to 1. Rows of a modality that a
        patient lacks are 0, and so are its columns.
    present : Tensor of bool, (n, n_modalities)
        Which modalities a patient has a token of.
    """

    maps: Tensor
    present: Tensor


def between(attention: Tensor, tokens: Tokens, n_modalities: int) -> Attention:
    """Return attention between modalities of that between tokens.

    A modality's row is the mean over its tokens that are there; a column the sum over the
    modality's tokens. What goes to the reader itself is left out, and rows are scaled
    to sum to 1 again.

    Parameters
    ----------
    attention : Tensor of shape (n, 1 + n_tokens, 1 + n_tokens)
        Columns of tokens that are not there are 0.
    tokens : Tokens
    n_modalities : int
    """
    n = len(attention)
    # (n, n_tokens, n_modalities): 1 where a token that is there belongs to the modality.
    belongs = nn.functional.one_hot(tokens.modality, n_modalities).to(attention.dtype)
    belongs = belongs * tokens.shown[:, :, None]
    reader = torch.zeros(n, 1, 1 + n_modalities, device=attention.device)
    reader[:, :, 0] = 1
    rows = torch.cat([reader, nn.functional.pad(belongs, (1, 0))], dim=1)
    share = rows / rows.sum(dim=1, keepdim=True).clamp(min=1)
    maps = share.transpose(1, 2) @ attention[:, :, 1:] @ belongs
    maps = maps / maps.sum(dim=2, keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    return Attention(maps, belongs.any(dim=1))
