"""The modalities of one patient agree with each other more than with other patients'."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from consilience.errors import InputError


def contrastive_loss(vectors: Tensor, present: Tensor, temperature: float = 0.2) -> Tensor:
    """Return InfoNCE between all pairs of modalities, both ways, over the patients who have both.

    For modalities a and b and the n patients with both, with s the cosine of two codes::

        -1 / n  sum_i  log( exp(s(a_i, b_i) / t) / sum_j exp(s(a_i, b_j) / t) )

    averaged with the same from b to a, and over pairs of modalities by their patients.
    Codes that say nothing of the patient make log n. A pair with fewer than two patients
    has nobody to be told from, and does not count; without any pair the loss is 0.

    Parameters
    ----------
    vectors : Tensor of shape (n_patients, n_modalities, width)
        Codes; of no account where a modality is absent.
    present : Tensor of bool, (n_patients, n_modalities)
    temperature : float
        Above 0; the lower, the more the nearest wrong patients count.

    Raises
    ------
    InputError
        If the temperature is not above 0.

    References
    ----------
    van den Oord A, Li Y, Vinyals O. Representation learning with contrastive predictive
    coding. 2018, equation 4; symmetric as in Radford A et al. (CLIP), 2021.
    """
    if not temperature > 0:
        raise InputError(f"temperature must be above 0, not {temperature!r}.")
    first, second = torch.triu_indices(
        present.shape[1], present.shape[1], offset=1, device=vectors.device
    )
    both = (present[:, first] & present[:, second]).T  # (n_pairs, n)
    counted = both & (both.sum(dim=1, keepdim=True) > 1)
    if not counted.any():
        return vectors.sum() * 0.0
    unit = functional.normalize(vectors, dim=2)
    likeness = torch.einsum("ipw,jpw->pij", unit[:, first], unit[:, second]) / temperature
    # Finite, so that a pair with nobody has no NaN in its gradient.
    floor = -1.0 / math.sqrt(torch.finfo(likeness.dtype).tiny)
    masked = likeness.masked_fill(~(both[:, :, None] & both[:, None, :]), floor)
    hit = torch.diagonal(masked, dim1=1, dim2=2)
    there = torch.logsumexp(masked, dim=2) - hit
    back = torch.logsumexp(masked, dim=1) - hit
    return 0.5 * (there + back)[counted].mean()
