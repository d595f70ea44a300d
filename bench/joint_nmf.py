"""An iteration of joint NMF against scikit-learn's NMF on the same stacked matrix; and whole fits.

Run: ``python bench/joint_nmf.py``.

The two start from the same factors and make the same number of iterations, in turns; BLAS
has one thread for both. Then the same with gaps, which scikit-learn cannot take, and how
long a whole fit takes as patients, features, modalities and components grow.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from consilience.cohort import Cohort, Table
from consilience.fusion.joint_nmf import JointNMF
from consilience.fusion.numerics.masked_nmf import Joined, Penalty, factorise

MOST = 1.5  # times scikit-learn's iteration
ITERATIONS = 20
ROUNDS = 7
SHAPES = (
    ("150 x (200, 184, 142)", 150, (200, 184, 142), 10),
    ("500 x (2000, 2000, 1000)", 500, (2000, 2000, 1000), 10),
    ("500 x (2000, 2000, 1000)", 500, (2000, 2000, 1000), 30),
    ("2000 x (3000, 3000)", 2000, (3000, 3000), 10),
)


def blocks_of(n: int, widths: tuple[int, ...], k: int, *, scattered=0.0, missing=0.0):
    rng = np.random.default_rng(0)
    W = rng.gamma(0.5, size=(n, k))
    blocks = []
    for width in widths:
        block = W @ rng.gamma(0.5, size=(k, width)) + rng.random((n, width))
        block[rng.random(block.shape) < scattered] = np.nan
        block[rng.random(n) < missing] = np.nan
        blocks.append(block)
    return blocks


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def in_turns(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median time of each, in milliseconds an iteration; one run is not counted."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: 1000 * median(times) / ITERATIONS for name, times in taken.items()}


def iterations(n: int, widths: tuple[int, ...], k: int) -> tuple[dict[str, float], float]:
    """Return milliseconds an iteration, and the difference of the two fits' errors."""
    rng = np.random.default_rng(1)
    W, H = rng.random((n, k)), rng.random((sum(widths), k))
    none = Penalty.none(sum(widths))
    whole = blocks_of(n, widths, k)
    X = np.hstack(whole)
    gaps = {
        "whole": Joined.of(whole),
        "20 % of values missing": Joined.of(blocks_of(n, widths, k, scattered=0.2)),
        "30 % of modalities missing": Joined.of(blocks_of(n, widths, k, missing=0.3)),
    }

    def ours(joined: Joined, sweeps: int):
        return factorise(joined, (W, H), none, max_iter=ITERATIONS, tol=-1, sweeps=sweeps)

    def theirs() -> float:
        peer = NMF(k, init="custom", solver="cd", shuffle=False, max_iter=ITERATIONS, tol=0)
        peer.fit_transform(X, W=W.copy(), H=H.T.copy())
        return peer.reconstruction_err_

    works: dict[str, Callable[[], object]] = {"scikit-learn": theirs}
    works["the same sweeps"] = lambda: ours(gaps["whole"], 1)
    for name, joined in gaps.items():
        works[name] = lambda joined=joined: ours(joined, 2)
    error = np.sqrt(2 * ours(gaps["whole"], 1).objective[-1])
    return in_turns(works), abs(error / theirs() - 1)


def cohort_of(n: int, widths: tuple[int, ...]) -> Cohort:
    ids = [f"p{i:05d}" for i in range(n)]
    tables = {
        f"m{m}": Table(pd.DataFrame(block, ids, [f"m{m}f{j}" for j in range(block.shape[1])]))
        for m, block in enumerate(blocks_of(n, widths, 8, missing=0.2))
    }
    return Cohort(pd.DataFrame(index=ids), tables)


def scaling() -> None:
    print("\nA whole fit, five restarts, a fifth of the modalities missing:\n")
    print("| patients | features | modules | seconds to fit | to place as many |")
    print("|---|---|---|---|---|")
    JointNMF(n_components=3).fit(cohort_of(50, (20, 20)))  # compiled once
    for n, widths, k in (
        (100, (200,) * 3, 5),
        (500, (200,) * 3, 5),
        (2000, (200,) * 3, 5),
        (500, (2000,) * 3, 5),
        (500, (10_000,) * 3, 5),
        (500, (2000,) * 3, 20),
        (500, (2000,) * 6, 5),
    ):
        cohort = cohort_of(n, widths)
        model = JointNMF(n_components=k)
        fit = seconds(lambda model=model, cohort=cohort: model.fit(cohort))
        place = seconds(lambda model=model, cohort=cohort: model.transform(cohort))
        print(
            f"| {n} | {len(widths)} × {widths[0]:,} | {k} | {fit:.2f} | {place:.2f} |", flush=True
        )


def main() -> None:
    worst = 0.0
    print("Milliseconds an iteration; 2 sweeps of each factor an iteration, which is the default,")
    print("but for 'the same sweeps' (1), where both take the same steps.\n")
    for name, n, widths, k in SHAPES:
        times, apart = iterations(n, widths, k)
        peer = times["scikit-learn"]
        print(f"{name}, {k} components (errors agree to {apart:.0e})")
        for what, taken in times.items():
            print(f"  {what:28} {taken:9.2f} ms  {taken / peer:6.2f} x")
        worst = max(worst, times["whole"] / peer)
        print(flush=True)
    print(f"most, with nothing missing: {worst:.2f} x (bound {MOST} x)")
    scaling()
    if worst > MOST:
        raise SystemExit(1)


if __name__ == "__main__":
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        main()
