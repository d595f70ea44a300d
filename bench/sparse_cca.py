"""Sparse CCA: against cca-zoo's PMDCCA in the same run, its permutations, and how it scales.

    python bench/sparse_cca.py

The two take turns, each with as many BLAS threads as the machine gives. cca-zoo's deflation
differs from PMA's, so that only the first component is the same; ours are PMA's. R's PMA took
0.048 s for the first line, measured once on two cores. A component sought in pure noise has no
clear best answer: both then run into their limits of 500 sweeps.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from cca_zoo.sparse import PMDCCA
from joblib import cpu_count
from sklearn.exceptions import ConvergenceWarning

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.loaders import breast_tcga

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.canonical_inference import permutation_test
from consilience.fusion.numerics.penalised_decomposition import Penalty, decompose
from consilience.fusion.sparse_cca import SparseCCA

SIZES = [  # patients, features a modality, modalities
    (100, 1000, 2),
    (200, 1000, 2),
    (400, 1000, 2),
    (800, 1000, 2),
    (200, 100, 2),
    (200, 10_000, 2),
    (200, 1000, 3),
    (200, 1000, 6),
]


def in_turns(works: list[Callable[[], object]], runs: int) -> list[float]:
    """Return the median time of each, run one after the other in turns."""
    times: list[list[float]] = [[] for _ in works]
    warming = int(runs > 1)
    for run in range(runs + warming):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            if run >= warming:
                times[place].append(time.perf_counter() - start)
    return [statistics.median(own) for own in times]


def blocks_of(n: int, p: int, count: int, factors: int, seed: int = 0) -> list[np.ndarray]:
    """Return standardised blocks; each factor acts on 2 % of the features of each."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, factors))
    blocks = []
    for _ in range(count):
        slopes = rng.standard_normal((factors, p)) * (rng.random((factors, p)) < 0.02)
        block = shared @ slopes + rng.standard_normal((n, p))
        blocks.append((block - block.mean(axis=0)) / block.std(axis=0))
    return blocks


def against(name: str, blocks: list[np.ndarray], runs: int) -> None:
    """Print both times, K = 3 and penalty 0.3."""
    penalties = [Penalty(0.3 * np.sqrt(block.shape[1])) for block in blocks]
    ours = partial(decompose, blocks, penalties, 3)
    zoo = partial(PMDCCA(3, l1_bound=0.3, random_state=0).fit, blocks)
    mine, theirs = in_turns([ours, zoo], runs)
    print(f"{name:46s} {mine:8.4f} {theirs:8.4f} {theirs / mine:7.1f}", flush=True)


def pairs() -> None:
    """Print the comparison with cca-zoo."""
    print(f"{'K = 3, penalty 0.3; seconds':46s} {'ours':>8s} {'cca-zoo':>8s} {'ratio':>7s}")
    try:
        train, _ = breast_tcga()
    except InputError as absent:
        print(absent)
    else:
        frames = [train.modalities[name].frame.to_numpy() for name in ("mrna", "protein")]
        breast = [(f - f.mean(axis=0)) / f.std(axis=0) for f in frames]
        against("breast-tcga, mrna x protein, 150 patients", breast, 15)
        model = SparseCCA(n_components=3, modalities=["mrna", "protein"])
        (whole,) = in_turns([partial(model.fit, train)], 9)
        print(f"{'  SparseCCA.fit, from the cohort':46s} {whole:8.4f}")
    for factors, what, runs in ((3, "three factors", 5), (1, "one factor", 1), (0, "noise", 1)):
        against(f"500 patients, 5,000 x 5,000, {what}", blocks_of(500, 5000, 2, factors), runs)


def permutations() -> None:
    """Print what 1,000 permutations cost."""
    try:
        train, _ = breast_tcga()
    except InputError as absent:
        print(absent)
        return
    model = SparseCCA(n_components=1, modalities=["mrna", "protein"])
    works = [partial(permutation_test, model, train, n=1000, jobs=jobs) for jobs in (1, -1)]
    for cores, took in zip((1, cpu_count()), in_turns(works, 5), strict=True):  # warmed: started
        print(f"1,000 permutations, breast-tcga, {cores} process(es): {took:.2f} s", flush=True)


def cohort_of(blocks: list[np.ndarray]) -> Cohort:
    """Return a cohort of a table a block."""
    ids = [f"p{i:04d}" for i in range(len(blocks[0]))]
    tables = {}
    for place, block in enumerate(blocks):
        columns = [f"x{i}" for i in range(block.shape[1])]
        frame = pd.DataFrame(block, index=ids, columns=columns)
        tables[f"block {place + 1}"] = Table(frame, kinds=dict.fromkeys(columns, "continuous"))
    return Cohort(pd.DataFrame(index=ids), tables)


def growth() -> None:
    """Print the time of `SparseCCA.fit` with two factors, whole and with gaps."""
    print(
        f"{'patients':>8s} {'features':>9s} {'modalities':>10s} {'whole':>9s} {'10 % missing':>13s}"
    )
    for n, p, count in SIZES:
        blocks = blocks_of(n, p, count, 2)
        whole = cohort_of(blocks)
        (seconds,) = in_turns([partial(SparseCCA().fit, whole)], 3)
        line = f"{n:8d} {p:9,d} {count:10d} {seconds:8.3f}s"
        if p <= 1000:
            rng = np.random.default_rng(1)
            holes = [np.where(rng.random(b.shape) < 0.1, np.nan, b) for b in blocks]
            (gappy,) = in_turns([partial(SparseCCA().fit, cohort_of(holes))], 1)
            line += f" {gappy:12.3f}s"
        print(line, flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    pairs()
    print()
    permutations()
    print()
    growth()
