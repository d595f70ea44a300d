"""What is there or not: diagnoses, medicines, procedures, allergies, vaccinations.

One that is there, active and certain, is 1. That none is there is 0 only where the user named
the type of resource with the feature's codes, and so said that they are all that mean it: a
narrower diagnosis, or a product in place of its ingredient, would else pass for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consilience.clinic.fhir.codes import Code
from consilience.clinic.fhir.elements import codes_in, status_code, words
from consilience.clinic.fhir.resources import FhirBundle, Resource
from consilience.clinic.fhir.times import Span, span_of, span_of_period
from consilience.clinic.fhir.wanted import Wanted, kinds_of


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


def present(bundle: FhirBundle, now: datetime, since: datetime | None = None) -> list[Found]:
    """Return all that a record says to be there, or doubts.

    Parameters
    ----------
    bundle : FhirBundle
    now : datetime
        Nothing after it counts.
    since : datetime, optional
        Given where one looks back: `now` lies in the past, and statuses are of today. They
        then count for nothing but errors; all must have a date, and medicines one since then.
    """
    found = []
    for resource in bundle.resources:
        doubts = _DOUBTS.get(resource.type)
        if doubts is None:
            continue
        at = _when(resource.content)
        doubt = doubts(resource.content) if since is None else _then(resource, at, now, since)
        if not doubt and at is not None and at.is_after(now):
            doubt = "it lies in the future"
        found.append(Found(resource, tuple(_codes(resource, bundle)), doubt, at))
    return found


def events(bundle: FhirBundle) -> list[Found]:
    """Return what happened, whatever became of it since: all but what was an error or doubt."""
    return [
        Found(resource, tuple(_codes(resource, bundle)), "", _when(resource.content))
        for resource in bundle.of_type(*_DOUBTS)
        if _status(resource.content) not in _NEVER
    ]


def certainly_absent(wanted: Wanted, found: Sequence[Found]) -> bool:
    """Return whether a record says, by not holding it, that something is not there.

    It does where the user named the type of resource, resources of that type were sent,
    and each is coded in a system in which the feature is.
    """
    types = {kind for due in wanted.resources.values() for kind in kinds_of(due)}
    systems = {code.system for code in wanted.resources}
    lists = [one for one in found if one.resource.type in types]
    coded = all(systems & {code.system for code in one.codes} for one in lists)
    return wanted.closed and bool(lists) and coded


def _codes(resource: Resource, bundle: FhirBundle) -> list[Code]:
    content = resource.content
    if resource.type in kinds_of("MedicationRequest"):
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


def _status(content: Mapping[str, Any]) -> str:
    return words(content.get("status")) or status_code(content.get("verificationStatus"))


def _then(resource: Resource, at: Span | None, now: datetime, since: datetime) -> str:
    """Return why something does not count at a time in the past."""
    content = resource.content
    status = _status(content)
    ended = span_of(content.get("abatementDateTime"))
    if status in _NEVER:
        return f"its status is {status}"
    if at is None:
        return "it does not say since when"
    if ended is not None and not ended.is_after(now):
        return "it was over by then"
    if resource.type in kinds_of("MedicationRequest") and at.start < since:
        return "it is older than the window of time"
    return ""


def _done(content: Mapping[str, Any]) -> str:
    return "" if content.get("status") == "completed" else "its status is not completed"


_NEVER = frozenset(
    {"entered-in-error", "refuted", "unconfirmed", "provisional", "differential", "draft"}
    | {"cancelled", "not-done", "not-taken", "preparation"}
)
_DOUBTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "Condition": _condition,
    "AllergyIntolerance": _condition,
    "MedicationRequest": _medicine,
    "MedicationStatement": _medicine,
    "Procedure": _done,
    "Immunization": _done,
}
