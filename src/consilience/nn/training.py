"""How networks are trained: the settings of the one training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.extras import require

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork
    from consilience.nn.reading import Reader

Precision = Literal["32", "16-mixed", "bf16-mixed"]


class History(BaseEstimator):  # type: ignore[misc]
    """The learning curves of one training.

    Attributes
    ----------
    training_, validation_ : ndarray of shape (n_epochs,)
        Mean loss by epoch; NaN where no patient was held back.
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
        Patients a step.
    gradient_clip : float
        Largest norm of a gradient.
    precision : {"32", "16-mixed", "bf16-mixed"}
        Of the arithmetic.
    accelerator : str
        "auto" takes a GPU where there is one; "cpu", "cuda".
    devices : int
        How many of them.
    checkpoints : str, optional
        A folder in which the state is kept after every epoch, so that a training that was
        interrupted goes on where it was, with the same result.
    progress : bool
        Whether to show progress.
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

    def run(
        self,
        network: FusionNetwork,
        reader: Reader,
        train: npt.NDArray[np.intp],
        validation: npt.NDArray[np.intp],
        seed: int,
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
        """
        need_torch()
        from consilience.nn.loop import run

        return run(self, network, reader, train, validation, seed)


def need_torch() -> Any:
    """Return torch, or say which extra installs it.

    Raises
    ------
    InputError
        If the extra ``deep`` is not installed.
    """
    require("lightning", extra="deep", purpose="deep integration")
    return require("torch", extra="deep", purpose="deep integration")
