"""Numbers and names as a reader wants them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from typing import TypeGuard

from consilience.study.finding import CandidateFinding, Estimate, Finding

UNDEFINED = "not defined"


def number(value: float | None, among: Iterable[float | None] = ()) -> str:
    """Return a number with three digits of what matters.

    Parameters
    ----------
    value : float, optional
    among : iterable of float
        The numbers it stands beside; all are given as many decimals as the largest needs.
    """
    if not _known(value):
        return UNDEFINED
    size = max(abs(other) for other in (value, *among) if _known(other))
    return _minus(f"{value:,.{_decimals(size)}f}")


def signed(value: float | None, among: Iterable[float | None] = ()) -> str:
    """Return a difference, its sign always shown."""
    text = number(value, among)
    return f"+{text}" if _known(value) and value > 0 and text.strip("0.") else text


def with_interval(
    estimate: Estimate | None, *, difference: bool = False, among: Iterable[float | None] = ()
) -> str:
    """Return '0.712 (0.650 to 0.770)', or the number alone where it has no interval.

    Parameters
    ----------
    estimate : Estimate, optional
    difference : bool
        Whether to show the sign.
    among : iterable of float
        The numbers of the rows beside it; see `number`.
    """
    if estimate is None or not _known(estimate.estimate):
        return UNDEFINED
    write = signed if difference else number
    beside = (estimate.estimate, estimate.low, estimate.high, *among)
    middle = write(estimate.estimate, beside)
    if not (_known(estimate.low) and _known(estimate.high)):
        return f"{middle} (no interval)"
    return f"{middle} ({write(estimate.low, beside)} to {write(estimate.high, beside)})"


def count(value: int | None) -> str:
    """Return a count with thousands set apart, or a dash."""
    return "–" if value is None else f"{value:,}"


def p_value(value: float | None) -> str:
    """Return a p-value as journals print it."""
    if value is None or not math.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def p_clause(value: float) -> str:
    """Return 'p = 0.012' or 'p < 0.001'."""
    told = p_value(value)
    return f"p {told}" if told.startswith("<") else f"p = {told}"


def percent(share: float) -> str:
    """Return a share as a whole percentage."""
    return f"{100 * share:.0f}%"


def plain(name: object) -> str:
    """Return a name on one line, without characters that no page can show."""
    kept = (" " if character.isspace() else character for character in str(name))
    return " ".join("".join(c for c in kept if unicodedata.category(c) != "Cc").split())


def duration(seconds: float) -> str:
    """Return a time as '1 h 5 min', '3 min 4 s' or '12 s'."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def subject(finding: Finding) -> CandidateFinding | None:
    """Return the candidate that the verdict is about: the best fused, else the best single."""
    for name in (finding.verdict.best_fused, finding.verdict.best_single):
        for candidate in finding.candidates:
            if candidate.name == name:
                return candidate
    return None


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _decimals(size: float) -> int:
    if size >= 1000:
        return 0
    if size >= 10:
        return 1 if size >= 100 else 2
    return 3 if size >= 0.01 or size == 0 else min(12, 1 - math.floor(math.log10(size)))


def _minus(text: str) -> str:
    """Return a number with a real minus sign, and no minus before zero."""
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    return text.replace("-", "−", 1) if text.startswith("-") else text
