"""What a network has learned, as plain arrays; no torch is needed to keep or to store them.

Saved by itself, a `Weights` holds its arrays. Saved inside `set_apart`, it holds a number in
their place, and the arrays are handed over to be stored in a file of their own; loaded inside
`brought_back`, it has them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.errors import InputError

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
Arrays = dict[str, npt.NDArray[Any]]
KEY = "apart_"


class Apart:
    """Arrays of several `Weights`, by ``NUMBER/NAME``.

    Attributes
    ----------
    arrays : dict of str to ndarray
    taken : set of str
        Those that were asked for.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]] | None = None) -> None:
        self.arrays: Arrays = dict(arrays or {})
        self.taken: set[str] = set()
        self._seen: list[Weights] = []  # kept alive, so that no two have one identity

    def put(self, weights: Weights) -> int:
        """Take arrays over and return their number; the same weights have the same one."""
        for number, known in enumerate(self._seen):
            if known is weights:
                return number
        self._seen.append(weights)
        number = len(self._seen) - 1
        self.arrays.update({f"{number}/{key}": a for key, a in weights.arrays_.items()})
        return number

    def get(self, number: int) -> Arrays:
        """Return the arrays of a number."""
        start = f"{int(number)}/"
        found = {name: a for name, a in self.arrays.items() if name.startswith(start)}
        if not found:
            raise InputError("the weights of a network are not where the model says they are.")
        self.taken |= set(found)
        return {name.removeprefix(start): array for name, array in found.items()}


_SAVING: ContextVar[Apart | None] = ContextVar("saving", default=None)
_LOADING: ContextVar[Apart | None] = ContextVar("loading", default=None)


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
        self.arrays_: Arrays = {
            name: np.array(tensor.detach().cpu().numpy()) for name, tensor in state.items()
        }
        return self

    def put(self, network: Network) -> Network:
        """Put the weights into a network of the same form, and return it ready to predict.

        Raises
        ------
        InputError
            If they are of a network of another form.
        """
        import torch

        state = {name: torch.tensor(array) for name, array in self.arrays_.items()}
        for name, own in network.state_dict().items():
            if name in state and state[name].dtype != own.dtype:
                kinds = [
                    str(kind).removeprefix("torch.") for kind in (state[name].dtype, own.dtype)
                ]
                raise InputError(
                    f"the weights are not those of this network: {name} holds {kinds[0]} "
                    f"numbers where it has {kinds[1]}."
                )
        try:
            network.load_state_dict(state)
        except RuntimeError as reason:
            raise InputError(
                f"the weights are not those of this network: {' '.join(str(reason).split())[:300]}"
            ) from reason
        network.eval()
        return network

    @property
    def size(self) -> int:
        """Number of learned numbers."""
        return int(sum(array.size for array in self.arrays_.values()))

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        saving = _SAVING.get()
        if saving is None or "arrays_" not in state:
            return state
        others = {name: value for name, value in state.items() if name != "arrays_"}
        return {**others, KEY: saving.put(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = dict(state)
        if KEY in own:
            loading = _LOADING.get()
            if loading is None:
                raise InputError("the weights of a network are in a file that was not read.")
            own["arrays_"] = loading.get(own.pop(KEY))
        super().__setstate__(own)


@contextmanager
def set_apart() -> Iterator[Apart]:
    """Have all `Weights` that are saved inside hand over their arrays."""
    apart = Apart()
    token = _SAVING.set(apart)
    try:
        yield apart
    finally:
        _SAVING.reset(token)


@contextmanager
def brought_back(arrays: Mapping[str, npt.NDArray[Any]]) -> Iterator[Apart]:
    """Have all `Weights` that are loaded inside take their arrays from these."""
    apart = Apart(arrays)
    token = _LOADING.set(apart)
    try:
        yield apart
    finally:
        _LOADING.reset(token)
