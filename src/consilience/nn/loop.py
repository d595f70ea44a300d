"""The one training loop, on Lightning's Fabric."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessRaisedException

from consilience.errors import InputError
from consilience.nn.ahead import read_ahead
from consilience.nn.batch import Batch
from consilience.nn.checkpoints import Checkpoint, fingerprint
from consilience.nn.memory import is_out_of_memory, too_large
from consilience.nn.network import FusionNetwork
from consilience.nn.progress import told
from consilience.nn.reading import Reader, chunks
from consilience.nn.threads import limited
from consilience.nn.training import History, Training
from consilience.nn.trouble import Place, not_a_number

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Work:
    """One training (see `Training.run`)."""

    settings: Training
    network: FusionNetwork
    reader: Reader
    train: Rows
    validation: Rows
    seed: int
    label: str = "training"
    identity: str = ""


@dataclass
class State:
    """How far a training is, beside weights and optimiser.

    Attributes
    ----------
    epoch : int
        Epochs done.
    training, validation : list of float
        Mean loss by epoch.
    best_epoch : int
    best : dict of str to Tensor
        The weights of that epoch.
    """

    epoch: int = 0
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)

    def finished(self, settings: Training) -> bool:
        """Return whether all epochs are done, or none has been better for long."""
        waited = self.epoch - 1 - self.best_epoch if self.validation else 0
        return self.epoch >= settings.max_epochs or waited >= settings.patience


def run(work: Work) -> History:
    """Train a network in place (see `Training.run`)."""
    settings = work.settings
    place = settings.checkpoints
    checkpoint = None if place is None else Checkpoint(place, fingerprint(work))
    with own_randomness(), limited(settings.workers) as reading:
        fabric = _fabric(settings, len(work.train))
        if settings.devices == 1:
            state = _train(fabric, work, checkpoint, reading)
        else:
            state = _launched(fabric, work, checkpoint, reading)
    work.network.load_state_dict(state.best)
    work.network.to("cpu").eval()
    return History().of(state.training, state.validation, state.best_epoch)


@contextmanager
def own_randomness() -> Iterator[None]:
    """Leave torch's random state as it was, whatever is drawn inside."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield


class _Processes(DDPStrategy):
    """A process a device, whose beginning is not announced."""

    def setup_environment(self) -> None:
        with _quiet():
            super().setup_environment()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's own remarks from the terminal; nobody else's."""
    names = ("lightning", "lightning.fabric", "lightning.pytorch")
    before = {log: log.level for log in map(logging.getLogger, names)}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        for log in before:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in before.items():
                log.setLevel(level)


def _fabric(settings: Training, patients: int) -> Fabric:
    """Return Lightning's part: device, precision, and several processes if asked for."""
    kind = settings.device().type
    if settings.accelerator not in ("auto", kind):
        raise InputError(
            f"training: accelerator {settings.accelerator!r} is asked for, and PyTorch finds no "
            "such device on this machine; choose 'auto' or 'cpu'."
        )
    if kind == "cuda" and settings.devices > torch.cuda.device_count():
        raise InputError(
            f"training: devices={settings.devices} are asked for, and there are "
            f"{torch.cuda.device_count()}."
        )
    if kind != "cuda" and settings.precision == "16-mixed":
        raise InputError(
            "training: precision '16-mixed' needs an NVIDIA GPU, and there is none; choose "
            "'bf16-mixed' or '32'."
        )
    if settings.devices > patients:
        raise InputError(f"training: {settings.devices} devices for {patients} patients.")
    several = _Processes(start_method="spawn", find_unused_parameters=True)
    with _quiet():
        return Fabric(
            accelerator=kind,
            devices=int(settings.devices),  # Lightning knows no numbers of NumPy
            strategy="auto" if settings.devices == 1 else several,
            precision="32-true" if settings.precision == "32" else settings.precision,
        )


def _launched(fabric: Fabric, work: Work, checkpoint: Checkpoint | None, reading: int) -> State:
    """Train in a process a device, and return what the first says."""
    name = f"{InputError.__module__}.{InputError.__name__}: "
    try:
        with _quiet():
            found: dict[str, Any] = fabric.launch(partial(_train_in, work, checkpoint, reading))
    except ProcessRaisedException as reason:
        if name not in str(reason):
            raise
        raise InputError(str(reason).rsplit(name, 1)[1].strip()) from None
    best = {name: torch.from_numpy(array) for name, array in found["best"].items()}
    return State(**{**found, "best": best})


def _train_in(
    work: Work, checkpoint: Checkpoint | None, reading: int, fabric: Fabric
) -> dict[str, Any]:
    """Train in a process that Lightning started; arrays outlive it, shared tensors do not."""
    own = replace(work, network=deepcopy(work.network))  # as it comes, its memory is all processes'
    found = asdict(_train(fabric, own, checkpoint, reading))
    fabric.barrier()
    # A process that ends while threads of its own still speak to the others is aborted.
    torch.distributed.destroy_process_group()
    best = {name: weight.cpu().numpy() for name, weight in found["best"].items()}
    return {**found, "best": best}


def _train(fabric: Fabric, work: Work, checkpoint: Checkpoint | None, reading: int) -> State:
    loop = Loop(fabric, work, checkpoint, reading)
    shown = work.settings.progress and fabric.is_global_zero
    with told(work.label, work.settings.max_epochs, shown) as tell:
        while not loop.state.finished(work.settings):
            loop.epoch()
            held = loop.state.validation
            tell(loop.state.epoch, loop.state.training[-1], held[-1] if held else math.nan)
    return loop.state


class _Given:
    """A batch on its way through wrappers that would take a dataclass apart."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class _Terms(nn.Module):
    """The terms of a network's loss as a forward pass, which is what is run on many devices."""

    def __init__(self, network: FusionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, given: _Given) -> dict[str, Tensor]:
        return self.network.losses(given.batch)


class Loop:
    """Epochs of training, learning curves, and the best weights so far.

    Parameters
    ----------
    fabric : Fabric
        Launched.
    work : Work
    checkpoint : Checkpoint, optional
        Where the state is kept; one that is there is gone on with.
    reading : int
        Threads that read ahead.
    """

    def __init__(
        self, fabric: Fabric, work: Work, checkpoint: Checkpoint | None = None, reading: int = 0
    ) -> None:
        self.fabric, self.work, self.reading = fabric, work, reading
        self.settings, self.network = work.settings, work.network
        self.checkpoint = checkpoint
        self.terms = _Terms(work.network)
        optimizer = torch.optim.AdamW(
            work.network.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            # Scaled gradients of half precision cannot be clipped in the fused form.
            fused=self.settings.precision != "16-mixed" and fabric.device.type != "mps",
        )
        with _quiet():
            self.module, self.optimizer = fabric.setup(self.terms, optimizer)
        self.state = State()
        if checkpoint is not None and (kept := checkpoint.read()) is not None:
            self._resume(kept)

    def epoch(self) -> None:
        """Train on every patient once, judge those held back, keep what is best and the state."""
        rank = self.fabric.global_rank
        torch.manual_seed(mixed(self.work.seed, self.state.epoch, rank))
        self.module.train()
        self.state.training.append(self._epoch())
        if len(self.work.validation):
            self._judge()
        self.state.epoch += 1
        if not self.state.validation and self.state.finished(self.settings):
            self._keep(self.state.epoch - 1)
        if self.checkpoint is not None and self.fabric.is_global_zero:
            self.checkpoint.write(self._kept())

    def _epoch(self) -> float:
        """Return the mean loss of an epoch's steps."""
        seed = mixed(self.work.seed, self.state.epoch)
        rank, world = self.fabric.global_rank, self.fabric.world_size
        whole = chunks(self.work.train, self.settings.batch_size, seed)
        if len(whole[-1]) < world:  # each device has someone in every step
            whole = chunks(self.work.train, len(self.work.train), seed)
        shares = [chunk[rank::world] for chunk in whole]
        total = 0.0
        coming = iter(read_ahead(self.work.reader.batch, shares, self.reading))
        for number, (chunk, share) in enumerate(zip(whole, shares, strict=True), start=1):
            place = Place(self.state.epoch + 1, number)
            try:
                loss = self._step(next(coming), len(share) * world / len(chunk), place)
            except (MemoryError, RuntimeError) as reason:
                if not is_out_of_memory(reason):
                    raise
                del reason
                self._drop_gradients()
                raise too_large(len(chunk), partial(self._attempt, share)) from None
            total += loss * len(share)
        return self._summed(total) / len(self.work.train)

    def _step(self, batch: Batch, weight: float, place: Place) -> float:
        """Take a step down the gradient of a batch; return the loss."""
        batch = self._moved(batch)
        terms = self.module(_Given(batch))
        loss = torch.stack(list(terms.values())).sum()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise not_a_number(place, batch, terms, self.network, self.work.reader)
        self.fabric.backward(loss if weight == 1.0 else loss * weight)
        norm: Any = self.fabric.clip_gradients(
            self.module,
            self.optimizer,
            max_norm=self.settings.gradient_clip,
            error_if_nonfinite=False,
        )
        # In half precision such a step is left out, and the next is scaled down.
        if self.settings.precision != "16-mixed" and not math.isfinite(float(norm)):
            raise not_a_number(place, batch, terms, self.network, self.work.reader)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return value

    def _attempt(self, share: Rows, size: int) -> None:
        """Do all of a step with the first `size` patients but the step itself."""
        try:
            batch = self._moved(self.work.reader.batch(share[:size]))
            with self.fabric.autocast():
                terms = self.network.losses(batch)
            self.fabric.backward(torch.stack(list(terms.values())).sum())
        finally:
            self._drop_gradients()

    def _drop_gradients(self) -> None:
        for parameter in self.network.parameters():
            parameter.grad = None

    def _judge(self) -> None:
        """Add up the loss of the patients held back; keep the weights if none were better."""
        self.module.eval()
        rank, world = self.fabric.global_rank, self.fabric.world_size
        own = chunks(self.work.validation, self.settings.batch_size)[rank::world]
        total = 0.0
        with torch.no_grad(), self.fabric.autocast():
            coming = read_ahead(self.work.reader.batch, own, self.reading)
            for number, given in enumerate(coming, start=1):
                batch = self._moved(given)
                terms = self.terms(_Given(batch))
                loss = float(torch.stack(list(terms.values())).sum())
                if not math.isfinite(loss):
                    place = Place(self.state.epoch + 1, number, held_back=True)
                    raise not_a_number(place, batch, terms, self.network, self.work.reader)
                total += loss * batch.size
        mean = self._summed(total) / len(self.work.validation)
        if not self.state.validation or mean < min(self.state.validation):
            self._keep(self.state.epoch)
        self.state.validation.append(mean)

    def _keep(self, epoch: int) -> None:
        weights = self.network.state_dict()
        self.state.best = {name: weight.detach().clone() for name, weight in weights.items()}
        self.state.best_epoch = epoch

    def _moved(self, batch: Batch) -> Batch:
        return batch if self.fabric.device.type == "cpu" else batch.to(self.fabric.device)

    def _summed(self, value: float) -> float:
        """Return the sum of a number over all devices."""
        if self.fabric.world_size == 1:
            return value
        own = torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
        total: Any = self.fabric.all_reduce(own, reduce_op="sum")
        return float(total)

    def _kept(self) -> dict[str, Any]:
        """Return all that it takes to go on from here."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "state": asdict(self.state),
        }

    def _resume(self, kept: dict[str, Any]) -> None:
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.fabric.strategy.precision.load_state_dict(kept["precision"])
        self.state = State(**kept["state"])


def mixed(*numbers: int) -> int:
    """Return a seed that several numbers make together."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
