"""FHIR in: a patient's record, or a folder of them, as a model reads patients."""

from consilience.clinic.fhir.patient import Mapped, Taken, map_patient
from consilience.clinic.fhir.resources import FhirBundle, Limits, Resource, read_bundle
from consilience.clinic.fhir.synthetic import Invented, invented_patients, synthetic_patients

__all__ = [
    "FhirBundle",
    "Invented",
    "Limits",
    "Mapped",
    "Resource",
    "Taken",
    "invented_patients",
    "map_patient",
    "read_bundle",
    "synthetic_patients",
]
