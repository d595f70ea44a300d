"""Cooperative learning: speed beside R multiview's times, memory, and the paper's regimes.

``python -m bench.cooperative`` prints the tables; ``regimes`` alone repeats the simulations of
Ding et al. (2022): 200 patients to learn from, two modalities of 500 features, 30 of each
with shared factors, and the squared distance from the true mean in 2,000 new patients.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

REGIMES = {  # factor t, effects of x and z, signal to noise
    "A: related, both carry signal": (2.0, 2.0, 2.0, 1.8),
    "B: unrelated, both carry signal": (0.0, 2.0, 2.0, 1.0),
    "C: strongly related, x alone carries signal": (6.0, 2.0, 0.0, 3.5),
}
R_SECONDS = {"gaussian": 0.035, "binomial": 29.8}  # multiview 0.8, two cores


def _path(design, family, rho, **options):
    from consilience.fusion.numerics.cooperative_path import Penalty, begin, follow, lambda_path

    start = begin(design, family, Penalty(rho, np.ones(len(design.columns)), **options))
    return follow(start, lambda_path(start, 100, None), whole=True)


def _best_of(repeats, call):
    call()  # compiles
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def breast(repeats=7):
    """Time a path of 100 penalties at rho .5 on breast-tcga, three modalities."""
    from bench.loaders import breast_tcga

    from consilience.fusion.blocks import Blocks
    from consilience.fusion.numerics.cooperative_path import stacked
    from consilience.fusion.numerics.families import Binomial, Gaussian

    cohort, _ = breast_tcga()
    names = ["mrna", "protein", "mirna"]
    blocks = Blocks(names, {}).fit(cohort).matrices(cohort)
    basal = Binomial.of((cohort.patients["subtype"] == "Basal").to_numpy())
    without = {**blocks, "mrna": blocks["mrna"][:, 1:]}
    first = Gaussian.of(blocks["mrna"][:, 0])
    for name, part, family in (("gaussian", without, first), ("binomial", blocks, basal)):
        design = stacked(part)
        seconds = _best_of(repeats, lambda d=design, f=family: _path(d, f, 0.5))
        ratio = R_SECONDS[name] / seconds
        print(f"breast-tcga {name}: {seconds:.3f} s; R {R_SECONDS[name]} s; ratio {ratio:.1f}")


def wide(n=500, p=10_000, modalities=3):
    """Run a Gaussian path of a wide design here; print processor seconds and peak memory."""
    from consilience.fusion.numerics.cooperative_path import Design
    from consilience.fusion.numerics.families import Gaussian

    rng = np.random.default_rng(0)
    columns = rng.normal(size=(p * modalities, n))
    columns -= columns.mean(axis=1, keepdims=True)
    columns /= columns.std(axis=1, keepdims=True)
    place = np.repeat(np.arange(modalities), p)
    y = sum(columns[m * p : m * p + 10].sum(axis=0) for m in range(modalities))
    y = y + rng.normal(size=n) * y.std()
    design = Design(columns, place, np.ones((modalities, n), dtype=bool))
    small = Design(columns[:30, :50].copy(), place[:30], design.present[:, :50].copy())
    _path(small, Gaussian.of(y[:50]), 0.5)  # compiles
    began = time.process_time()
    fitted = _path(design, Gaussian.of(y), 0.5)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        json.dumps(
            {"n": n, "p": p, "modalities": modalities, "seconds": round(seconds, 3)}
            | {"peak_gb": round(peak, 2), "converged": bool(fitted.converged.all())}
        )
    )


def scaling():
    """Run `wide` in fresh processes as n, p and the number of modalities grow."""
    for n, p, m in [
        (200, 500, 3), (500, 500, 3), (2000, 500, 3), (500, 100, 3), (500, 2000, 3),
        (500, 10_000, 3), (500, 2000, 2), (500, 2000, 6),
    ]:  # fmt: skip
        code = f"from bench.cooperative import wide; wide({n}, {p}, {m})"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        print(done.stdout.strip() or done.stderr.strip()[-300:], flush=True)


def regimes(sets=10, seed=20220919):
    """Compare with early and late fusion in the paper's three regimes."""
    from sklearn.linear_model import LassoCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from tests.fusion.test_cooperative import cohort_of, drawn, late

    from consilience.fusion.cooperative import CooperativeLearning

    for title, (t, b_x, b_z, ratio) in REGIMES.items():
        rng = np.random.default_rng(seed)
        rows, rhos = [], []
        sigma = np.sqrt(30 * (b_x**2 + b_z**2 + t**2 * (b_x + b_z) ** 2) / ratio)
        for _ in range(sets):
            x, z, mean, y = drawn(rng, 2200, 500, t, b_x, b_z, sigma)
            learn, new = slice(0, 200), slice(200, None)
            train, test = cohort_of(x=x[learn], z=z[learn]), cohort_of(x=x[new], z=z[new])
            options = {"folds": 10, "random_state": 0}
            ours = CooperativeLearning(**options).fit(train, y[learn])
            alone = make_pipeline(StandardScaler(), LassoCV(cv=10))
            said = {
                "cooperative": ours.predict(test),
                "early": CooperativeLearning(rho=0.0, **options).fit(train, y[learn]).predict(test),
                "late": late(x[learn], z[learn], y[learn], x[new], z[new]),
                "x alone": alone.fit(x[learn], y[learn]).predict(x[new]),
            }
            rows.append([np.mean((value - mean[new]) ** 2) for value in said.values()])
            rhos.append(ours.rho_)
        errors = np.array(rows)
        spread = errors.std(axis=0, ddof=1) / np.sqrt(sets)
        cells = [
            f"{k} {m:.0f} ({s:.0f})" for k, m, s in zip(said, errors.mean(0), spread, strict=True)
        ]
        best = errors[:, 1:3][:, int(np.argmin(errors.mean(axis=0)[1:3]))]
        away = errors[:, 0] - best
        cells.append(f"less the better: {away.mean():.0f} ({away.std(ddof=1) / sets**0.5:.0f})")
        print(f"{title}: " + "; ".join(cells) + f"; rho {rhos}", flush=True)


if __name__ == "__main__":
    for part in sys.argv[1:] or ["breast", "scaling", "regimes"]:
        {"breast": breast, "scaling": scaling, "regimes": regimes}[part]()
