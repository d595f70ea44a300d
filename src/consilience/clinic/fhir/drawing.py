"""Drawing a feature's value: within its training range, or near that of somebody alike."""

from __future__ import annotations

import math

import numpy as np

from consilience.clinic.fhir.mapping import Value
from consilience.cohort import Cohort, Table
from consilience.study.bundle.schema import FeatureSchema

_BINARY_SHARE = 0.3  # where nothing says how common it is


def drawn(
    feature: FeatureSchema,
    rng: np.random.Generator,
    like: Cohort | None,
    place: tuple[str, int],
) -> Value | None:
    """Return a value such as training patients had; None where the schema says of none.

    Parameters
    ----------
    feature : FeatureSchema
    rng : Generator
    like : Cohort or None
        Patients to resemble.
    place : (modality, position)
        Of whom to resemble.
    """
    known = _of(like, place, feature.name) if like is not None else None
    if feature.kind == "categorical":
        levels = feature.levels or ()
        if known in levels:
            return str(known)
        return str(levels[int(rng.integers(len(levels)))]) if levels else None
    if feature.minimum is None or feature.maximum is None:
        return None
    centre = float(known) if isinstance(known, int | float) and math.isfinite(known) else None
    if feature.kind == "binary":
        return _binary(feature.minimum, feature.maximum, centre, rng)
    return _number(feature, feature.minimum, feature.maximum, centre, rng)


def _of(like: Cohort, place: tuple[str, int], feature: str) -> Value | None:
    name, position = place
    table = like.modalities.get(name)
    if not isinstance(table, Table) or feature not in table.kinds:
        return None
    row = int(like.positions(name)[position])
    if row < 0:
        return None
    if feature in table.numeric_features:
        return float(table.numeric[row, table.numeric_features.index(feature)])
    known = table.categorical[feature].iloc[row]
    return str(known) if known is not None else None


def _binary(low: float, high: float, share: float | None, rng: np.random.Generator) -> float:
    if low == high:
        return low
    return float(rng.random() < (_BINARY_SHARE if share is None else share))


def _number(
    feature: FeatureSchema, least: float, most: float, near: float | None, rng: np.random.Generator
) -> float:
    low = least if feature.low is None else feature.low
    high = most if feature.high is None else feature.high
    centre, parts = ((low + high) / 2, 5) if near is None else (near, 12)
    value = float(np.clip(rng.normal(centre, (high - low) / parts), low, high))
    whole = feature.kind == "count" or (least.is_integer() and most.is_integer())
    value = float(round(value)) if whole else float(f"{value:.4g}")
    return float(np.clip(value, least, most))
