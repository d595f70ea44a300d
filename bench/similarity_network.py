"""Similarity network fusion: against snfpy in the same run, and as patients and features grow.

Run: ``python bench/similarity_network.py [--snfpy PYTHON]``.

snfpy 0.2.2 needs a scikit-learn older than ours (below 1.6), so it runs in an environment of
its own, made by ``python -m venv peer; peer/bin/pip install snfpy "scikit-learn<1.6"``; give
its interpreter as ``--snfpy peer/bin/python``, or in the variable SNFPY_PYTHON. Both are
given the same matrices, one thread, and are timed from matrices to fused network. Then the
estimators: a fit, a patient placed, and subtypes, for the table in their pages.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from consilience.cohort import Cohort, Table
from consilience.errors import InputWarning
from consilience.fusion.numerics.affinity import (
    Settings,
    diffuse,
    distances,
    layer,
    mean_network,
    transition,
)
from consilience.fusion.similarity_network import SimilarityNetworkFusion
from consilience.fusion.subtypes import Subtypes

ROUNDS = 3
PEER = """
import sys, time, json, numpy as np, snf
data = np.load(sys.argv[1])
blocks = [data[name] for name in data.files]
times = []
for _ in range(int(sys.argv[2])):
    start = time.process_time()
    snf.snf(snf.make_affinity(blocks, metric="euclidean", K=20, mu=0.5), K=20, t=20)
    times.append(time.process_time() - start)
print(json.dumps(sorted(times)[len(times) // 2]))
"""


def seconds(work: Callable[[], object]) -> float:
    """Return processor seconds, the median of a few: other work on the machine counts less."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def matrices(n: int, p: int, modalities: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, n)
    return [
        rng.normal(size=(n, p)) + rng.normal(size=(3, p))[groups] * (rng.random(p) < 0.1)
        for _ in range(modalities)
    ]


def fuse(blocks: list[np.ndarray]) -> np.ndarray:
    n, settings = len(blocks[0]), Settings()
    rows = np.arange(n)
    layers = [layer(distances(block, block), rows, settings) for block in blocks]
    return transition(mean_network(diffuse(layers, n, 20), [rows] * len(blocks), n)[0])


def by_snfpy(python: str, blocks: list[np.ndarray]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks.npz"
        np.savez(path, *blocks)
        command = [python, "-W", "ignore", "-c", PEER, str(path), str(ROUNDS)]
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        done = subprocess.run(command, check=True, capture_output=True, env=os.environ | one)
        return float(json.loads(done.stdout))


def against_snfpy(python: str | None) -> None:
    if python is None:
        print("snfpy was not measured: no --snfpy and no SNFPY_PYTHON\n")
    print(f"{'patients':>9}{'features':>10}{'network s':>11}{'snfpy s':>9}{'times':>7}")
    for n, p in ((150, 200), (500, 200), (1000, 200)):
        blocks = matrices(n, p)
        ours = seconds(lambda: fuse(blocks))  # noqa: B023
        theirs = by_snfpy(python, blocks) if python else float("nan")
        print(
            f"{n:9}{'3 x ' + str(p):>10}{ours:11.3f}{theirs:9.3f}{theirs / ours:7.1f}", flush=True
        )


def cohort(n: int, p: int, modalities: int, missing: float = 0.2) -> Cohort:
    rng = np.random.default_rng(1)
    ids = [f"p{i:05d}" for i in range(n)]
    tables = {}
    for place, block in enumerate(matrices(n, p, modalities)):
        frame = pd.DataFrame(block, ids, [f"m{place}f{i}" for i in range(p)])
        tables[f"m{place}"] = Table(frame[rng.random(n) >= missing])
    return Cohort(pd.DataFrame(index=ids), tables)


def scaling() -> None:
    warnings.simplefilter("ignore", InputWarning)
    Subtypes().fit(cohort(60, 5, 2))  # compiled
    print(f"\n{'patients':>9}{'features':>12}{'fit s':>9}{'one placed s':>14}{'subtypes s':>12}")
    for n, p, modalities in ((100, 200, 3), (500, 200, 3), (1000, 200, 3), (2000, 200, 3),
                             (500, 2000, 3), (500, 10_000, 3), (500, 2000, 6)):  # fmt: skip
        patients = cohort(n, p, modalities)
        method = SimilarityNetworkFusion().fit(patients)
        fit = seconds(lambda: SimilarityNetworkFusion().fit(patients))  # noqa: B023
        one = seconds(lambda: method.transform(patients[[3]]))  # noqa: B023
        start = time.process_time()
        Subtypes().fit(patients)
        whole = time.process_time() - start
        size = f"{modalities} x {p:,}"
        print(f"{n:9}{size:>12}{fit:9.2f}{one:14.3f}{whole:12.2f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snfpy", default=os.environ.get("SNFPY_PYTHON"), metavar="PYTHON")
    given = parser.parse_args()
    with threadpool_limits(1):
        against_snfpy(given.snfpy)
        scaling()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
