"""What was measured of one patient, as text."""

from __future__ import annotations

import numpy as np

from consilience.cohort import Cohort, Table

NOT_MEASURED = "not measured"
MEASURED = "measured"


class Measured:
    """The values of one patient, as a clinician reads them.

    Parameters
    ----------
    patient : Cohort
        Of one patient.
    """

    def __init__(self, patient: Cohort) -> None:
        self._values = {name: _values(patient, name) for name in patient.modalities}

    def of(self, modality: str, feature: str | None) -> str:
        """Return a value with its unit, or "not measured"; "measured" of a whole modality."""
        values = self._values.get(modality)
        if values is None:
            return NOT_MEASURED
        return MEASURED if feature is None else values.get(feature, NOT_MEASURED)


def _values(patient: Cohort, name: str) -> dict[str, str] | None:
    """Return what a modality measured, by feature; None if it did not."""
    if not patient.has(name)[0]:
        return None
    modality = patient.modalities[name]
    if not isinstance(modality, Table):
        return {}
    own, units = modality.take(patient.positions(name)), modality.units
    numbers = zip(own.numeric_features, np.asarray(own.numeric)[0].tolist(), strict=True)
    found = {f: with_unit(value, units.get(f, "")) for f, value in numbers if not np.isnan(value)}
    words = own.categorical.iloc[0]
    return found | {str(f): str(value) for f, value in words.items() if value is not None}


def with_unit(value: float, unit: str) -> str:
    """Return a number in four digits, or all that stand before the point, with its unit."""
    digits = f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return f"{digits} {unit}".strip()
