"""Which one number of a bundle's answer is told of a patient."""

from __future__ import annotations

from statistics import median_low

from consilience.errors import InputError
from consilience.study.bundle.documents import Manifest
from consilience.trust.number import EventWithin, Number, PredictedValue, ProbabilityOf


def shown_number(manifest: Manifest, label: str) -> Number:
    """Return the number: the probability of a class, of the event by the horizon, or the value.

    Parameters
    ----------
    manifest : Manifest
    label : str
        The class it is about; not read for values and survival. Of a binary outcome it is
        the event, "1"; of several classes the likeliest.

    Raises
    ------
    InputError
        If a survival bundle has no horizon.
    """
    outcome = manifest.outcome
    if manifest.kind == "continuous":
        return PredictedValue(outcome, manifest.unit)
    if manifest.kind == "survival":
        horizon = main_horizon(manifest)
        unit = manifest.unit or "days"
        return EventWithin(f"probability of {outcome} within {horizon:,.0f} {unit}", horizon)
    about = label if manifest.kind == "multiclass" else outcome
    return ProbabilityOf(f"probability of {about}", label)


def main_horizon(manifest: Manifest) -> float:
    """Return the study's horizon, or the middle one of those the bundle tells."""
    if manifest.horizon is not None:
        return manifest.horizon
    if not manifest.horizons:
        raise InputError(f"bundle {manifest.name!r}: it has no time at which survival is told.")
    return median_low(manifest.horizons)
