"""What a network has learned, as plain arrays; no torch is needed to keep or to store them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")


class Weights(BaseEstimator):  # type: ignore[misc]
    """The parameters and buffers of a network.

    Attributes
    ----------
    arrays_ : dict of str to ndarray
        By their names in the network.
    """

    def of(self, network: nn.Module) -> Self:
        """Take the weights of a network."""
        state = network.state_dict()
        self.arrays_: dict[str, npt.NDArray[Any]] = {
            name: np.array(tensor.detach().cpu().numpy()) for name, tensor in state.items()
        }
        return self

    def put(self, network: Network) -> Network:
        """Put the weights into a network of the same form, and return it ready to predict."""
        import torch

        network.load_state_dict({name: torch.tensor(a) for name, a in self.arrays_.items()})
        network.eval()
        return network

    @property
    def size(self) -> int:
        """Number of learned numbers."""
        return int(sum(array.size for array in self.arrays_.values()))
