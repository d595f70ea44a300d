"""The state of an unfinished training on the disk: whole after every epoch, or as it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.nn.loop import Work

FORMAT = 1
FILE = "state.ckpt"
OF_NO_ACCOUNT = ("checkpoints", "progress", "workers")  # settings that change no number
DATA_AT_ONCE = 32  # patients read at a time for the fingerprint


class Checkpoint:
    """One training's state in a folder.

    Parameters
    ----------
    folder : path
        All trainings' folder; each has one of its own in it, named by its fingerprint, so
        that other data, settings or another seed never go on from here.
    fingerprint : str
    """

    def __init__(self, folder: str | Path, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.path = Path(folder) / fingerprint[:16] / FILE

    def write(self, state: Mapping[str, Any]) -> None:
        """Put the state in the place of the last; killed at any moment, one of them is there.

        Raises
        ------
        InputError
            If it cannot be written there.
        """
        fresh = self.path.with_name(f"{FILE}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                torch.save({"format": FORMAT, "fingerprint": self.fingerprint, **state}, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as reason:
            raise InputError(
                f"{self.path}: the state of the training cannot be written there "
                f"({reason.strerror}); choose another folder as checkpoints."
            ) from reason

    def read(self) -> dict[str, Any] | None:
        """Return the last state, None if there is none; tensors and numbers only, no pickle.

        Raises
        ------
        InputError
            If the file is damaged or no state of this training.
        """
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, UnpicklingError, EOFError, OSError, ValueError) as reason:
            raise InputError(
                f"{self.path}: it is damaged or no checkpoint of ours; delete it to train anew."
            ) from reason
        known = isinstance(state, dict) and state.get("format") == FORMAT
        if not (known and state.get("fingerprint") == self.fingerprint):
            raise InputError(f"{self.path}: it is of another training; delete it to train anew.")
        return dict(state)


def fingerprint(work: Work) -> str:
    """Return a SHA-256 over all that makes the result of a training.

    The patients' data and targets as the network reads them, who is held back, the untrained
    network, the settings, the seed, and the version of PyTorch.
    """
    total = hashlib.sha256(b"consilience training 1")
    settings = {
        name: value
        for name, value in sorted(work.settings.get_params(deep=False).items())
        if name not in OF_NO_ACCOUNT
    }
    said = (torch.__version__, settings, work.seed, work.identity)
    total.update(repr(said).encode())
    _add_network(total, work.network)
    _add_data(total, work)
    return total.hexdigest()


def _add_network(total: Any, network: nn.Module) -> None:
    """Add the first weights, and what the modules are told beside them."""
    for name, module in network.named_modules():
        plain = {
            key: value
            for key, value in sorted(vars(module).items())
            if isinstance(value, bool | int | float | str | tuple) and key != "training"
        }
        total.update(repr((name, type(module).__qualname__, plain)).encode())
    _add_tensors(total, network.state_dict())


def _add_data(total: Any, work: Work) -> None:
    total.update(work.train.tobytes() + b"|" + work.validation.tobytes())
    everyone = torch.arange(len(work.reader)).numpy()
    for rows in work.reader.portions(everyone, DATA_AT_ONCE):
        batch = work.reader.batch(rows)
        _add_tensors(total, batch.targets)
        for name, part in batch.parts.items():
            total.update(name.encode())
            _add_tensors(total, {"rows": part.rows, **part.arrays})
            if part.owner is not None:
                _add_tensors(total, {"owner": part.owner})


def _add_tensors(total: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in sorted(tensors.items()):
        total.update(repr((name, tensor.dtype, tuple(tensor.shape))).encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
