"""Cohorts made of known factors: some that all modalities share, one that each has alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Table

NAMES = ("alpha", "beta", "gamma")


class Planted(NamedTuple):
    """A cohort and what made it: shared (n, 2), and private (n,) by modality."""

    cohort: Cohort
    shared: npt.NDArray[np.float64]
    private: dict[str, npt.NDArray[np.float64]]


def planted(n: int = 400, *, features: int = 12, noise: float = 0.5, seed: int = 0) -> Planted:
    """Draw features that are linear in two shared factors and one private one, and noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 2))
    ids = [f"p{i:04d}" for i in range(n)]
    tables, private = {}, {}
    for name in NAMES:
        private[name] = rng.normal(size=n)
        values = shared @ rng.normal(size=(2, features))
        values += np.outer(private[name], rng.normal(size=features))
        values += noise * rng.normal(size=values.shape)
        columns = [f"{name}{i}" for i in range(features)]
        values = 40 + 7 * values
        tables[name] = Table(pd.DataFrame(values, index=ids, columns=columns))
    return Planted(Cohort(pd.DataFrame(index=ids), tables), shared, private)


def explained(latents: npt.NDArray[np.float64], factors: npt.NDArray[np.float64]) -> float:
    """Return the mean R² of factors regressed on latents."""
    columns = np.column_stack([np.ones(len(latents)), latents])
    factors = factors.reshape(len(factors), -1)
    left = factors - columns @ np.linalg.lstsq(columns, factors, rcond=None)[0]
    return float(np.mean(1 - left.var(axis=0) / factors.var(axis=0)))
