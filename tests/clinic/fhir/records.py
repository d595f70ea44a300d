"""Records for the tests: a patient, what was observed of him, and a schema that reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from consilience.study.bundle.schema import FeatureSchema, ModalitySchema, Schema

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"


def feature(name: str, unit: str = "", kind: str = "continuous", **said: Any) -> FeatureSchema:
    """A feature of a schema."""
    return FeatureSchema(name=name, kind=kind, unit=unit, **said)


def schema(*features: FeatureSchema, name: str = "clinical") -> Schema:
    """A schema of one table."""
    table = ModalitySchema(
        name=name, kind="table", patients=10, always_measured=False, features=features
    )
    return Schema(patients=10, modalities=(table,))


def patient(**said: Any) -> dict[str, Any]:
    """A Patient."""
    return {"resourceType": "Patient", "id": "p1", "gender": "female", **said}


def coded(code: str, system: str = LOINC, **more: Any) -> dict[str, Any]:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code, **more}]}


def quantity(value: float, unit: str = "", *, ucum: bool = True, **more: Any) -> dict[str, Any]:
    """A valueQuantity."""
    said = {"system": UCUM, "code": unit} if ucum else {"unit": unit}
    return {"valueQuantity": {"value": value, **(said if unit else {}), **more}}


def observed(code: Any, value: dict[str, Any], at: str = "2026-06-01", **more: Any) -> Any:
    """A final Observation of patient p1."""
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": coded(code) if isinstance(code, str) else code,
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": at,
        **value,
        **more,
    }


def condition(code: str, system: str = SNOMED, **more: Any) -> dict[str, Any]:
    """An active Condition of patient p1."""
    return {
        "resourceType": "Condition",
        "id": "c1",
        "clinicalStatus": coded(
            "active", "http://terminology.hl7.org/CodeSystem/condition-clinical"
        ),
        "code": coded(code, system),
        "subject": {"reference": "Patient/p1"},
        **more,
    }


def medicine(code: str, system: str = RXNORM, **more: Any) -> dict[str, Any]:
    """An active MedicationRequest of patient p1."""
    return {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": coded(code, system),
        "subject": {"reference": "Patient/p1"},
        **more,
    }


def bundle(*resources: Any, kind: str = "collection") -> dict[str, Any]:
    """A Bundle, with ids of their own for resources that have none of their own."""
    entries = []
    for place, resource in enumerate(resources):
        own = resource.get("id") not in ("o1", "c1", "m1")
        entries.append({"resource": resource if own else {**resource, "id": f"r{place}"}})
    return {"resourceType": "Bundle", "type": kind, "entry": entries}
