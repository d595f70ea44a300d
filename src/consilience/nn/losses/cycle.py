"""There and back: what a modality is rebuilt as must lead to the same code."""

from __future__ import annotations

from torch import Tensor


def cycle_loss(left: Tensor, returned: Tensor, counted: Tensor) -> Tensor:
    """Return the mean squared distance of codes from what they come back as.

    A code is decoded into a modality, and the reconstruction encoded again: `returned`.
    Where the modality was not measured nothing else ties its encoder to its decoder. The
    code that was left from is held fast: else the term would be smallest where all
    codes are alike.

    Parameters
    ----------
    left, returned : Tensor of shape (n_patients, n_modalities, width)
    counted : Tensor of bool, (n_patients, n_modalities)
        Which of them count; 0 if none.

    References
    ----------
    Zhu J-Y et al. Unpaired image-to-image translation using cycle-consistent adversarial
    networks. ICCV 2017, equation 2, here on codes.
    """
    if not counted.any():
        return returned.sum() * 0.0
    return (returned - left.detach())[counted].square().mean()
