"""An epoch of `IntermediateFusion` against a bare PyTorch loop, and what a training begins with.

    python bench/deep_speed.py

Both sides train the same network, from the same first weights, on the same batches read by
the same reader, with AdamW, a clipped gradient and the sum of the losses kept. "bare" is
that and nothing else; the loop adds early stopping, curves, a watch on losses and gradients,
devices and precision. The two take turns, on one thread; the ratio is the median over pairs
of the processor's time, so that other work on the machine counts for neither. PyTorch's plain
AdamW, which most loops take, is told beside the fused one that ours takes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from consilience.cohort import synthetic_cohort
from consilience.fusion.deep_head import head_for
from consilience.fusion.intermediate import IntermediateFusion
from consilience.fusion.task import task_of
from consilience.nn.network import FusionNetwork
from consilience.nn.reading import Reader
from consilience.nn.training import Training

SIZES = [(200, 20, 64), (800, 200, 64), (800, 2000, 64)]  # patients, features a modality, batch
PAIRS, EPOCHS = 7, 10
NOBODY = np.arange(0)


class Case:
    """Networks and a reader of one size, as `IntermediateFusion` makes them."""

    def __init__(self, patients: int, features: int, batch: int) -> None:
        self.rows, self.batch = np.arange(patients), batch
        cohort, y = synthetic_cohort(patients, features=features, seed=0)
        once = Training(1, batch_size=batch, accelerator="cpu")
        self.method = IntermediateFusion("binary", training=once).fit(cohort, y)
        task, checked = task_of(y, self.method)
        self.head = head_for(task, "cox").fit(checked, task)
        self.reader = Reader(self.method.sources_, cohort, self.head.targets(checked))

    def network(self) -> FusionNetwork:
        network = self.method._built(self.method.members_[0])
        return network.train()

    def ours(self, epochs: int) -> None:
        training = Training(epochs, batch_size=self.batch, accelerator="cpu")
        training.run(self.network(), self.reader, self.rows, NOBODY, 0)

    def bare(self, epochs: int, *, fused: bool) -> None:
        network = self.network()
        optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=1e-2, fused=fused)
        for epoch in range(epochs):
            total = 0.0
            for batch in self.reader.batches(self.rows, self.batch, epoch):
                loss = torch.stack(list(network.losses(batch).values())).sum()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                total += loss.item() * batch.size


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def epochs_of(case: Case) -> dict[str, list[float]]:
    """Return seconds an epoch by way, pair by pair; what comes before the first is taken off."""
    ways: dict[str, Callable[[int], None]] = {
        "bare": lambda n: case.bare(n, fused=True),
        "bare, plain AdamW": lambda n: case.bare(n, fused=False),
        "ours": case.ours,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for pair in range(PAIRS + 1):
        for name, way in ways.items():
            once = seconds(lambda way=way: way(1))
            many = seconds(lambda way=way: way(1 + EPOCHS))
            if pair:  # the first warms up
                times[name].append((many - once) / EPOCHS)
    return times


def ratio(times: dict[str, list[float]], other: str = "bare") -> float:
    return statistics.median(a / b for a, b in zip(times["ours"], times[other], strict=True))


def main() -> None:
    torch.set_num_threads(1)
    print("an epoch of IntermediateFusion, three modalities, milliseconds of one core")
    print(f"{'patients':>8} {'features':>8} {'bare':>7} {'ours':>7} {'ratio':>6}  to plain AdamW")
    for patients, features, batch in SIZES:
        case = Case(patients, features, batch)
        times = epochs_of(case)
        mean = {name: 1e3 * statistics.median(own) for name, own in times.items()}
        print(
            f"{patients:8} {features:8} {mean['bare']:7.2f} {mean['ours']:7.2f} "
            f"{ratio(times):6.2f}  {ratio(times, 'bare, plain AdamW'):.2f}"
        )
    case = Case(*SIZES[0])
    start = statistics.median(
        seconds(lambda: case.ours(1)) - seconds(lambda: case.bare(1, fused=True))
        for _ in range(PAIRS)
    )
    print(f"\nwhat a training takes before and after its epochs: {1e3 * start:.1f} ms")


if __name__ == "__main__":
    main()
