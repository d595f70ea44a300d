"""Counts that spread more than their mean."""

from __future__ import annotations

import torch
from torch import Tensor


def negative_binomial_loss(counts: Tensor, log_mean: Tensor, log_size: Tensor) -> Tensor:
    """Return the negative log-likelihood of counts, entry by entry.

    With the mean m and the size r the variance is ``m + m^2 / r``, and::

        log p(x) = log G(x + r) - log G(r) - log G(x + 1)
                   + r log(r / (r + m)) + x log(m / (r + m))

    Parameters
    ----------
    counts, log_mean, log_size : Tensor
        Of shapes that broadcast.

    References
    ----------
    Lopez R et al. Deep generative modeling for single-cell transcriptomics. Nature
    Methods 2018.
    """
    size = log_size.exp()
    both = torch.logaddexp(log_size, log_mean)
    choices = torch.lgamma(counts + size) - torch.lgamma(size) - torch.lgamma(counts + 1)
    return -(choices + size * (log_size - both) + counts * (log_mean - both))
