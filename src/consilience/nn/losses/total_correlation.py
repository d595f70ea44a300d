"""How far latent dimensions are from being independent of each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def total_correlation(latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(q(z) || prod_k q(z_k)) of the aggregate posterior, estimated on a batch.

    With draws z_i of the batch's n posteriors q(z | x_j), all weighted alike::

        1 / n  sum_i [ log 1/n sum_j q(z_i | x_j) - sum_k log 1/n sum_j q(z_ik | x_j) ]

    The paper's weights are 1 / (n N), N being the size of the training set: a constant
    more, without a gradient. Without it independent dimensions make about 0.

    Parameters
    ----------
    latent, mean, log_variance : Tensor of shape (n_patients, n_dimensions)
        One draw of each patient's posterior, and the Gaussian posteriors.

    References
    ----------
    Chen RTQ et al. Isolating sources of disentanglement in variational autoencoders.
    NeurIPS 2018, equations 2 and S3 (minibatch-weighted sampling).
    """
    away = latent[:, None, :] - mean[None, :, :]
    constant = math.log(2 * math.pi)
    density = -0.5 * (constant + log_variance + away.square() * torch.exp(-log_variance))
    n = math.log(len(latent))
    joint = torch.logsumexp(density.sum(dim=2), dim=1) - n
    alone = (torch.logsumexp(density, dim=1) - n).sum(dim=1)
    return (joint - alone).mean()
