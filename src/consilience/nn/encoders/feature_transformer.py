"""Tables by tokens: a vector a feature, or a group of features, and attention between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from consilience.errors import InputError
from consilience.nn.batch import Part
from consilience.nn.encoders.encoder import Encoder, EncoderSettings
from consilience.nn.encoders.ranges import LAYERS, SHARE, SIZE, Range
from consilience.nn.levels import LEVELS, levels_of
from consilience.nn.sources import TableSource
from consilience.nn.transformer import Transformer


class FeatureTokens(EncoderSettings):
    """A token a feature of a table, without attention between them.

    Parameters
    ----------
    tokens : int
        Most tokens: a table with more features has this many groups of features that
        follow each other by name (numbers first, then categories), each a token.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "tokens": SIZE,
    }

    def __init__(self, tokens: int = 16) -> None:
        self.tokens = tokens

    def build(self, source: TableSource, width: int) -> Encoder:
        return Tokeniser(source, width, self.tokens)


class FeatureTransformer(EncoderSettings):
    """The FT-Transformer: a token a feature, attention between them, a token that reads all.

    Parameters
    ----------
    tokens : int
        Most tokens; see `FeatureTokens`.
    depth : int
        Blocks of attention.
    heads : int
        Of the attention; the width must be a multiple.
    dropout : float

    References
    ----------
    Gorishniy Y et al. Revisiting deep learning models for tabular data. NeurIPS 2021.
    """

    ranges: ClassVar[Mapping[str, Range]] = {
        "tokens": SIZE,
        "depth": LAYERS,
        "heads": LAYERS,
        "dropout": SHARE,
    }

    def __init__(
        self, tokens: int = 16, depth: int = 2, heads: int = 4, dropout: float = 0.2
    ) -> None:
        self.tokens = tokens
        self.depth = depth
        self.heads = heads
        self.dropout = dropout

    def build(self, source: TableSource, width: int) -> Encoder:
        if width % self.heads:
            raise InputError(
                f"FeatureTransformer: the width is {width}, which {self.heads} heads cannot share "
                "equally; make it a multiple."
            )
        return Contextual(Tokeniser(source, width, self.tokens), self)


class Tokeniser(Encoder):
    """The network of `FeatureTokens`.

    With the features j of a token that the patient has, g features in all::

        token = bias + (sum_numbers x_j w_j + sum_categories e_j[level] + gap * v) / sqrt(g)

    where gap is the share of the g that he lacks. A token of which he has no feature is
    not there.
    """

    slots: Tensor
    counts: Tensor
    places: Tensor
    offsets: Tensor

    def __init__(self, source: TableSource, width: int, tokens: int) -> None:
        super().__init__()
        n_numbers, levels = len(source.numbers_), [len(own) for own in source.levels_.values()]
        groups = np.array_split(np.arange(n_numbers + len(levels)), tokens)
        groups = [group for group in groups if len(group)]
        self.width, self.n_tokens, self.sizes = width, len(groups), levels
        owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        numbers = [group[group < n_numbers] for group in groups]
        longest = max(len(own) for own in numbers)
        slots = np.full((len(groups), longest), n_numbers)  # one past the last: nothing
        for row, own in zip(slots, numbers, strict=True):
            row[: len(own)] = own
        self.register_buffer("slots", torch.as_tensor(slots))
        self.register_buffer("counts", torch.as_tensor(np.bincount(owner)).float())
        self.register_buffer("places", torch.as_tensor(owner[n_numbers:]))
        starts = np.concatenate([[0], np.cumsum(levels)[:-1]]) if levels else np.empty(0)
        self.register_buffer("offsets", torch.as_tensor(starts.astype(np.int64)))
        self.slopes = nn.Parameter(torch.randn(len(groups), longest, width))
        self.levels = nn.Parameter(torch.randn(sum(levels), width))
        self.gap = nn.Parameter(torch.zeros(len(groups), width))
        self.bias = nn.Parameter(torch.randn(len(groups), width))

    def forward(self, part: Part) -> Tensor:
        tokens, known = self.tokens(part), self.known(part)[:, :, None]
        return (tokens * known).sum(dim=1) / known.sum(dim=1).clamp(min=1)

    def tokens(self, part: Part) -> Tensor:
        grouped = self._grouped(part.arrays["numbers"]).transpose(0, 1)  # (n_tokens, m, longest)
        said = torch.bmm(grouped, self.slopes).transpose(0, 1)
        had = self._had(part)
        said = said + (1 - had / self.counts)[:, :, None] * self.gap
        if len(self.places):
            said = said.index_add(1, self.places, self._level_vectors(part))
        return said / self.counts.sqrt()[:, None] + self.bias

    def _level_vectors(self, part: Part) -> Tensor:
        """Return the vectors of the levels that patients have, (m, n_categories, width)."""
        if LEVELS in part.arrays:
            columns = levels_of(part, self.sizes)
            tables = torch.split(self.levels, self.sizes)
            return torch.stack([c @ own for c, own in zip(columns, tables, strict=True)], dim=1)
        codes = part.arrays["codes"]
        vectors = self.levels[(codes - 1).clamp(min=0) + self.offsets]
        return vectors * (codes > 0)[:, :, None]

    def known(self, part: Part) -> Tensor:
        """Return of which tokens a patient has any feature, (m, n_tokens) of bool."""
        return self._had(part) > 0

    def _had(self, part: Part) -> Tensor:
        """Return how many features of each token a patient has, (m, n_tokens)."""
        had = self._grouped(part.arrays["known"]).sum(dim=2)
        if len(self.places):
            had = had.index_add(1, self.places, (part.arrays["codes"] > 0).to(had.dtype))
        return had

    def _grouped(self, numbers: Tensor) -> Tensor:
        """Return the numbers of each token, (m, n_tokens, longest), zeros to fill up."""
        padded = torch.cat([numbers, numbers.new_zeros(len(numbers), 1)], dim=1)
        return padded[:, self.slots]


class Contextual(Encoder):
    """The network of `FeatureTransformer`."""

    def __init__(self, tokeniser: Tokeniser, settings: FeatureTransformer) -> None:
        super().__init__()
        self.tokeniser = tokeniser
        self.width, self.n_tokens = tokeniser.width, tokeniser.n_tokens
        self.transformer = Transformer(self.width, settings.heads, settings.depth, settings.dropout)

    def forward(self, part: Part) -> Tensor:
        return self._read(part)[:, 0]

    def tokens(self, part: Part) -> Tensor:
        return self._read(part)[:, 1:]

    def known(self, part: Part) -> Tensor:
        """Return of which tokens a patient has any feature, (m, n_tokens) of bool."""
        return self.tokeniser.known(part)

    def _read(self, part: Part) -> Tensor:
        read: Tensor = self.transformer(self.tokeniser.tokens(part), self.known(part))[0]
        return read
