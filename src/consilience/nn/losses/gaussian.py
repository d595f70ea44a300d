"""Gaussian posteriors: their distance from the prior, and their product."""

from __future__ import annotations

import torch
from torch import Tensor


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, 1)), summed over the last dimension.

    References
    ----------
    Kingma DP, Welling M. Auto-encoding variational Bayes. ICLR 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1)


def product_of_experts(
    mean: Tensor, log_variance: Tensor, kept: Tensor, prior: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return mean and log variance of the product of some Gaussian experts, normalised.

    With T_m = 1 / variance_m the product has the precision ``prior + sum T_m`` and the mean
    ``sum T_m mean_m / precision``.

    Parameters
    ----------
    mean, log_variance : Tensor of shape (..., n_experts, width)
    kept : Tensor of bool, (..., n_experts)
        Which experts take part. Where none does the product is N(0, 1).
    prior : float
        Precision of one expert more, with mean 0: the prior N(0, 1), or 0 for none.

    References
    ----------
    Wu M, Goodman N. Multimodal generative models for scalable weakly-supervised learning.
    NeurIPS 2018, section 2.2.
    """
    precision = torch.exp(-log_variance) * kept[..., None]
    alone = ~kept.any(dim=-1, keepdim=True)
    total = precision.sum(dim=-2) + prior
    total = torch.where(alone, torch.ones_like(total), total)
    return (precision * mean).sum(dim=-2) / total, -torch.log(total)
