"""Cohorts with known subtypes, for tests of methods that look for them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Table


def planted(
    n: int = 150,
    *,
    subtypes: int = 3,
    shift: float = 1.0,
    missing: float = 0.3,
    seed: int = 0,
) -> tuple[Cohort, npt.NDArray[np.intp]]:
    """Three modalities, 30 features each, of which 10 have a mean of their own a subtype.

    A modality misses each patient with probability `missing`; who would be left with
    nothing keeps one. Patients of subtype 0 live longest, and "grade" follows the subtype.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, subtypes, n)
    ids = np.array([f"p{i:04d}" for i in rng.permutation(n)])
    has = rng.random((n, 3)) >= missing
    has[~has.any(axis=1), 0] = True
    tables = {}
    for place in range(3):
        means = shift * rng.normal(size=(subtypes, 10))
        values = rng.normal(size=(n, 30))
        values[:, :10] += means[labels]
        measured = has[:, place]
        columns = [f"m{place}f{i}" for i in range(30)]
        frame = pd.DataFrame(values, index=ids, columns=columns)
        tables[f"m{place}"] = Table(frame[measured])
    died, censored = rng.exponential(np.exp(1.2 * (2 - labels))), rng.uniform(2, 20, n)
    patients = pd.DataFrame(
        {
            "grade": np.where(rng.random(n) < 0.8, labels, rng.integers(0, subtypes, n)),
            "age": rng.normal(60, 10, n),
            "sex": rng.choice(["f", "m"], n),
            "dead": (died <= censored).astype(int),
            "years": np.minimum(died, censored),
        },
        index=ids,
    )
    patients["grade"] = "G" + (patients["grade"] + 1).astype(str)
    return Cohort(patients, tables), labels


def mean_filled(cohort: Cohort) -> npt.NDArray[np.float64]:
    """Return all columns side by side, standardised, what is missing at the mean."""
    frames = [table.frame.reindex(cohort.index) for table in cohort.modalities.values()]
    whole = pd.concat(frames, axis=1)
    return ((whole - whole.mean()) / whole.std()).fillna(0.0).to_numpy()
