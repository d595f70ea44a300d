"""How a column of patients becomes groups."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

MOST_LEVELS = 6
MISSING = "missing"


@dataclass(frozen=True)
class Stratum:
    """Some patients and what they have in common.

    Attributes
    ----------
    label : str
        "female", "over 52 to 64", "missing", "other (4 levels)".
    members : ndarray of bool, shape (n_patients,)
    """

    label: str
    members: npt.NDArray[np.bool_]


def strata_of(column: pd.Series) -> list[Stratum]:
    """Cut a column of patients into groups that together hold everybody once.

    Numbers with more than six values are cut at their tertiles, rounded to what a person
    would write as far as that moves them by less than a twentieth of the middle half of
    the values; other columns by their values, of which the six most frequent stand alone
    and the others together. A missing value is a group of its own.

    Parameters
    ----------
    column : Series of shape (n_patients,)
    """
    absent = column.isna().to_numpy()
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    many = numeric and column.nunique() > MOST_LEVELS
    strata = list(_thirds(column.to_numpy(dtype=float)) if many else _levels(column))
    return strata + ([Stratum(MISSING, absent)] if absent.any() else [])


def _thirds(values: npt.NDArray[np.floating]) -> Iterator[Stratum]:
    edges = [-math.inf, *tertiles(values), math.inf]
    for start, stop in itertools.pairwise(edges):
        members = (values > start) & (values <= stop)
        if members.any():
            yield Stratum(span(start, stop), members)


def tertiles(values: npt.NDArray[np.floating]) -> tuple[float, ...]:
    """Return where numbers are cut into thirds, rounded as `strata_of` says; NaN do not count."""
    low, first, second, high = np.nanquantile(values, [0.25, 1 / 3, 2 / 3, 0.75])
    unit = _round_unit(float(high - low) / 10)
    return tuple(sorted({_rounded(float(cut), unit) for cut in (first, second)}))


def _round_unit(most: float) -> float:
    """Return the largest of ..., 0.1, 0.2, 0.5, 1, 2, 5, 10, ... that is at most `most`."""
    if most <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def _rounded(cut: float, unit: float) -> float:
    return float(f"{round(cut / unit) * unit:.12g}") if unit > 0 else cut


def span(start: float, stop: float) -> str:
    """Return the numbers above `start` and up to `stop`, in words."""
    if math.isinf(start):
        return "all" if math.isinf(stop) else f"up to {stop:g}"
    return f"over {start:g}" if math.isinf(stop) else f"over {start:g} to {stop:g}"


def _levels(column: pd.Series) -> Iterator[Stratum]:
    counts = column.value_counts()  # the most frequent first, missing ones not counted
    names = sorted(counts.index, key=lambda level: (-counts[level], str(level)))
    alone = names if len(names) <= MOST_LEVELS + 1 else names[:MOST_LEVELS]
    for level in alone:
        yield Stratum(_written(level), (column == level).to_numpy(dtype=bool, na_value=False))
    rest = names[len(alone) :]
    if rest:
        yield Stratum(f"other ({len(rest)} levels)", column.isin(rest).to_numpy(dtype=bool))


def _written(level: object) -> str:
    text = f"{level:g}" if isinstance(level, float) else str(level)
    return f"{text!r} (the word)" if text == MISSING else text
