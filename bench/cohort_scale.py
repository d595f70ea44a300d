"""100,000 patients, five tables of 200 features: opening, and one fold of early fusion.

Run: ``python bench/cohort_scale.py [--patients N] [--pairs N]``.

Each measurement runs in a fresh process. The baseline is what one would write by
hand: the same rows in one stacked float64 array, ``StandardScaler`` and the same
learner. Memory is the peak of the process less what it held after its imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

MOST_SECONDS_TO_OPEN = 1.0
MOST_TIME_RATIO = 1.2
MOST_MEMORY_RATIO = 2.0
SHARE_TRAINING = 0.8


def learner() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=100)


def peak() -> int:
    """Return the most memory this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(n)
    cut = int(n * SHARE_TRAINING)
    return np.sort(order[:cut]), np.sort(order[cut:])


def make(folder: Path) -> dict[str, float]:
    from consilience.cohort import save_cohort, synthetic_cohort

    n = int((folder / "patients").read_text())
    cohort, _ = synthetic_cohort(n, modalities=5, features=200, shared=0.5, private=0.5, seed=0)
    start = time.perf_counter()
    save_cohort(cohort, folder / "cohort")
    saved = time.perf_counter() - start
    stacked = np.hstack([table.numeric for table in cohort.modalities.values()])
    np.save(folder / "stacked.npy", stacked)
    np.save(folder / "y.npy", cohort.patients["outcome"].to_numpy())
    return {"save_s": saved, "data_bytes": stacked.nbytes}


def opening(folder: Path) -> dict[str, float]:
    from consilience.cohort import open_cohort

    start = time.perf_counter()
    cohort = open_cohort(folder / "cohort")
    return {"open_s": time.perf_counter() - start, "patients": len(cohort)}


def printing(folder: Path) -> dict[str, float]:
    from consilience.cohort import fingerprint, open_cohort

    cohort = open_cohort(folder / "cohort")
    start = time.perf_counter()
    for table in cohort.modalities.values():
        _ = table.numeric
    read = time.perf_counter() - start
    start = time.perf_counter()
    fingerprint(cohort)
    return {"read_s": read, "fingerprint_s": time.perf_counter() - start}


def early(folder: Path) -> dict[str, float]:
    from consilience.cohort import open_cohort
    from consilience.fusion import EarlyFusion

    model = EarlyFusion(learner())
    y = np.load(folder / "y.npy")
    before = peak()
    cohort = open_cohort(folder / "cohort")
    for table in cohort.modalities.values():
        _ = table.numeric  # the array by hand is in memory when its clock starts, too
    train, test = rows(len(cohort))
    start = time.perf_counter()
    model.fit(cohort[train], y[train])
    values = model.predict_proba(cohort[test])[:, 1]
    return _measured(start, before, values, y[test])


def by_hand(folder: Path) -> dict[str, float]:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), learner())
    y = np.load(folder / "y.npy")
    before = peak()
    X = np.load(folder / "stacked.npy")
    train, test = rows(len(X))
    start = time.perf_counter()
    model.fit(X[train], y[train])
    values = model.predict_proba(X[test])[:, 1]
    return _measured(start, before, values, y[test])


def _measured(start: float, before: int, values: np.ndarray, y: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import log_loss

    seconds = time.perf_counter() - start
    return {"fold_s": seconds, "peak_bytes": peak() - before, "log_loss": log_loss(y, values)}


TASKS: dict[str, Callable[[Path], dict[str, float]]] = {
    "make": make,
    "opening": opening,
    "printing": printing,
    "early": early,
    "by-hand": by_hand,
}


def fresh(task: str, folder: Path) -> dict[str, float]:
    """Run one task in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", task, "--folder", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def compare(patients: int, pairs: int) -> dict[str, float]:
    """Return the figures, medians over pairs of fresh processes run in turn."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "patients").write_text(str(patients))
        # Even this in a process of its own: a child's peak begins at its parent's.
        made = fresh("make", folder)
        opened = median(fresh("opening", folder)["open_s"] for _ in range(pairs))
        printed = fresh("printing", folder)
        runs = [(fresh("early", folder), fresh("by-hand", folder)) for _ in range(pairs)]
    return {
        **made,
        **printed,
        "early_log_loss": runs[0][0]["log_loss"],
        "open_s": opened,
        "early_s": median(ours["fold_s"] for ours, _ in runs),
        "by_hand_s": median(theirs["fold_s"] for _, theirs in runs),
        "time_ratio": median(ours["fold_s"] / theirs["fold_s"] for ours, theirs in runs),
        "early_memory_ratio": median(o["peak_bytes"] for o, _ in runs) / made["data_bytes"],
        "by_hand_memory_ratio": median(t["peak_bytes"] for _, t in runs) / made["data_bytes"],
        "log_loss_difference": max(abs(o["log_loss"] - t["log_loss"]) for o, t in runs),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(TASKS[given.task](given.folder)))
        return 0
    figures = compare(given.patients, given.pairs)
    for name, figure in figures.items():
        print(f"{name:24} {figure:,.4g}")
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(figures, indent=2) + "\n")
    bounds = {
        "open_s": MOST_SECONDS_TO_OPEN,
        "time_ratio": MOST_TIME_RATIO,
        "early_memory_ratio": MOST_MEMORY_RATIO,
    }
    broken = [f"{k} is {figures[k]:.3g}, above {v}" for k, v in bounds.items() if figures[k] > v]
    print("; ".join(broken) or "all bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
