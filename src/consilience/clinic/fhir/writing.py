"""Writing FHIR resources: what an invented record is made of."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from consilience.clinic.fhir.codes import Code
from consilience.clinic.fhir.mapping import Value
from consilience.clinic.fhir.ucum import UCUM, is_ucum, is_unitless, ucum_of
from consilience.study.bundle.schema import FeatureSchema

Json = dict[str, Any]

_TERMS = "http://terminology.hl7.org/CodeSystem"


def stamp(at: datetime) -> str:
    """Return a moment as FHIR writes it, to the second, UTC."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def concept(codes: Sequence[Code], text: str) -> Json:
    """Return a CodeableConcept."""
    coding = [{"system": code.system, "code": code.code} for code in codes]
    return {"coding": coding, "text": text} if coding else {"text": text}


def quantity(value: float, unit: str) -> Json:
    """Return a Quantity; its unit is coded where UCUM has it."""
    if is_unitless(unit):
        return {"value": value}
    code = ucum_of(unit)
    coded = {"system": UCUM, "code": code} if is_ucum(code) else {}
    return {"value": value, "unit": unit, **coded}


def value_of(feature: FeatureSchema, value: Value) -> Json:
    """Return the ``value[x]`` of a feature."""
    if isinstance(value, str):
        return {"valueCodeableConcept": {"text": value}}
    if feature.kind == "binary":
        return {"valueBoolean": bool(value)}
    return {"valueQuantity": quantity(value, feature.unit)}


def observation(code: Json, at: datetime, **content: Any) -> Json:
    """Return a final Observation; `content` is its value or its components."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "effectiveDateTime": stamp(at),
        **content,
    }


def condition(code: Json, at: datetime) -> Json:
    """Return a Condition that is active and confirmed."""
    return {
        "resourceType": "Condition",
        "clinicalStatus": _status("condition-clinical", "active"),
        "verificationStatus": _status("condition-ver-status", "confirmed"),
        "code": code,
        "onsetDateTime": stamp(at),
    }


def medication(code: Json, at: datetime) -> Json:
    """Return a medicine as ordered."""
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": code,
        "authoredOn": stamp(at),
    }


def allergy(code: Json, at: datetime) -> Json:
    """Return an allergy that is active and confirmed."""
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": _status("allergyintolerance-clinical", "active"),
        "verificationStatus": _status("allergyintolerance-verification", "confirmed"),
        "code": code,
        "recordedDate": stamp(at),
    }


def procedure(code: Json, at: datetime) -> Json:
    """Return a procedure that was done."""
    return {
        "resourceType": "Procedure",
        "status": "completed",
        "code": code,
        "performedDateTime": stamp(at),
    }


def immunization(code: Json, at: datetime) -> Json:
    """Return a vaccination that was given."""
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": code,
        "occurrenceDateTime": stamp(at),
    }


WRITERS: dict[str, Callable[[Json, datetime], Json]] = {
    "Condition": condition,
    "MedicationRequest": medication,
    "MedicationStatement": medication,
    "AllergyIntolerance": allergy,
    "Procedure": procedure,
    "Immunization": immunization,
}


def systems_in(resource: Json) -> set[str]:
    """Return the systems of the code of a diagnosis, medicine, procedure or vaccination."""
    keys = ("code", "medicationCodeableConcept", "vaccineCode")
    return {coding["system"] for key in keys for coding in resource.get(key, {}).get("coding", ())}


def bundle(person: Json, resources: Sequence[Json]) -> Json:
    """Return a Bundle of one patient; resources get ids, a subject and the patient's tag."""
    entries = [person]
    for place, resource in enumerate(resources, start=1):
        whose = (
            "patient"
            if resource["resourceType"] in ("AllergyIntolerance", "Immunization")
            else "subject"
        )
        entries.append(
            {
                **resource,
                "id": f"{person['id']}-{place}",
                "meta": person["meta"],
                whose: {"reference": f"Patient/{person['id']}"},
            }
        )
    return {
        "resourceType": "Bundle",
        "id": person["id"],
        "meta": person["meta"],
        "type": "collection",
        "entry": [{"fullUrl": _address(one), "resource": one} for one in entries],
    }


def _address(resource: Json) -> str:
    name = f"{resource['resourceType']}/{resource['id']}"
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}"


def _status(system: str, code: str) -> Json:
    return {"coding": [{"system": f"{_TERMS}/{system}", "code": code}]}
