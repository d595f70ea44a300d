"""The one training loop, on Lightning."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from consilience.nn.batch import Batch
from consilience.nn.network import FusionNetwork
from consilience.nn.reading import Reader
from consilience.nn.training import History, Training

Rows = npt.NDArray[np.intp]


def run(
    settings: Training,
    network: FusionNetwork,
    reader: Reader,
    train: Rows,
    validation: Rows,
    seed: int,
) -> History:
    """Train a network in place (see `Training.run`)."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        loop = Loop(network, settings, seed)
        trainer = lightning.Trainer(
            max_epochs=settings.max_epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=settings.precision,
            gradient_clip_val=settings.gradient_clip,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=settings.progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        loader = Epochs(reader, train, settings.batch_size, seed)
        held = Epochs(reader, validation, settings.batch_size) if len(validation) else None
        trainer.fit(loop, loader, held)
    network.load_state_dict(loop.best)
    network.to("cpu").eval()
    return History().of(loop.training_losses, loop.validation_losses, loop.best_epoch)


class Epochs:
    """Batches of patients, in a new order each epoch that the seed and the epoch alone tell."""

    def __init__(self, reader: Reader, rows: Rows, size: int, seed: int | None = None) -> None:
        self.reader, self.rows, self.size, self.seed = reader, rows, size, seed
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        seed = None if self.seed is None else _mixed(self.seed, self.epoch)
        self.epoch += 1
        return self.reader.batches(self.rows, self.size, seed)


def _mixed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])


class Loop(lightning.LightningModule):
    """Training steps, learning curves, and the best weights so far."""

    def __init__(self, network: FusionNetwork, settings: Training, seed: int) -> None:
        super().__init__()
        self.network, self.settings, self.seed = network, settings, seed
        self.training_losses: list[float] = []
        self.validation_losses: list[float] = []
        self.best: dict[str, Any] = deepcopy(network.state_dict())
        self.best_epoch = 0
        self._sum, self._count = 0.0, 0

    def on_train_epoch_start(self) -> None:
        """Seed dropout for the epoch."""
        torch.manual_seed(_mixed(self.seed, self.current_epoch))
        self._sum, self._count = 0.0, 0

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of a batch."""
        terms = self.network.losses(batch)
        loss = torch.stack(list(terms.values())).sum()
        self._sum, self._count = (
            self._sum + float(loss.detach()) * batch.size,
            self._count + batch.size,
        )
        return loss

    def on_validation_epoch_start(self) -> None:
        """Close the training curve of the epoch."""
        self.training_losses.append(self._sum / max(1, self._count))
        self._sum, self._count = 0.0, 0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add up the loss of the patients held back."""
        loss = float(torch.stack(list(self.network.losses(batch).values())).sum())
        self._sum, self._count = self._sum + loss * batch.size, self._count + batch.size

    def on_validation_epoch_end(self) -> None:
        """Keep the weights if they are the best, and stop if they have not been for long."""
        loss = self._sum / max(1, self._count)
        if not self.validation_losses or loss < min(self.validation_losses):
            self.best, self.best_epoch = deepcopy(self.network.state_dict()), self.current_epoch
        self.validation_losses.append(loss)
        self.trainer.should_stop = self.current_epoch - self.best_epoch >= self.settings.patience

    def on_train_epoch_end(self) -> None:
        """Without patients held back the last weights are the best."""
        if not self.validation_losses:
            self.training_losses.append(self._sum / max(1, self._count))
            if self.current_epoch == self.settings.max_epochs - 1:
                self.best, self.best_epoch = deepcopy(self.network.state_dict()), self.current_epoch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        return torch.optim.AdamW(
            self.network.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        """Return the batch on the device."""
        return batch.to(device)
