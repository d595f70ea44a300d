"""How networks are trained: the settings of the one training loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.errors import InputError, suggestion
from consilience.extras import require

if TYPE_CHECKING:
    import torch

    from consilience.nn.network import FusionNetwork
    from consilience.nn.reading import Reader

Precision = Literal["32", "16-mixed", "bf16-mixed"]
ACCELERATORS = ("auto", "cpu", "cuda", "mps")


class History(BaseEstimator):  # type: ignore[misc]
    """The learning curves of one training.

    Attributes
    ----------
    training_, validation_ : ndarray of shape (n_epochs,)
        Mean loss by epoch; `validation_` is empty where no patient was held back.
    best_epoch_ : int
        The epoch, from 0, whose weights were kept.
    """

    def of(self, training: list[float], validation: list[float], best: int) -> Self:
        """Keep curves."""
        self.training_ = np.array(training)
        self.validation_ = np.array(validation)
        self.best_epoch_ = best
        return self


class Training(BaseEstimator):  # type: ignore[misc]
    """Settings of the training loop (AdamW, early stopping on patients held back).

    Parameters
    ----------
    max_epochs : int
        Most passes over the training patients.
    patience : int
        Epochs without a lower validation loss after which training stops.
    validation : float
        Share of the training patients held back to tell when to stop. Where too few are
        left to tell, none is held back and all epochs are run.
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
        Patients a step, over all devices together.
    gradient_clip : float
        Largest norm of a gradient; ``inf`` for no limit.
    precision : {"32", "16-mixed", "bf16-mixed"}
        Of the arithmetic; "16-mixed" needs a GPU.
    accelerator : {"auto", "cpu", "cuda", "mps"}
        "auto" takes an NVIDIA GPU where there is one, else the processor.
    devices : int
        How many of them; each takes its share of every batch.
    checkpoints : str, optional
        A folder in which the state is kept after every epoch, so that a training that was
        interrupted goes on where it was, with the same result.
    progress : bool
        Whether to show progress, on standard error.
    workers : int
        Threads that read modalities from the disk ahead of the network, at most one fewer
        than there are cores to use; 0 reads between the steps.
    """

    def __init__(
        self,
        max_epochs: int = 200,
        patience: int = 20,
        *,
        validation: float = 0.2,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        batch_size: int = 64,
        gradient_clip: float = 1.0,
        precision: Precision = "32",
        accelerator: str = "auto",
        devices: int = 1,
        checkpoints: str | None = None,
        progress: bool = False,
        workers: int = 0,
    ) -> None:
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation = validation
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.gradient_clip = gradient_clip
        self.precision = precision
        self.accelerator = accelerator
        self.devices = devices
        self.checkpoints = checkpoints
        self.progress = progress
        self.workers = workers

    def check(self) -> None:
        """Refuse settings with which nothing can be trained.

        Raises
        ------
        InputError
            Naming the setting, what it may be, and what it is.
        """
        for name, (holds, words) in _ALLOWED.items():
            value = getattr(self, name)
            if not holds(value):
                raise InputError(f"training: {name} must be {words}, not {_short(value)}.")
        _check_word("accelerator", self.accelerator, ACCELERATORS)
        _check_word("precision", self.precision, get_args(Precision))
        if self.precision == "16-mixed" and self.accelerator in ("cpu", "mps"):
            raise InputError(
                "training: precision '16-mixed' needs accelerator 'cuda'; "
                "choose 'bf16-mixed' or '32'."
            )
        if self.devices > self.batch_size:
            raise InputError(
                f"training: batch_size must be at least devices, {self.devices}, for each device "
                f"takes a share of every batch; it is {self.batch_size}."
            )
        _check_folder(self.checkpoints)

    def device(self) -> torch.device:
        """Return the device that predicts: what `accelerator` names, if this machine has it."""
        need_torch()
        import torch

        has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        wanted = "cuda" if self.accelerator == "auto" else self.accelerator
        return torch.device(wanted if has.get(wanted, False) else "cpu")

    def run(
        self,
        network: FusionNetwork,
        reader: Reader,
        train: npt.NDArray[np.intp],
        validation: npt.NDArray[np.intp],
        seed: int,
        label: str = "training",
        identity: str = "",
    ) -> History:
        """Train a network in place; it ends with the weights of its best epoch.

        Parameters
        ----------
        network : FusionNetwork
        reader : Reader
            Of the training cohort, with targets.
        train, validation : ndarray of int
            Positions of patients; no validation patients: no early stopping.
        seed : int
        label : str
            What progress calls it.
        identity : str
            What makes the result beside network, data, seed and these settings: a
            checkpoint of another identity is not gone on with.

        Raises
        ------
        InputError
            If a device asked for is not there, the loss is no number, or memory does
            not suffice; the sentence says what to do.
        """
        self.check()
        need_torch()
        require("lightning", extra="deep", purpose="deep integration")
        from consilience.nn.loop import Work, run

        return run(Work(self, network, reader, train, validation, seed, label, identity))


def need_torch() -> Any:
    """Return torch, or say which extra installs it.

    Raises
    ------
    InputError
        If the extra ``deep`` is not installed.
    """
    return require("torch", extra="deep", purpose="deep integration")


def _is_whole(value: Any, least: int) -> bool:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and bool(value >= least)


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating)
    try:
        return number and not isinstance(value, bool) and not math.isnan(value)
    except OverflowError:  # a whole number beyond all floats
        return False


_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "max_epochs": (lambda v: _is_whole(v, 1), "a whole number of at least 1"),
    "patience": (lambda v: _is_whole(v, 1), "a whole number of at least 1"),
    "validation": (lambda v: _is_number(v) and 0 <= v < 1, "at least 0 and below 1"),
    "learning_rate": (
        lambda v: _is_number(v) and 0 < v < math.inf,
        "a finite number above 0",
    ),
    "weight_decay": (lambda v: _is_number(v) and 0 <= v < math.inf, "a finite number, 0 or more"),
    "batch_size": (lambda v: _is_whole(v, 1), "a whole number of at least 1"),
    "gradient_clip": (lambda v: _is_number(v) and v > 0, "a number above 0"),
    "devices": (lambda v: _is_whole(v, 1), "a whole number of at least 1"),
    "workers": (lambda v: _is_whole(v, 0), "a whole number, 0 or more"),
    "progress": (lambda v: isinstance(v, bool), "True or False"),
    "checkpoints": (lambda v: v is None or isinstance(v, str | Path), "a folder or None"),
}


def _check_word(name: str, value: Any, words: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in words:
        *others, last = (repr(word) for word in words)
        hint = suggestion(value, words) if isinstance(value, str) else ""
        raise InputError(
            f"training: {name} must be {', '.join(others)} or {last}, not {_short(value)}.{hint}"
        )


def _check_folder(folder: str | Path | None) -> None:
    if folder is None:
        return
    try:
        strange = Path(folder).exists() and not Path(folder).is_dir()
    except (OSError, ValueError) as reason:
        raise InputError(
            f"training: checkpoints must be a folder, and {_short(str(folder))} cannot be one "
            f"({getattr(reason, 'strerror', None) or reason})."
        ) from reason
    if strange or not str(folder) or "\0" in str(folder):
        what = "is a file" if strange else "cannot be one"
        raise InputError(
            f"training: checkpoints must be a folder, and {_short(str(folder))} {what}."
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
