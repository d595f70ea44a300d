"""An outcome that no modality tells alone: what deep fusion sees and linear fusion cannot.

    python bench/planted.py

Two modalities each tell a hidden number, a and b, with noise; the outcome is whether a and b
have the same sign. On average over b, nothing of a matters to it, and the other way
round, so that a model that adds up what the modalities say is at chance.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.fusion import EarlyFusion, IntermediateFusion
from consilience.fusion.base import Fusion
from consilience.fusion.tuned import Tuned

CARRIERS, NOISE = 6, 4  # features a modality that tell the hidden number, and that do not
SPREAD = 0.5  # of the carriers' own noise


def interaction_cohort(
    n: int, *, missing: float = 0.0, seed: int = 0
) -> tuple[Cohort, FloatArray, FloatArray]:
    """Return patients, whether their hidden numbers agree in sign, and the best score there is.

    Parameters
    ----------
    n : int
    missing : float
        Share of the pairs of patient and modality not measured.
    seed : int

    Returns
    -------
    cohort : Cohort
        Modalities "left" and "right".
    y : ndarray of int, (n,)
    best : ndarray of shape (n,)
        The product of the means of the carriers: it ranks patients about as well as
        can be.
    """
    rng = np.random.default_rng(seed)
    ids = [f"p{i:05d}" for i in range(n)]
    hidden = {name: rng.standard_normal(n) for name in ("left", "right")}
    tables, means = {}, []
    for name, number in hidden.items():
        values = rng.standard_normal((n, CARRIERS + NOISE))
        values[:, :CARRIERS] = number[:, None] + SPREAD * values[:, :CARRIERS]
        columns = [f"{name}{i}" for i in range(values.shape[1])]
        frame = pd.DataFrame(values, index=ids, columns=columns)
        measured = rng.random(n) >= missing
        tables[name] = Table(frame[measured])
        means.append(np.where(measured, values[:, :CARRIERS].mean(axis=1), 0.0))
    y = (hidden["left"] * hidden["right"] > 0).astype(int)
    return Cohort(pd.DataFrame(index=ids), tables, name="interaction"), y, means[0] * means[1]


def linear() -> Fusion:
    """Return early fusion with ridge logistic regression, its penalty by cross-validation."""
    ridge = Tuned(LogisticRegression(max_iter=1000), {"C": [1e-4, 1e-3, 1e-2, 0.1, 1.0]})
    return EarlyFusion(ridge)


def auroc(model: Fusion, n: int = 600, n_new: int = 2000, seed: int = 0) -> float:
    """Return the AUROC among new patients of a model fitted on n."""
    cohort, y, _ = interaction_cohort(n, seed=seed)
    new, truth, _ = interaction_cohort(n_new, seed=seed + 10_000)
    return float(roc_auc_score(truth, model.fit(cohort, y).predict_proba(new)[:, 1]))


def main() -> None:
    """Print a row a model and number of patients: mean over five cohorts, lowest and highest."""
    models = {
        "early, ridge logistic": linear(),
        **{
            f"intermediate, {way}": IntermediateFusion("binary", fusion=way)
            for way in ("concatenation", "gating", "bilinear")
        },
    }
    for n in (200, 400, 600, 1000):
        for name, model in models.items():
            found = [auroc(model, n, seed=seed) for seed in range(5)]
            print(f"n {n:5d}  {name:30s} {np.mean(found):.3f} ({min(found):.3f}, {max(found):.3f})")
    _, truth, best = interaction_cohort(2000, seed=10_000)
    print(f"the best score there is: {roc_auc_score(truth, best):.3f}")


if __name__ == "__main__":
    main()
