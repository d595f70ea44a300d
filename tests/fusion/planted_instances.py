"""Patients whose survival is told by a few instances of a bag, which a group of features names."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from consilience.cohort import Bag, Cohort, Table

FEATURES = 6
GROUPS = {"switch": ["switch_1", "switch_2"], "other": ["other_1", "other_2"]}


class Planted(NamedTuple):
    """A cohort, its outcome, and which instances of each patient tell it."""

    cohort: Cohort
    y: np.ndarray
    told: dict[str, np.ndarray]


def planted(n: int, seed: int, *, instances: int = 20, marked: int = 3) -> Planted:
    """Draw patients with two sorts of marked instances, red and blue, of whom one tells the risk.

    The first feature of an instance is its mark (3 red, -3 blue, else 0); the second is
    the patient's severity of that sort, and noise for instances without a mark. Which
    sort tells the risk is in the table's group "switch". The table's group "other" tells
    a little of the risk.
    """
    rng = np.random.default_rng(seed)
    ids = [f"p{i:04d}" for i in range(n)]
    red = rng.random(n) < 0.5
    severity = rng.standard_normal((n, 2))
    risk = np.where(red, severity[:, 0], severity[:, 1])
    counts = rng.integers(instances - 5, instances + 6, n)
    bags, told = [], {}
    for patient in range(n):
        values = rng.standard_normal((counts[patient], FEATURES))
        places = rng.permutation(counts[patient])[: 2 * marked].reshape(2, marked)
        values[:, 0] *= 0.3
        for sort, mark in enumerate((3.0, -3.0)):
            values[places[sort], 0] += mark
            values[places[sort], 1] = severity[patient, sort]
        bags.append(values)
        told[ids[patient]] = np.sort(places[0 if red[patient] else 1])
    switch = np.where(red, 1.0, -1.0)[:, None] + 0.3 * rng.standard_normal((n, 2))
    other = 0.3 * risk[:, None] + rng.standard_normal((n, 2))
    frame = pd.DataFrame(
        np.hstack([switch, other]), index=ids, columns=[*GROUPS["switch"], *GROUPS["other"]]
    )
    places = rng.uniform(0, 1e4, (counts.sum(), 2))
    slide = Bag(pd.Index(ids), np.concatenate(bags), counts, coordinates=places)
    y = np.empty(n, dtype=[("event", bool), ("time", float)])
    death = 1000 * rng.exponential(np.exp(-1.5 * risk))
    ends = rng.uniform(500, 4000, n)
    y["event"], y["time"] = death <= ends, np.minimum(death, ends) + 1
    cohort = Cohort(pd.DataFrame(index=ids), {"genes": Table(frame), "slide": slide})
    return Planted(cohort, y, told)
