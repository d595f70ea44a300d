"""Codes that do not tell which modality they come from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional


class _Reversal(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(values: Tensor, strength: float = 1.0) -> Tensor:
    """Return the values as they are; gradients that come back through them change sign.

    What follows is trained to make the loss small, what comes before to make it large:
    one optimiser serves both.

    Parameters
    ----------
    values : Tensor
    strength : float
        By which the gradient is multiplied, beside -1.

    References
    ----------
    Ganin Y, Lempitsky V. Unsupervised domain adaptation by backpropagation. ICML 2015,
    equations 8 to 11.
    """
    reversed_: Tensor = _Reversal.apply(values, strength)  # type: ignore[no-untyped-call]
    return reversed_


class ModalityDiscriminator(nn.Module):
    """Guesses a code's modality, while the encoders learn to keep it from guessing.

    The loss is the cross-entropy of the guess; behind it the gradient is reversed. At
    its saddle point codes of all modalities have one distribution, and the loss is the
    entropy of which modality a code is of.

    Parameters
    ----------
    width : int
        Of the codes.
    n_modalities : int
    strength : float
        Of the reversal.
    hidden : int
        Width of its one hidden layer.
    """

    def __init__(
        self, width: int, n_modalities: int, strength: float = 1.0, hidden: int = 32
    ) -> None:
        super().__init__()
        self.strength = strength
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, n_modalities)
        )

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """Return the mean cross-entropy over the codes that are there, a scalar.

        Parameters
        ----------
        vectors : Tensor of shape (n_patients, n_modalities, width)
        present : Tensor of bool, (n_patients, n_modalities)
        """
        modality = torch.arange(present.shape[1], device=present.device).expand_as(present)
        logits = self.layers(reverse_gradient(vectors[present], self.strength))
        return functional.cross_entropy(logits, modality[present])
