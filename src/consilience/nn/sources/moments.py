"""Means and scales of what does not fit into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.cohort.modality import FloatArray

ROWS = 16_384  # turned into double precision at a time


class Moments:
    """Mean and variance a column, of rows that come in pieces (Chan et al., 1983, eq. 1.5).

    Values that are not finite are passed over.

    Parameters
    ----------
    width : int
        Number of columns.

    Attributes
    ----------
    count, mean : ndarray of shape (width,)
    """

    def __init__(self, width: int) -> None:
        self.count = np.zeros(width)
        self.mean = np.zeros(width)
        self._squares = np.zeros(width)

    def add(self, rows: FloatArray) -> None:
        """Count rows in, (n, width)."""
        for start in range(0, len(rows), ROWS):
            self._add(rows[start : start + ROWS].astype(float))

    def _add(self, rows: FloatArray) -> None:
        known = np.isfinite(rows)
        count = known.sum(axis=0)
        mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(known, rows - mean, 0.0) ** 2).sum(axis=0)
        total = np.maximum(self.count + count, 1)
        apart = mean - self.mean
        self._squares += squares + apart**2 * self.count * count / total
        self.mean = self.mean + apart * count / total
        self.count = self.count + count

    def scale(self) -> FloatArray:
        """Return the standard deviation a column, and 1 for one that does not vary."""
        spread = np.sqrt(self._squares / np.maximum(self.count, 1))
        flat = spread <= 1e-12 * (1 + np.abs(self.mean))
        return np.where(flat, 1.0, spread)


def standardised(
    values: npt.NDArray[Any], mean: FloatArray, scale: FloatArray
) -> npt.NDArray[np.float32]:
    """Return values, (..., width), less the mean and over the scale, in single precision."""
    out = values.astype(np.result_type(values.dtype, np.float32))  # a large mean needs its digits
    out -= mean.astype(out.dtype)
    out /= scale.astype(out.dtype)
    return out.astype(np.float32, copy=False)


def evenly(n: int, most: int) -> npt.NDArray[np.intp]:
    """Return at most so many of n positions, evenly spaced; all of them if they are few."""
    if n <= most:
        return np.arange(n)
    return (np.arange(most) * n // most).astype(np.intp)
