"""Long arrays a piece at a time, so that what lies between input and output stays small."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK = 4096  # rows


def by_chunks(function: Callable[..., Tensor], *rows: Tensor, size: int = CHUNK) -> Tensor:
    """Return a function of each row, computed and differentiated some rows at a time.

    Only the outputs are kept; what lies between is computed once more for the gradient
    (checkpointing, Chen et al., 2016, arXiv:1604.06174), with the same dropout.

    Parameters
    ----------
    function : callable
        From arrays of k rows to one of k rows, each row by itself.
    *rows : Tensor of shape (n, ...)
        What it is given.
    size : int
        Rows at a time.

    Returns
    -------
    Tensor of shape (n, ...)
    """
    if len(rows[0]) <= size:
        return function(*rows)
    pieces = zip(*(torch.split(each, size) for each in rows), strict=True)
    return torch.cat([recomputed(function, *piece) for piece in pieces])


def recomputed(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return a function's value; what lies between is computed again for the gradient."""
    if not torch.is_grad_enabled():
        return function(*inputs)
    value: Tensor = checkpoint(function, *inputs, use_reentrant=False)
    return value
