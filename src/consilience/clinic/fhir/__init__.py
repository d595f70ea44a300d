"""FHIR in: a patient's record, or a folder of them, as a model reads patients."""

from consilience.clinic.fhir.patient import Mapped, Taken, map_patient
from consilience.clinic.fhir.population import read_population
from consilience.clinic.fhir.population_map import FhirOutcome, PopulationMap, read_map
from consilience.clinic.fhir.preparing import prepare
from consilience.clinic.fhir.resources import FhirBundle, Limits, Resource, read_bundle
from consilience.clinic.fhir.server import BackendClient, FhirServer
from consilience.clinic.fhir.synthetic import Invented, invented_patients, synthetic_patients

__all__ = [
    "BackendClient",
    "FhirBundle",
    "FhirOutcome",
    "FhirServer",
    "Invented",
    "Limits",
    "Mapped",
    "PopulationMap",
    "Resource",
    "Taken",
    "invented_patients",
    "map_patient",
    "prepare",
    "read_bundle",
    "read_map",
    "read_population",
    "synthetic_patients",
]
