"""Small cohorts with every kind of outcome and every kind of gap, for tests of many methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table

NAMES = ("alpha", "beta", "gamma")


def outcome_of(kind: str, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an outcome of a kind that depends on a signal of variance about 1."""
    n = len(signal)
    if kind == "binary":
        return (signal + rng.logistic(size=n) * 0.5 > 0).astype(int)
    if kind == "multiclass":
        noisy = signal + 0.5 * rng.normal(size=n)
        return np.array(["high", "low", "mid"])[np.digitize(noisy, [-0.6, 0.6])]
    if kind == "continuous":
        return 3.0 + 2.0 * signal + 0.5 * rng.normal(size=n)
    event_time = rng.exponential(np.exp(-signal)) * 100 + 1
    censored = rng.exponential(200, size=n) + 1
    y = np.empty(n, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = event_time <= censored, np.minimum(event_time, censored)
    return y


def gappy_cohort(
    kind: str,
    n: int = 90,
    *,
    seed: int = 0,
    features: int = 4,
    missing: float = 0.25,
    nobody: float = 0.05,
    null: bool = False,
) -> tuple[Cohort, np.ndarray]:
    """Three tables with missing modalities and values, a text column, and patients without any."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    ids = np.array([f"p{i:04d}" for i in rng.permutation(n)])
    absent = rng.random(n) < nobody
    tables = {}
    for place, name in enumerate(NAMES):
        values = rng.normal(size=(n, features)) * 10.0**place
        values[:, 0] += shared * 10.0**place
        values[rng.random(values.shape) < 0.05] = np.nan
        frame = pd.DataFrame(values, index=ids, columns=[f"{name}{i}" for i in range(features)])
        if place == 0:
            frame["stage"] = np.where(rng.random(n) < 0.1, None, np.where(shared > 0, "II", "I"))
        measured = ~absent & (rng.random(n) >= missing)
        tables[name] = Table(frame[measured])
    signal = rng.normal(size=n) if null else shared
    patients = pd.DataFrame({"age": rng.integers(30, 80, n)}, index=ids)
    return Cohort(patients, tables), outcome_of(kind, signal, rng)


def complete_cohort(
    kind: str, n: int = 120, *, seed: int = 0, widths: Sequence[int] = (4, 6, 3)
) -> tuple[Cohort, np.ndarray, list[np.ndarray]]:
    """Tables without any gap, in the order of their ids, and the bare matrices."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    ids = [f"p{i:04d}" for i in range(n)]
    matrices, tables = [], {}
    for name, width in zip(NAMES, widths, strict=False):
        matrix = rng.normal(size=(n, width)) * rng.uniform(0.1, 30, width) + rng.normal(0, 5, width)
        matrix[:, 0] += 3 * shared * matrix[:, 0].std()
        matrices.append(matrix)
        columns = [f"{name}{i}" for i in range(width)]
        tables[name] = Table(pd.DataFrame(matrix, index=ids, columns=columns))
    cohort = Cohort(pd.DataFrame(index=ids), tables)
    return cohort, outcome_of(kind, shared, rng), matrices


def without(cohort: Cohort, name: str) -> Cohort:
    """Return a view in which the modality is there and measured nobody."""
    return cohort.with_modality(name, cohort.modalities[name].take(np.array([], dtype=np.intp)))


def replaced(cohort: Cohort, **frames: Any) -> Cohort:
    """Return the cohort with other tables in the place of some, or beside them."""
    for name, frame in frames.items():
        cohort = cohort.with_modality(name, Table(frame))
    return cohort
