"""The layers of a transformer, over tokens of which some are not there."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

WIDENING = 2  # of the layer between the two of a block's perceptron


class Block(nn.Module):
    """Self-attention and a perceptron, each after normalisation and with a way around it.

    Parameters
    ----------
    width : int
        Of the tokens.
    heads : int
        Of the attention; they share the width, which must be a multiple.
    dropout : float
        Share of what each of the two adds that is set to 0 in training.

    References
    ----------
    Vaswani A et al. Attention is all you need. NeurIPS 2017. Normalisation comes first, as
    in Xiong R et al. On layer normalization in the transformer architecture. ICML 2020.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.answer = nn.Linear(width, width)
        self.before_perceptron = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, WIDENING * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(WIDENING * width, width),
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens after the block, and how much each attended to each.

        Parameters
        ----------
        tokens : Tensor of shape (n, n_tokens, width)
        shown : Tensor of bool, (n, n_tokens)
            Which tokens are there: the others are attended to by none. At least one each.

        Returns
        -------
        tokens : Tensor of shape (n, n_tokens, width)
        attention : Tensor of shape (n, n_tokens, n_tokens)
            Averaged over heads; rows sum to 1, and columns of tokens not there are 0.
        """
        n, length, width = tokens.shape
        asked = self.ask(self.before_attention(tokens))
        # (n, length, 3, heads, width of a head) -> three of (n, heads, length, width of a head)
        query, key, value = asked.view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)
        scores = scores.masked_fill(~shown[:, None, None, :], -torch.inf)
        attention = torch.softmax(scores, dim=3)
        heard = (attention @ value).transpose(1, 2).reshape(n, length, width)
        tokens = tokens + self.drop(self.answer(heard))
        tokens = tokens + self.drop(self.perceptron(self.before_perceptron(tokens)))
        return tokens, attention.mean(dim=1)


class Transformer(nn.Module):
    """Blocks over tokens, with a first token that reads all the others.

    Parameters
    ----------
    width, heads, dropout
        See `Block`.
    depth : int
        Number of blocks.
    """

    def __init__(self, width: int, heads: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.reader = nn.Parameter(torch.randn(width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.normalise = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, shown: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return all tokens after the blocks, the reader first, and the attention in each block.

        Parameters
        ----------
        tokens : Tensor of shape (n, n_tokens, width)
        shown : Tensor of bool, (n, n_tokens)
            Which are there; there may be none.

        Returns
        -------
        tokens : Tensor of shape (n, 1 + n_tokens, width)
        attention : list of Tensor, (n, 1 + n_tokens, 1 + n_tokens)
        """
        n = len(tokens)
        tokens = torch.cat([self.reader.expand(n, 1, -1), tokens], dim=1)
        shown = torch.cat([shown.new_ones(n, 1), shown], dim=1)
        maps = []
        for block in self.blocks:
            tokens, attention = block(tokens, shown)
            maps.append(attention)
        return cast(Tensor, self.normalise(tokens)), maps


def rollout(maps: list[Tensor]) -> Tensor:
    """Return how much each token's last state rests on each token's first, (n, t, t).

    Half of a block's output is taken to come from the attention and half around it::

        (I + A_L) / 2 ... (I + A_1) / 2

    Rows sum to 1.

    References
    ----------
    Abnar S, Zuidema W. Quantifying attention flow in transformers. ACL 2020.
    """
    way = torch.eye(maps[0].shape[1], device=maps[0].device)
    whole = way.expand_as(maps[0])
    for attention in maps:
        whole = 0.5 * (attention + way) @ whole
    return whole
