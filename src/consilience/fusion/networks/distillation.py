"""Heads that learn from a teacher beside the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from consilience.nn.heads import Head

Lesson = Callable[[Tensor, Tensor], Tensor]


class TaughtHead(Head):
    """A head whose loss is in part the distance to what a teacher says.

    Parameters
    ----------
    head : Head
        Of the outcome; its layer is used.
    lesson : callable
        From outputs (n, n_outputs) and the teacher's (n, n_columns) to a scalar.
    weight : float
        Of the lesson, 0 to 1; the outcome's loss has the rest.
    """

    def __init__(self, head: Head, lesson: Lesson, weight: float) -> None:
        super().__init__(head.layer.in_features, head.layer.out_features)
        self.layer = head.layer
        self.own_loss, self.lesson, self.weight = head.loss, lesson, weight

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        taught = self.lesson(outputs, targets["taught"])
        return (1 - self.weight) * self.own_loss(outputs, targets) + self.weight * taught


def classes_lesson(outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy to softened probabilities, times the temperature squared.

    Hinton, Vinyals, Dean (2015), section 2: both sides are softened, and the square keeps
    the gradient's size.

    Parameters
    ----------
    outputs : Tensor of shape (n, n_classes)
        Logits.
    taught : Tensor of shape (n, n_classes)
        The teacher's probabilities.
    temperature : float
    """
    soft = torch.softmax(taught.clamp(min=1e-6).log() / temperature, dim=1)
    told = functional.log_softmax(outputs / temperature, dim=1)
    return -(soft * told).sum(dim=1).mean() * temperature**2


def number_lesson(outputs: Tensor, taught: Tensor) -> Tensor:
    """Return the mean squared distance of standardised numbers."""
    return functional.mse_loss(outputs[:, 0], taught[:, 0])


def risk_lesson(outputs: Tensor, taught: Tensor) -> Tensor:
    """Return the mean squared distance of log hazard ratios, each about its batch's mean.

    A constant in a log hazard ratio says nothing.
    """
    own, theirs = outputs[:, 0], taught[:, 0]
    return functional.mse_loss(own - own.mean(), theirs - theirs.mean())


def hazards_lesson(outputs: Tensor, taught: Tensor) -> Tensor:
    """Return the negative log-likelihood of hazards that the teacher's curves expect.

    Parameters
    ----------
    outputs : Tensor of shape (n, n_intervals)
        Logits of the hazards.
    taught : Tensor of shape (n, n_intervals)
        The teacher's survival at the ends of the intervals.
    """
    before = functional.pad(taught, (1, 0), value=1.0)[:, :-1]
    dies = (before - taught).clamp(min=0)
    log_h, log_free = functional.logsigmoid(outputs), functional.logsigmoid(-outputs)
    return -(dies * log_h + taught * log_free).sum(dim=1).mean()
