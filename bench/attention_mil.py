"""Attention over one bag of many instances: time and memory of a training step.

Run: ``python bench/attention_mil.py``.

Each size is measured in a process of its own, on one core: a bag of 512 features, forward
and backward through the encoder at its usual settings. Time is that of the processor.
Memory is the peak of the whole process, and what the steps add to that of a process which
holds the data and has trained on a few instances only.
The plot is ``results/attention_mil.svg``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

FEATURES = 512
WIDTH = 32
SIZES = (12_500, 25_000, 50_000, 100_000)
ASKED = 50_000
MOST_BYTES = 1e9
REPEATS = 3
ENCODERS = ("GatedAttention", "TransformerPooling")
PLOT = Path(__file__).resolve().parent / "results" / "attention_mil.svg"


def peak() -> int:
    """Return the largest memory that this process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def step(encoder: Any, part: Any) -> None:
    encoder.zero_grad()
    encoder(part).square().sum().backward()


def one(name: str, instances: int) -> dict[str, float]:
    """Measure one encoder on one bag, in this process."""
    import torch

    from consilience.nn import encoders
    from consilience.nn.batch import Part
    from consilience.nn.sources import BagSource

    torch.set_num_threads(1)
    torch.manual_seed(0)
    source = BagSource()
    source.features_ = tuple(str(i) for i in range(FEATURES))
    encoder = getattr(encoders, name)().build(source, WIDTH)
    rows, owner = torch.zeros(1, dtype=torch.long), torch.zeros(instances, dtype=torch.long)
    few = Part({"instances": torch.randn(64, FEATURES)}, rows, owner[:64])
    step(encoder, few)  # what is loaded at the first step is no matter of the bag's size
    part = Part({"instances": torch.randn(instances, FEATURES)}, rows, owner)
    before, times = peak(), []
    for _ in range(REPEATS):
        start = time.process_time()
        step(encoder, part)
        times.append(time.process_time() - start)
    return {"seconds": median(times), "peak": peak(), "added": peak() - before}


def apart(name: str, instances: int) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--one", name, str(instances)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def exponent(seconds: list[float]) -> float:
    """Return b where time grows with instances to the power b; 1 is linear."""
    return float(np.polyfit(np.log(SIZES), np.log(seconds), 1)[0])


def draw(found: dict[str, list[dict[str, float]]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "attention_mil"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for name, figures in found.items():
        axes[0].plot(SIZES, [each["seconds"] for each in figures], "o-", label=name)
        axes[1].plot(SIZES, [each["added"] / 1e6 for each in figures], "o-", label=name)
    for ax, label in zip(axes, ("seconds of a core a step", "MB beside the data"), strict=True):
        ax.set(xlabel=f"instances of {FEATURES} features", ylabel=label)
        ax.set(xlim=(0, None), ylim=(0, None))
        ax.legend(frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("ENCODER", "INSTANCES"))
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], int(given.one[1]))))
        return 0
    found = {name: [apart(name, size) for size in SIZES] for name in ENCODERS}
    print(
        f"{'encoder':20}{'instances':>10}{'data MB':>9}{'seconds':>9}{'added MB':>10}{'peak MB':>9}"
    )
    holds = True
    for name, figures in found.items():
        for size, each in zip(SIZES, figures, strict=True):
            data = size * FEATURES * 4 / 1e6
            print(
                f"{name:20}{size:>10,}{data:>9.0f}{each['seconds']:>9.2f}"
                f"{each['added'] / 1e6:>10.0f}{each['peak'] / 1e6:>9.0f}"
            )
        power = exponent([each["seconds"] for each in figures])
        asked = figures[SIZES.index(ASKED)]
        holds &= asked["peak"] < MOST_BYTES and power < 1.2
        print(f"{name}: time grows with instances to the power {power:.2f}\n")
    draw(found)
    print("the bound holds" if holds else "a bound does not hold")
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
