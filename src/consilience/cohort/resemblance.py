"""Patients who look alike, and columns that say the same."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.table import Table

FloatArray = npt.NDArray[np.floating]

_MOST_PATIENTS = 5000
_MOST_FEATURES = 2000
_FEWEST_FEATURES = 5
_BLOCK = 256
_CLOSE = 0.05


@dataclass(frozen=True)
class Alike:
    """Two patients with almost the same measurements.

    Attributes
    ----------
    first, second : str
        Their ids.
    modality : str
        In which table.
    distance : float
        Distance between them, as a share of the usual distance of a patient to the one
        most like him; 0 if their measurements are equal.
    """

    first: str
    second: str
    modality: str
    distance: float


def alike_patients(table: Table, name: str) -> tuple[Alike, ...]:
    """Return pairs of patients whose measurements are almost the same.

    Distances are Euclidean over standardised numeric features with more than ten
    values; missing values count as the mean. A pair is alike if its distance is under
    5 % of the median distance to a nearest neighbour. Tables with fewer than five such
    features tell nothing; in tables of more than 5,000 patients only equal rows are
    found.
    """
    values = _informative(table.numeric)
    if values is None:
        return ()
    if len(values) > _MOST_PATIENTS:
        pairs = _equal_rows(values)
    else:
        pairs = _close_rows(_standardised(values))
    ids = table.index
    return tuple(Alike(str(ids[i]), str(ids[j]), name, share) for i, j, share in pairs)


def equal_columns(frame: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    """Return groups of columns that hold the same values; constant ones are left aside."""
    groups: dict[bytes, list[str]] = {}
    for name, values in frame.items():
        key = _content(values)
        if key is not None:
            groups.setdefault(key, []).append(str(name))
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _content(values: pd.Series) -> bytes | None:
    """Return bytes that are the same for equal columns; None for a column of one value."""
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan) + 0.0  # -0.0 is 0.0
        known = numbers[~np.isnan(numbers)]
        varied = len(known) > 1 and bool((known != known[0]).any())
        return sha256(numbers.tobytes()).digest() if varied else None
    if values.dropna().nunique() < 2:
        return None
    return sha256(repr(values.fillna(np.nan).tolist()).encode()).digest()


def _informative(values: FloatArray) -> FloatArray | None:
    """Return the columns with more than ten values, or None if they are too few to tell."""
    sample = values[:200]
    varied = [i for i in range(values.shape[1]) if len(np.unique(sample[:, i])) > 10]
    if len(varied) < _FEWEST_FEATURES or len(values) < 10:
        return None
    return np.asarray(values[:, varied[:_MOST_FEATURES]], dtype=float)


def _standardised(values: FloatArray) -> FloatArray:
    centred = values - np.nanmean(values, axis=0)
    spread = np.nanstd(values, axis=0)
    scaled: FloatArray = np.nan_to_num(centred / np.where(spread > 0, spread, 1))
    return scaled


def _close_rows(z: FloatArray) -> list[tuple[int, int, float]]:
    nearest = np.empty(len(z))
    pairs: list[tuple[int, int, float]] = []
    norms = (z**2).sum(axis=1)
    partner = np.empty(len(z), dtype=np.intp)
    for start in range(0, len(z), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(z)))
        squared = norms[rows][:, None] + norms - 2 * z[rows] @ z.T
        squared[np.arange(len(rows)), rows] = np.inf
        partner[rows] = squared.argmin(axis=1)
        nearest[rows] = np.sqrt(np.maximum(squared.min(axis=1), 0))
    usual = float(np.median(nearest))
    for i in np.flatnonzero(nearest <= _CLOSE * usual) if usual > 0 else ():
        # Taken anew: the expanded square above loses digits where two rows are close.
        share = float(np.linalg.norm(z[i] - z[partner[i]])) / usual
        if partner[partner[i]] != i or i < partner[i]:
            pairs.append((int(i), int(partner[i]), share))
    return pairs


def _equal_rows(values: FloatArray) -> list[tuple[int, int, float]]:
    seen: dict[bytes, int] = {}
    pairs = []
    for i, row in enumerate(np.nan_to_num(values, nan=-0.12345)):
        first = seen.setdefault(row.tobytes(), i)
        if first != i:
            pairs.append((first, i, 0.0))
    return pairs
