"""Multiple kernel learning beside one machine on the average kernel, and its cost.

Run: ``python bench/kernel_learning.py``.

The peers are scikit-learn's ``KernelRidge`` and ``SVC`` on the average of linear kernels
made by hand. The first comparison is one fit with one penalty; ours weighs the kernels
too. The second is the choice of the penalty on five inner folds: a grid search of the
peer on the same penalties, in which the kernels are made once and weighed never. All
run on one thread; each figure is the processor's seconds, the median of several runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from consilience.cohort import Cohort, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion.kernel_learning import PENALTIES, MultipleKernelLearning
from consilience.fusion.numerics.kernel_machines import SquaredLoss, fit_on_kernel
from consilience.fusion.numerics.kernel_path import stretch
from loaders import breast_tcga

REPEATS = 3
MODALITIES = 3


def seconds(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    run()  # imports and first touches of memory
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return median(times)


def average_kernel(cohort: Cohort) -> np.ndarray:
    total = np.zeros((len(cohort), len(cohort)))
    for table in cohort.modalities.values():
        X = table.numeric
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        total += X @ X.T / X.shape[1] / len(cohort.modalities)
    return total


def one_fit(kind: str, n: int, p: int) -> tuple[float, float]:
    """Return seconds of ours and of the peer for one penalty."""
    cohort, y = synthetic_cohort(n, kind=kind, modalities=MODALITIES, features=p, seed=0)
    ours = MultipleKernelLearning.for_outcome(kind, penalties=0.01)
    ridge = KernelRidge(alpha=0.01 * n, kernel="precomputed")
    peer = ridge if kind == "continuous" else SVC(kernel="precomputed")
    return (
        seconds(lambda: ours.fit(cohort, y)),
        seconds(lambda: peer.fit(average_kernel(cohort), y)),
    )


def choice(kind: str, n: int, p: int) -> tuple[float, float]:
    """Return seconds of ours and of the peer for a choice among the default penalties."""
    cohort, y = synthetic_cohort(n, kind=kind, modalities=MODALITIES, features=p, seed=0)
    ours = MultipleKernelLearning.for_outcome(kind, random_state=0)
    grids = {
        "continuous": (
            KernelRidge(kernel="precomputed"),
            {"alpha": [penalty * n for penalty in PENALTIES]},
        ),
        "binary": (
            SVC(kernel="precomputed"),
            {"C": [1 / (penalty * n) for penalty in PENALTIES]},
        ),
    }
    search = GridSearchCV(*grids[kind], cv=5)
    return (
        seconds(lambda: ours.fit(cohort, y)),
        seconds(lambda: search.fit(average_kernel(cohort), y)),
    )


def beside_peers() -> None:
    print("Beside scikit-learn on the average of three linear kernels of 1,000 features")
    print(f"{'':48} {'ours':>7} {'peer':>8} {'ratio':>6}")
    for what, measure in (("one fit", one_fit), ("six penalties, five folds", choice)):
        for kind, peer in (("continuous", "KernelRidge"), ("binary", "SVC")):
            for n in (200, 500):
                ours, theirs = measure(kind, n, 1000)
                label = f"{what}, {peer}, n = {n}"
                print(f"{label:48} {ours:7.3f} {theirs:8.3f} {ours / theirs:6.1f}", flush=True)


def scaling() -> None:
    print("\nSeconds of a default fit (six penalties, five inner folds), two classes")
    print(f"{'n':>6} {'p':>7} {'modalities':>10} {'kernels':>8}", end="")
    weightings = ("alignment", "simple", "easy")
    print("".join(f"{name:>11}" for name in weightings))
    rows = [(100, 1000, 3), (200, 1000, 3), (400, 1000, 3), (800, 1000, 3)]
    rows += [(200, 10_000, 3), (200, 1000, 6), (200, 1000, 12)]
    for n, p, m in rows:
        cohort, y = synthetic_cohort(n, modalities=m, features=p, seed=0)
        for kernels in ("linear", "rbf"):
            print(f"{n:6} {p:7} {m:10} {kernels:>8}", end="", flush=True)
            for weighting in weightings:
                model = MultipleKernelLearning(kernels=kernels, weighting=weighting, random_state=0)
                start = time.process_time()
                model.fit(cohort, y)
                print(f"{time.process_time() - start:11.2f}", end="", flush=True)
            print()


def real() -> None:
    """Breast cancer subtypes: 150 to train on, 70 to test on, who all lack protein."""
    try:
        train, test = breast_tcga()
    except InputError as reason:
        print(f"\nbreast-tcga left out: {reason}")
        return
    y, truth = (part.patients["subtype"].to_numpy() for part in (train, test))
    print("\nbreast-tcga: accuracy on 70 test tumours without protein, log loss, and weights")
    for weighting in ("alignment", "separate", "simple", "easy"):
        for kernels in ("linear", "rbf", ("linear", "rbf")):
            model = MultipleKernelLearning.for_outcome(
                "multiclass", kernels=kernels, weighting=weighting, random_state=0
            ).fit(train, y)
            loss = float(model.task_.loss(truth, model.values(test)).mean())
            weights = ", ".join(f"{name} {w:.2f}" for name, w in model.weights_.items() if w)
            label = f"{weighting}, {kernels if isinstance(kernels, str) else ' + '.join(kernels)}"
            print(f"{label:26} {model.score(test, truth):6.3f} {loss:6.3f}  {weights}", flush=True)


def missing_error(alike: float, seed: int) -> list[float]:
    """Return squared error, as a share of the variance, with zeros alone and stretched.

    Three modalities of which 40 % is missing see a factor in common and one each, by the
    share `alike`; equal weights, and the best penalty for either.
    """
    rng = np.random.default_rng(seed)
    shared, own = rng.normal(size=400), rng.normal(size=(3, 400))
    y = 3 * np.sqrt(alike) * shared + np.sqrt(1 - alike) * own.sum(axis=0) + rng.normal(size=400)
    K, has = np.zeros((400, 400)), rng.random((3, 400)) >= 0.4
    for part, known in zip(own, has, strict=True):
        X = rng.normal(size=(400, 20))
        X[:, :5] += (np.sqrt(alike) * shared + np.sqrt(1 - alike) * part)[:, None]
        X = (X - X[known].mean(axis=0)) / X[known].std(axis=0) * known[:, None]
        K += X @ X.T / 20 / 3
    factor = stretch(np.full(3, 1 / 3), has)
    informed = np.flatnonzero(factor)
    train, test = informed[informed < 200], informed[informed >= 200]
    loss = SquaredLoss(y[train])
    best = []
    for kernel in (K, K * np.outer(factor, factor)):
        errors = []
        for penalty in (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1):
            fit = fit_on_kernel(loss, kernel[np.ix_(train, train)], len(train) * penalty)
            said = kernel[np.ix_(test, train)] @ fit.weights[:, 0] + fit.intercept[0]
            errors.append(float(((y[test] - said) ** 2).mean() / y[test].var()))
        best.append(min(errors))
    return best


def missing() -> None:
    print("\nSquared error with 40 % of the modalities missing: zeros alone, stretched, difference")
    for alike in (0.0, 0.5, 1.0):
        found = np.array([missing_error(alike, seed) for seed in range(20)])
        away = found[:, 1] - found[:, 0]
        zeros, stretched = found.mean(axis=0)
        error = away.std(ddof=1) / np.sqrt(len(away))
        print(f"alike {alike:.1f} {zeros:7.3f} {stretched:7.3f} {away.mean():+7.3f} ± {error:.3f}")


if __name__ == "__main__":
    beside_peers()
    scaling()
    missing()
    real()
