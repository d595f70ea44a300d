"""From an embedding to what is predicted, and how wrong it is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from consilience.nn.losses import cox_loss, discrete_time_loss


class Head(nn.Module):
    """A linear layer on an embedding, and a loss.

    Parameters
    ----------
    width : int
        Of the embedding.
    n_outputs : int
    """

    def __init__(self, width: int, n_outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, n_outputs)

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the outputs, (n, n_outputs)."""
        outputs: Tensor = self.layer(embedding)
        return outputs.float()  # losses are sums of many: never in half precision

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        """Return the mean loss of a batch, a scalar."""


class ClassesHead(Head):
    """Logits of classes; cross-entropy. Target: ``label`` (n,) of int64."""

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        return functional.cross_entropy(outputs, targets["label"])


class NumberHead(Head):
    """A number; mean squared error. Target: ``number`` (n,), standardised."""

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        return functional.mse_loss(outputs[:, 0], targets["number"])


class CoxHead(Head):
    """A log hazard ratio; Cox's partial likelihood. Targets: ``time`` and ``event`` (n,)."""

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        return cox_loss(outputs[:, 0], targets["time"], targets["event"])


class DiscreteTimeHead(Head):
    """Logits of the hazard in each interval. Targets: ``survived`` and ``event`` (n,)."""

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        return discrete_time_loss(outputs, targets["survived"], targets["event"])
