"""Columns that are not what they seem: constants, codes, markers of missing values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.floating]

_SENTINELS = (-9999.0, -999.0, -99.0, -9.0, -1.0, 9.0, 99.0, 999.0, 9999.0, 99999.0)
_ALMOST_ALL = 0.9
_ENOUGH = 10


@dataclass(frozen=True)
class Suspicion:
    """Something about a column that a user should look at.

    Attributes
    ----------
    what : str
        One or two words, such as "constant" or "code for missing".
    why : str
        What was seen, with figures.
    """

    what: str
    why: str


def suspicions(values: pd.Series) -> tuple[Suspicion, ...]:
    """Return what is odd about a column of numbers, or of text with None for missing.

    Looked for: no value, one value, almost all missing; in numbers, codes such as -9 or
    999 and zeros that stand apart, values far from all others, few whole numbers from 1
    that may be categories; in text, ids, dates, numbers among it, and spellings that
    differ in case or blanks only.
    """
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        ordered = np.sort(numbers[~np.isnan(numbers)])
        constant = len(ordered) > 1 and bool(ordered[0] == ordered[-1])
        first = f"{ordered[0]:g}" if len(ordered) else ""
        odd = _of_any(len(ordered), len(values), first if constant else None)
        return (*odd, *_of_numbers(ordered))
    known = values.dropna().astype(str)
    constant = len(known) > 1 and known.nunique() == 1
    odd = _of_any(len(known), len(values), known.iloc[0] if constant else None)
    return (*odd, *_of_text(known)) if len(known) else tuple(odd)


def _of_any(n_known: int, n: int, always: str | None) -> Iterator[Suspicion]:
    if not n_known:
        yield Suspicion("empty", "no value")
    elif 1 - n_known / n >= _ALMOST_ALL:
        yield Suspicion("almost all missing", f"{1 - n_known / n:.0%} missing, {n_known} known")
    if always is not None:
        yield Suspicion("constant", f"always {always}")


def _of_numbers(ordered: FloatArray) -> Iterator[Suspicion]:
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    distinct, counts = ordered[starts], np.diff(starts, append=len(ordered))
    if len(distinct) < 3:
        return
    code = _code(distinct)
    if code is not None:
        times = int(counts[distinct == code][0])
        yield Suspicion("code for missing?", f"{code:g} stands apart from the rest, {times} times")
    elif _lone_zero(distinct, counts):
        yield Suspicion("zero for missing?", f"0 stands apart from the rest, {counts[0]} times")
    else:
        yield from _far_off(ordered)
    if _are_levels(distinct, len(ordered)):
        yield Suspicion(
            "codes of categories?", f"{len(distinct)} whole numbers from {distinct[0]:g}"
        )


def _code(distinct: FloatArray) -> float | None:
    """Return a usual code for missing that ends the range with a gap wider than the rest."""
    low_gap, high_gap = distinct[1] - distinct[0], distinct[-1] - distinct[-2]
    if distinct[-1] in _SENTINELS and high_gap > distinct[-2] - distinct[0]:
        return float(distinct[-1])
    negative_alone = distinct[0] < 0 <= distinct[1]
    wide = low_gap > distinct[-1] - distinct[1] or distinct[0] <= -9
    return float(distinct[0]) if distinct[0] in _SENTINELS and negative_alone and wide else None


def _lone_zero(distinct: FloatArray, counts: npt.NDArray[np.intp]) -> bool:
    """Whether 0 is the smallest value and further from the next than their middle half is wide."""
    rest = distinct[1:]
    if distinct[0] != 0 or len(rest) < _ENOUGH or counts[0] > 0.5 * counts.sum():
        return False
    low, high = np.quantile(np.repeat(rest, counts[1:]), [0.25, 0.75])
    return bool(rest[0] > high - low)


def _far_off(ordered: FloatArray) -> Iterator[Suspicion]:
    """Values with a robust z-score beyond 10 that also stand apart from all others.

    Amounts (nothing below zero) must do so as logarithms too: they are skewed by nature.
    """
    for end in (-1, 0):
        z = _isolation(ordered, end)
        if z > 10 and ordered[0] >= 0:
            z = min(z, _isolation(np.log1p(ordered), end))
        if z > 10:
            middle = np.median(ordered)
            why = f"{ordered[end]:g} is {z:.0f} robust deviations from {middle:g}"
            yield Suspicion("far off", why)


def _isolation(ordered: FloatArray, end: int) -> float:
    """Return the robust z-score of an end of the values, 0 unless a wide gap precedes it."""
    gap = abs(ordered[end] - ordered[-2 if end else 1])
    if len(ordered) < _ENOUGH or gap <= 0.5 * (ordered[-1] - ordered[0]):
        return 0.0
    middle = np.median(ordered)
    spread = 1.4826 * np.median(np.abs(ordered - middle))
    return float(abs(ordered[end] - middle) / spread) if spread > 0 else 0.0


def _are_levels(distinct: FloatArray, n: int) -> bool:
    """Whether a column holds a few whole numbers without a gap, as codes of categories do."""
    whole = np.array_equal(distinct, np.arange(distinct[0], distinct[0] + len(distinct)))
    return whole and distinct[0] >= 0 and 3 <= len(distinct) <= 12 and n >= 5 * len(distinct)


def _of_text(known: pd.Series) -> Iterator[Suspicion]:
    levels = known.unique()
    if len(levels) == len(known) and len(known) >= _ENOUGH:
        yield Suspicion("ids?", f"all {len(known)} texts differ")
    dates = known.str.match(r"^\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})")
    if dates.mean() > 0.5:
        yield Suspicion("dates", f"such as {known[dates].iloc[0]}")
    numbers = pd.to_numeric(known, errors="coerce").notna()
    if numbers.any() and not dates.any():
        which = known[numbers].iloc[0]
        yield Suspicion("numbers in text", f"{numbers.sum()} of {len(known)}, such as {which!r}")
    same = pd.Series(levels).str.strip().str.casefold()
    if same.duplicated().any():
        pair = [
            str(level) for level in levels[(same == same[same.duplicated()].iloc[0]).to_numpy()]
        ]
        yield Suspicion("spellings", f"{pair[0]!r} and {pair[1]!r} differ in case or blanks only")
