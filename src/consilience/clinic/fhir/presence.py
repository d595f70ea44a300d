"""What is there or not: diagnoses, medicines, procedures, allergies, vaccinations.

One that is there, active and certain, is 1. In a record that holds resources of the type, a
code that none of them has is 0: a list that was sent is taken as the whole list. Where no
resource of the type was sent nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consilience.clinic.fhir.codes import Code
from consilience.clinic.fhir.elements import codes_in, status_code, words
from consilience.clinic.fhir.resources import FhirBundle, Resource
from consilience.clinic.fhir.times import Span, span_of, span_of_period

MEDICINES = ("MedicationRequest", "MedicationStatement")


@dataclass(frozen=True)
class Found:
    """One thing that a record says to be there.

    Attributes
    ----------
    resource : Resource
    codes : tuple of Code
    doubt : str
        Why it does not count; empty where it does.
    at : Span or None
    """

    resource: Resource
    codes: tuple[Code, ...]
    doubt: str
    at: Span | None


def present(bundle: FhirBundle, now: datetime) -> list[Found]:
    """Return all that a record says to be there, or doubts."""
    found = []
    for resource in bundle.resources:
        doubtful = _DOUBTS.get(resource.type)
        if doubtful is None:
            continue
        at = _when(resource.content)
        doubt = doubtful(resource.content)
        if not doubt and at is not None and at.is_after(now):
            doubt = "it lies in the future"
        found.append(Found(resource, tuple(_codes(resource, bundle)), doubt, at))
    return found


def kinds_of(resource: str) -> tuple[str, ...]:
    """Return the types in which a type of thing may stand: medicines stand in two."""
    return MEDICINES if resource in MEDICINES else (resource,)


def _codes(resource: Resource, bundle: FhirBundle) -> list[Code]:
    content = resource.content
    if resource.type in MEDICINES:
        own = codes_in(content.get("medicationCodeableConcept"))
        return own + codes_in(_medication(content, bundle).get("code"))
    return codes_in(content.get("vaccineCode" if resource.type == "Immunization" else "code"))


def _medication(content: Mapping[str, Any], bundle: FhirBundle) -> Mapping[str, Any]:
    """Return the Medication that a medicine refers to, contained or beside it."""
    reference = content.get("medicationReference")
    address = words(reference.get("reference")) if isinstance(reference, dict) else ""
    if address.startswith("#"):
        inner = content.get("contained") or ()
        return next((one for one in inner if f"#{one.get('id')}" == address), {})
    return bundle.medications.get(address.partition("/_history/")[0], {})


def _when(content: Mapping[str, Any]) -> Span | None:
    keys = (
        "onsetDateTime",
        "performedDateTime",
        "authoredOn",
        "occurrenceDateTime",
        "recordedDate",
    )
    spans = (span_of(content.get(key)) for key in keys)
    said = next((span for span in spans if span is not None), None)
    return said or span_of_period(content.get("performedPeriod"))


def _condition(content: Mapping[str, Any]) -> str:
    clinical = status_code(content.get("clinicalStatus"))
    certain = status_code(content.get("verificationStatus"))
    if certain in ("entered-in-error", "refuted"):
        return f"its status is {certain}"
    if certain and certain != "confirmed":
        return "it is not confirmed"
    if clinical and clinical not in ("active", "recurrence", "relapse"):
        return "it is not active"
    return ""


def _medicine(content: Mapping[str, Any]) -> str:
    if content.get("status") != "active":
        return "its status is not active"
    if content.get("doNotPerform") is True:
        return "it says not to give the medicine"
    if content.get("intent") in ("proposal", "option"):
        return "it is only proposed"
    return ""


def _done(content: Mapping[str, Any]) -> str:
    return "" if content.get("status") == "completed" else "its status is not completed"


_DOUBTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "Condition": _condition,
    "AllergyIntolerance": _condition,
    "MedicationRequest": _medicine,
    "MedicationStatement": _medicine,
    "Procedure": _done,
    "Immunization": _done,
}
