"""What is known of a feature beside its values: which of them are plausible, and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from consilience.trust.number import EventWithin, Number, ProbabilityOf

Key: TypeAlias = tuple[str, str]  # modality, feature


class Plausible(NamedTuple):
    """Which values of a feature are plausible, and what a clinician calls it.

    Attributes
    ----------
    low, high : float or None
        The 1st and the 99th percentile of the training patients; None for a category.
    label : str
        What a clinician calls it; the feature's name where it is empty.
    unit : str
    levels : tuple of str
        Of a category.
    reference : (float or None, float or None)
        What is usual in the healthy; None on a side that has no end.
    """

    low: float | None = None
    high: float | None = None
    label: str = ""
    unit: str = ""
    levels: tuple[str, ...] = ()
    reference: tuple[float | None, float | None] = (None, None)


Bounds: TypeAlias = Plausible | tuple[float | None, float | None]


def plausible_each(given: Mapping[Key, Bounds] | None) -> dict[Key, Plausible]:
    """Return bounds with what else is known; plain pairs of numbers become `Plausible`."""
    return {key: Plausible(*bounds) for key, bounds in (given or {}).items()}


def name_of(key: Key, known: Plausible | None) -> str:
    """Return what a feature is called in a sentence."""
    return known.label if known is not None and known.label else key[1]


def with_unit(value: str, unit: str) -> str:
    """Return a value with its unit, as text."""
    return f"{value} {unit}" if unit else value


def told(number: Number, value: float) -> str:
    """Return a number as it is told: a probability as a percentage, a value with its unit."""
    if isinstance(number, ProbabilityOf | EventWithin):
        return f"{100 * value:.3g} %" if 0 < value < 0.01 else f"{100 * value:.0f} %"
    return with_unit(f"{value:.3g}", getattr(number, "unit", ""))


def told_change(number: Number, change: float) -> str:
    """Return how far a number moves, as it is told: a probability in percentage points."""
    if isinstance(number, ProbabilityOf | EventWithin):
        return f"{100 * change:.2g} percentage points"
    return with_unit(f"{change:.2g}", getattr(number, "unit", ""))
