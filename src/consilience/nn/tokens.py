"""The tokens of all modalities of a batch, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from functools import singledispatch
from typing import NamedTuple, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from consilience.nn.batch import Batch, Part
from consilience.nn.encoders import Encoder, EncoderSettings, default_encoder
from consilience.nn.encoders.feature_transformer import FeatureTokens
from consilience.nn.sources import Source, TableSource


class Tokens(NamedTuple):
    """Patients as tokens.

    Attributes
    ----------
    vectors : Tensor of shape (n, n_tokens, width)
        Zeros where a patient lacks the modality.
    shown : Tensor of bool, (n, n_tokens)
        Whether the patient has what the token is made from.
    modality : Tensor of int64, (n_tokens,)
        Number of the modality each token belongs to, rising. Modalities that nobody in
        the batch has give none.
    """

    vectors: Tensor
    shown: Tensor
    modality: Tensor


@runtime_checkable
class Partial(Protocol):
    """An encoder whose tokens need not all be there."""

    def known(self, part: Part) -> Tensor:
        """Return which are there, (m, n_tokens) of bool."""


def tokens_of(encoders: Iterable[object], batch: Batch, width: int) -> Tokens:
    """Return the tokens of a batch.

    Parameters
    ----------
    encoders : iterable of Encoder
        One a modality, in the batch's order.
    batch : Batch
    width : int
        Of the encoders.
    """
    vectors = [torch.zeros(batch.size, 0, width, device=batch.device)]
    shown = [torch.zeros(batch.size, 0, dtype=torch.bool, device=batch.device)]
    lengths = []
    for each, part in zip(encoders, batch.parts.values(), strict=True):
        encoder = cast(Encoder, each)
        lengths.append(encoder.n_tokens if len(part) else 0)
        if len(part):
            own, known = encoder.tokens(part), _known(encoder, part)
            empty = own.new_zeros(batch.size, *own.shape[1:])
            vectors.append(empty.index_put((part.rows,), own))
            shown.append(known.new_zeros(batch.size, known.shape[1]))
            shown[-1][part.rows] = known
    numbers = torch.arange(len(lengths), device=batch.device)
    modality = numbers.repeat_interleave(torch.tensor(lengths, device=batch.device))
    return Tokens(torch.cat(vectors, dim=1), torch.cat(shown, dim=1), modality)


def _known(encoder: Encoder, part: Part) -> Tensor:
    if isinstance(encoder, Partial):
        return encoder.known(part)
    return torch.ones(len(part), encoder.n_tokens, dtype=torch.bool, device=part.rows.device)


@singledispatch
def token_encoder(source: Source, tokens: int) -> EncoderSettings:
    """Return the encoder that gives a kind of source's tokens; register one to add a kind.

    Where none is registered it is the kind's own encoder, with the tokens it has.
    """
    return default_encoder(source)


@token_encoder.register
def _(source: TableSource, tokens: int) -> EncoderSettings:
    return FeatureTokens(tokens)
