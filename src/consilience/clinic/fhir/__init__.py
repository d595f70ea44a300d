"""FHIR in: a patient's record, or a folder of them, as a model reads patients."""

from consilience.clinic.fhir.patient import Mapped, Taken, map_patient
from consilience.clinic.fhir.resources import FhirBundle, Limits, Resource, read_bundle

__all__ = [
    "FhirBundle",
    "Limits",
    "Mapped",
    "Resource",
    "Taken",
    "map_patient",
    "read_bundle",
]
