"""Seconds that MOFA takes as patients, features, modalities and factors grow.

    python bench/scaling_mofa.py

Planted factors, 10% of the values and 20% of the modalities missing. Seconds are of one
processor's time: to fit, and to project all patients with the fitted model.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.fusion.factor_model import MOFA

BASE = {"patients": 200, "features": 500, "modalities": 3, "factors": 5}
STEPS = {
    "patients": (200, 400, 800, 1600),
    "features": (500, 1000, 2000, 5000),
    "modalities": (2, 3, 6, 12),
    "factors": (5, 10, 20),
}


def planted(patients: int, features: int, modalities: int, factors: int) -> Cohort:
    """Return a cohort of that many modalities of that many features each."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(patients, factors))
    ids = [f"p{i:05d}" for i in range(patients)]
    tables = {}
    for m in range(modalities):
        matrix = hidden @ rng.normal(size=(factors, features))
        matrix += 2 * rng.normal(size=matrix.shape)
        matrix[rng.random(matrix.shape) < 0.1] = np.nan
        frame = pd.DataFrame(matrix, index=ids, columns=[f"m{m}f{j}" for j in range(features)])
        tables[f"m{m}"] = Table(frame[rng.random(patients) < 0.8])
    return Cohort(pd.DataFrame(index=ids), tables)


def main() -> None:
    """Vary one size at a time, the others at the base."""
    print("base:", ", ".join(f"{value} {name}" for name, value in BASE.items()))
    MOFA(n_factors=2).fit(planted(30, 10, 2, 2))  # imports mofapy2
    for name, values in STEPS.items():
        for value in values:
            size = BASE | {name: value}
            cohort = planted(**size)
            start = time.process_time()
            model = MOFA(n_factors=size["factors"]).fit(cohort)
            fitted = time.process_time()
            model.transform(cohort)
            seconds = f"fit {fitted - start:.1f} s, project {time.process_time() - fitted:.2f} s"
            iterations = 5 * (len(model.bounds_) - 1)
            print(f"{value} {name}: {seconds}, {iterations} iterations", flush=True)


if __name__ == "__main__":
    sys.exit(main())
