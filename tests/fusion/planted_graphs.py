"""Planted truth for graphs: groups of patients, and pathways of features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table

SIZE, PATHWAYS = 25, 16


def cohort_of(blocks: dict[str, np.ndarray]) -> Cohort:
    """Return a cohort of tables."""
    ids = [f"p{i:04d}" for i in range(len(next(iter(blocks.values()))))]
    tables = {
        name: Table(
            pd.DataFrame(values, index=ids, columns=[f"{name}{i}" for i in range(values.shape[1])])
        )
        for name, values in blocks.items()
    }
    return Cohort(pd.DataFrame(index=ids), tables)


def grouped(
    seed: int, n: tuple[int, int] = (120, 400), groups: int = 12, d: int = 100
) -> list[tuple[Cohort, np.ndarray]]:
    """Return cohorts of patients in noisy groups; half of the groups, drawn, have the outcome.

    The outcome is smooth on the graph of who resembles whom, and nearly linear in nothing.
    """
    rng = np.random.default_rng(seed)
    centres = {name: rng.normal(size=(groups, d)) for name in "ab"}
    outcome = rng.permutation(np.arange(groups) % 2)
    found = []
    for size in n:
        group = rng.integers(0, groups, size)
        blocks = {name: c[group] + 2.0 * rng.normal(size=(size, d)) for name, c in centres.items()}
        found.append((cohort_of(blocks), outcome[group]))
    return found


def spread_thinly(
    seed: int, n: tuple[int, int] = (200, 600)
) -> tuple[list[tuple[Cohort, np.ndarray]], list[tuple[str, str]]]:
    """Return cohorts whose outcome is the sum of one pathway a table, and who works with whom.

    Each of the 25 features of the pathway counts little; 375 others of the table
    count nothing. Every feature is tied to about eight of its own pathway.
    """
    rng = np.random.default_rng(seed)
    found = []
    for size in n:
        blocks = {name: rng.normal(size=(size, SIZE * PATHWAYS)) for name in "ab"}
        score = sum(values[:, :SIZE].sum(axis=1) for values in blocks.values())
        noisy = score + 0.5 * np.std(score) * rng.normal(size=size)
        found.append((cohort_of(blocks), (noisy > 0).astype(int)))
    edges = [
        (f"{name}{pathway * SIZE + one}", f"{name}{pathway * SIZE + int(other)}")
        for name in "ab"
        for pathway in range(PATHWAYS)
        for one in range(SIZE)
        for other in rng.choice(SIZE, 4, replace=False)
        if one != other
    ]
    return found, edges
