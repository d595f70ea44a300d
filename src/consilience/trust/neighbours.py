"""Patients who lie far closer to each other than unrelated patients would.

Around a patient with r the distance to his K-th neighbour among m others, unrelated
patients fall within a distance d of him K (d / r)^D times, where D is the intrinsic
dimension of the table (Levina and Bickel, "Maximum likelihood estimation of intrinsic
dimension", NIPS 2004). A pair is a near-duplicate if all n patients together would be
expected to give fewer than 1e-4 such pairs by chance, and d is below a third of r.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from consilience.cohort.modality import FloatArray, Positions
from consilience.trust.coincidence import some_rows

NEIGHBOURS = 10
FAR_BELOW = 1 / 3
MOST_COMPARED_WITH_ALL = 2_000
DIRECTIONS = 8
CHUNK = 1_000


@dataclass(frozen=True)
class NearPair:
    """Two patients, by position, and how many pairs as close are expected by chance."""

    first: int
    second: int
    expected: float
    known: npt.NDArray[np.bool_]


def near_pairs(values: FloatArray, seed: int, most_expected: float) -> list[NearPair]:
    """Find near-duplicates.

    Every patient is compared with every other up to 2,000 patients. Beyond, his six
    nearest in eight random directions are, in which a copy stays near whatever the
    number of features; of those, only the pairs far below the typical distance are
    followed up. There a missing value stands as the feature's median, so that a copy
    with other gaps may be missed.

    Parameters
    ----------
    values : ndarray of shape (n_patients, n_features)
        Features with many values; NaN is missing. Any scale.
    seed : int
        For the directions and the patients taken as a sample of all.
    most_expected : float
        How many pairs as close may be expected by chance.
    """
    n, width = values.shape
    if n <= NEIGHBOURS + 1 or width < 3:
        return []
    known = ~np.isnan(values)
    z = np.where(known, standardised(values), 0.0)
    sample = some_rows(n, MOST_COMPARED_WITH_ALL, seed)
    first, second = _candidates(z, known, sample, seed)
    if not len(first):
        return []
    dimension = _dimension(z, known, some_rows(n, CHUNK, seed))
    distance = _distance_of_pairs(z, known, first, second)
    scale = n / len(sample)
    patients, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    reach = _reach(z, known, patients, sample)[place].reshape(2, -1).min(axis=0)
    ratio = distance / reach
    expected = n * scale * NEIGHBOURS * ratio**dimension
    found = np.flatnonzero((ratio <= FAR_BELOW) & (expected <= most_expected))
    return [
        NearPair(
            int(first[i]), int(second[i]), float(expected[i]), known[first[i]] & known[second[i]]
        )
        for i in found
    ]


def standardised(values: FloatArray) -> FloatArray:
    """Return values centred and scaled feature by feature, long tails drawn in by arcsinh."""
    low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
    width = (high - low) / 1.349
    spread = np.nanstd(values, axis=0)
    scale = np.where(width > 0, width, np.where(spread > 0, spread, 1.0))
    drawn: FloatArray = np.arcsinh((values - middle) / scale)
    return drawn


def _candidates(
    z: FloatArray, known: npt.NDArray[np.bool_], sample: Positions, seed: int
) -> tuple[Positions, Positions]:
    """Return pairs worth a closer look, each once."""
    if len(sample) == len(z):
        squared = _squared_distances(z, known, sample, sample)
        np.fill_diagonal(squared, np.inf)
        nearest = np.argpartition(squared, 5, axis=1)[:, :5]
        first = np.repeat(np.arange(len(z), dtype=np.intp), 5)
        return _once(first, nearest.ravel())
    directions = np.random.default_rng(seed).standard_normal((z.shape[1], DIRECTIONS))
    shadow = z @ directions.astype(z.dtype)
    found = cKDTree(shadow).query(shadow, k=6)
    distance, near = np.asarray(found[0]), np.asarray(found[1])
    close = distance[:, 1:] < FAR_BELOW * np.median(distance[:, 5])
    row, column = np.nonzero(close)
    return _once(row, near[row, column + 1])


def _once(first: Positions, second: Positions) -> tuple[Positions, Positions]:
    pairs = np.sort(np.column_stack([first, second]), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return pairs[:, 0], pairs[:, 1]


def _distance_of_pairs(
    z: FloatArray, known: npt.NDArray[np.bool_], first: Positions, second: Positions
) -> FloatArray:
    """Return root mean squared differences over what both patients have; infinite if too little."""
    distance = np.empty(len(first))
    for start in range(0, len(first), CHUNK):
        a, b = first[start : start + CHUNK], second[start : start + CHUNK]
        both = known[a] & known[b]
        squares = np.where(both, (z[a] - z[b]) ** 2, 0.0).sum(axis=1)
        shared = both.sum(axis=1)
        enough = shared >= max(3, z.shape[1] / 2)
        mean = np.sqrt(squares / np.maximum(shared, 1))
        distance[start : start + CHUNK] = np.where(enough, mean, np.inf)
    return distance


def _squared_distances(
    z: FloatArray, known: npt.NDArray[np.bool_], rows: Positions, others: Positions
) -> FloatArray:
    """Return mean squared differences over what both have, (rows, others); infinite if nothing."""
    a, b = z[rows], z[others]
    if known.all():
        total = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T
        return np.asarray(np.maximum(total, 0.0) / z.shape[1])
    here, there = known[rows].astype(z.dtype), known[others].astype(z.dtype)
    total = (a**2) @ there.T + here @ (b**2).T - 2 * a @ b.T
    shared = here @ there.T
    return np.where(shared > 0, np.maximum(total, 0.0) / np.maximum(shared, 1), np.inf)


def _reach(
    z: FloatArray, known: npt.NDArray[np.bool_], rows: Positions, sample: Positions
) -> FloatArray:
    """Return each row's distance to its K-th neighbour in the sample, itself not counted."""
    reach = np.empty(len(rows))
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        squared = _squared_distances(z, known, part, sample)
        squared[part[:, None] == sample[None, :]] = np.inf
        reach[start : start + CHUNK] = np.partition(squared, NEIGHBOURS - 1, axis=1)[
            :, NEIGHBOURS - 1
        ]
    return np.sqrt(np.where(reach > 0, reach, np.finfo(float).tiny))


def _dimension(z: FloatArray, known: npt.NDArray[np.bool_], rows: Positions) -> float:
    """Return the intrinsic dimension: the median over patients of Levina and Bickel's estimate."""
    squared = _squared_distances(z, known, rows, rows)
    np.fill_diagonal(squared, np.inf)
    nearest = np.sqrt(np.sort(squared, axis=1)[:, :NEIGHBOURS])
    nearest = np.maximum(nearest, 1e-12)
    slope = np.log(nearest[:, -1:] / nearest[:, :-1]).mean(axis=1)
    return float(max(1.0, 1 / max(np.median(slope), 1e-3)))
