"""Cohorts with modules planted in them, as in the simulations of Zhang et al. (2011, 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.fusion.modules import Module

NAMES = ("rna", "meth", "mirna")


@dataclass(frozen=True)
class Planted:
    """The cohort, and by module the features of each modality and the patients."""

    cohort: Cohort
    features: list[dict[str, set[str]]]
    patients: list[set[str]]
    shares: np.ndarray  # W


def planted(
    n: int = 120,
    widths: Sequence[int] = (200, 120, 60),
    *,
    k: int = 4,
    noise: float = 0.5,
    scattered: float = 0.0,
    missing: float = 0.0,
    seed: int = 0,
) -> Planted:
    """Draw modules of a fifth of the patients and a tenth of each modality's features.

    An entry is the product of its patient's share and its feature's weight in each module,
    plus half-normal noise; `scattered` of the entries and `missing` of the modalities
    are taken away.
    """
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{i:03d}" for i in range(n)])
    W = _factor(n, n // 5, k, rng)
    tables, features = {}, [dict[str, set[str]]() for _ in range(k)]
    for name, width in zip(NAMES, widths, strict=True):
        H = _factor(width, width // 10, k, rng)
        values = W @ H.T + noise * np.abs(rng.normal(size=(n, width)))
        values[rng.random(values.shape) < scattered] = np.nan
        columns = np.array([f"{name}{j}" for j in range(width)])
        for module in range(k):
            features[module][name] = set(columns[H[:, module] > 0])
        here = rng.random(n) >= missing
        tables[name] = Table(pd.DataFrame(values[here], index=ids[here], columns=columns))
    patients = [set(ids[W[:, module] > 0]) for module in range(k)]
    return Planted(Cohort(pd.DataFrame(index=ids), tables), features, patients, W)


def _factor(rows: int, members: int, k: int, rng: np.random.Generator) -> np.ndarray:
    """Members of each module drawn one by one, so that modules overlap; weights from 1 to 2."""
    factor = np.zeros((rows, k))
    for module in range(k):
        chosen = rng.choice(rows, members, replace=False)
        factor[chosen, module] = rng.uniform(1, 2, members)
    return factor


def f1(found: set[str], truth: set[str]) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * len(found & truth) / (len(found) + len(truth))


def recovery(modules: Sequence[Module], truth: Planted) -> dict[str, float]:
    """Mean F1 of features by modality, and of patients, each planted module with its best match.

    The match is by features of all modalities together, one to one.
    """
    from scipy.optimize import linear_sum_assignment

    whole = [set().union(*planted.values()) for planted in truth.features]
    found = [{item.feature for item in module.loadings} for module in modules]
    score = np.array([[f1(own, real) for own in found] for real in whole])
    pairs = list(zip(*linear_sum_assignment(-score), strict=True))
    result = {
        name: float(
            np.mean([f1(set(modules[j].features(name)), truth.features[i][name]) for i, j in pairs])
        )
        for name in truth.cohort.modalities
    }
    result["all"] = float(np.mean([score[i, j] for i, j in pairs]))
    result["patients"] = float(
        np.mean([f1(set(modules[j].patients), truth.patients[i]) for i, j in pairs])
    )
    return result
