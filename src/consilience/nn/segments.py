"""Sums, means, maxima and softmax over the instances of each patient, without padding.

``owner`` says which of ``n`` patients an instance belongs to (see `Part`). Memory and time
are linear in the number of instances, however they are shared out among the patients.
"""

from __future__ import annotations

import torch
from torch import Tensor


def segment_sum(values: Tensor, owner: Tensor, n: int) -> Tensor:
    """Return the sum over each patient's instances.

    Parameters
    ----------
    values : Tensor of shape (n_instances, ...)
    owner : Tensor of int64, (n_instances,)
    n : int
        Number of patients.

    Returns
    -------
    Tensor of shape (n, ...)
        Of single precision at least; 0 for a patient without instances.
    """
    values = _single(values)
    return values.new_zeros(n, *values.shape[1:]).index_add(0, owner, values)


def segment_mean(values: Tensor, owner: Tensor, n: int) -> Tensor:
    """Return the mean over each patient's instances (see `segment_sum`)."""
    counts = torch.bincount(owner, minlength=n).clamp(min=1)
    shape = (n, *[1] * (values.dim() - 1))
    return segment_sum(values, owner, n) / counts.reshape(shape)


def segment_max(values: Tensor, owner: Tensor, n: int) -> Tensor:
    """Return the maximum over each patient's instances; minus infinity where there are none."""
    values = _single(values)
    index = owner.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
    lowest = values.new_full((n, *values.shape[1:]), -torch.inf)
    return lowest.scatter_reduce(0, index, values, "amax")


def segment_softmax(scores: Tensor, owner: Tensor, n: int) -> Tensor:
    """Return the softmax over each patient's instances, column by column.

    The patient's maximum is taken off before the exponential, so that no score is too large.

    Parameters
    ----------
    scores : Tensor of shape (n_instances, ...)
    owner : Tensor of int64, (n_instances,)
    n : int

    Returns
    -------
    Tensor of shape (n_instances, ...)
        Adds up to 1 over each patient's instances.
    """
    scores = _single(scores)
    highest = segment_max(scores.detach(), owner, n)
    raised = torch.exp(scores - highest[owner])
    return raised / segment_sum(raised, owner, n)[owner]


def _single(values: Tensor) -> Tensor:
    """Return values in single precision if they have less: long sums need it."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
