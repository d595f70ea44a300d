"""One resource of a record as rules read it: its codes, its day, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from consilience.clinic.rules.codes import address
from consilience.clinic.rules.dates import day_known
from consilience.clinic.rules.valuesets import Code

Resource = Mapping[str, Any]
_LONGEST_NAME = 80  # what is sent as a name may be anything, and is shown


@dataclass(frozen=True)
class Amount:
    """A measured number with its unit; `low` and `high` differ where a comparator is given."""

    low: float
    high: float
    unit: str
    text: str


@dataclass(frozen=True)
class Entry:
    """One thing in a patient's record.

    Attributes
    ----------
    kind : str
        Such as "condition"; every resource that holds is of one kind, results of two.
    resource : mapping
        The FHIR resource.
    where : str
        Such as ``Observation/12``.
    codes : tuple of (system, code)
    text : str
        What it is called in the record.
    day : date or None
        When; None where the record does not say.
    current : bool
        Whether it holds now: an active problem, a medicine being taken.
    amount : Amount or None
    answers : tuple of (system, code)
        A coded result.
    """

    kind: str
    resource: Resource
    where: str
    codes: tuple[Code, ...]
    text: str
    day: date | None = None
    current: bool = True
    amount: Amount | None = None
    answers: tuple[Code, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What reading a resource needs to know of the rest.

    Attributes
    ----------
    now : datetime
    drafts : bool
        Whether orders being written count as medicines taken (order-select, order-sign).
    find : callable
        Returns the resource of a reference within the Bundle, or None.
    """

    now: datetime
    drafts: bool
    find: Callable[[str], Resource | None]


class UnreadableError(ValueError):
    """A resource that holds something rules cannot read."""


def coding_of(concept: Any) -> tuple[Code, ...]:
    """Return the codes of a CodeableConcept."""
    if concept is None:
        return ()
    return tuple(
        (address(str(one["system"])), str(one["code"]).strip())
        for one in concept.get("coding", ())
        if one.get("system") and one.get("code")
    )


def name_of(concept: Any) -> str:
    """Return what a CodeableConcept is called."""
    if concept is None:
        return ""
    shown = [str(one["display"]) for one in concept.get("coding", ()) if one.get("display")]
    name = str(concept.get("text") or (shown[0] if shown else ""))
    return " ".join(name[:_LONGEST_NAME].split())


def status_code(concept: Any) -> str | None:
    """Return the code of a status given as a CodeableConcept."""
    codes = [str(one.get("code")) for one in (concept or {}).get("coding", ()) if one.get("code")]
    return codes[0] if codes else None


def where_of(resource: Resource) -> str:
    """Return a resource's type and id."""
    return f"{resource.get('resourceType')}/{resource.get('id', 'without id')}"


def _first(resource: Resource, *keys: str) -> Any:
    for key in keys:
        value: Any = resource
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


@dataclass(frozen=True)
class _Past:
    """The day of something that is not in the future."""

    day: date | None


def _past(text: Any, reading: Reading) -> _Past | None:
    """Return when something was; None if it lies in the future."""
    if text is None:
        return _Past(None)
    try:
        day = day_known(text, reading.now)
    except ValueError as reason:
        raise UnreadableError(str(reason)) from reason
    return None if day is None else _Past(day)


def _is_over(text: Any, reading: Reading) -> bool:
    """Return whether an end lies before today."""
    if text is None:
        return False
    past = _past(text, reading)
    return past is not None and past.day is not None and past.day < reading.now.date()


def _condition(resource: Resource, reading: Reading) -> Iterator[Entry]:
    verified = status_code(resource.get("verificationStatus"))
    when = _past(_first(resource, "onsetDateTime", "onsetPeriod.start", "recordedDate"), reading)
    if verified not in {None, "confirmed"} or when is None:
        return
    clinical = status_code(resource.get("clinicalStatus"))
    abated = any(key.startswith("abatement") for key in resource)
    current = clinical in {"active", "recurrence", "relapse"} or (clinical is None and not abated)
    if _is_over(_first(resource, "abatementDateTime", "abatementPeriod.end"), reading):
        current = False
    yield _entry("condition", resource, resource.get("code"), when.day, current=current)


_TAKEN = {"MedicationRequest": {"active"}, "MedicationStatement": {"active", "recorded"}}
_ONLY_MEANT = {"proposal", "plan", "option"}


def _medication(resource: Resource, reading: Reading) -> Iterator[Entry]:
    began = _past(
        _first(
            resource, "effectiveDateTime", "effectivePeriod.start", "authoredOn", "dateAsserted"
        ),
        reading,
    )
    void = resource.get("status") == "entered-in-error" or resource.get("doNotPerform") is True
    if began is None or void or resource.get("intent") in _ONLY_MEANT:
        return
    taken = _TAKEN[str(resource["resourceType"])] | ({"draft"} if reading.drafts else set())
    current = resource.get("status") in taken
    ends = ("effectivePeriod.end", "dispenseRequest.validityPeriod.end")
    if _is_over(_first(resource, *ends), reading):
        current = False
    concept = resource.get("medicationCodeableConcept")
    reference = _first(resource, "medicationReference.reference")
    if concept is None and reference is not None:
        concept = (_contained(resource, reference) or reading.find(reference) or {}).get("code")
    yield _entry("medication", resource, concept, began.day, current=current)


def _contained(resource: Resource, reference: str) -> Resource | None:
    for one in resource.get("contained", ()):
        if reference == f"#{one.get('id')}":
            return dict(one)
    return None


def _allergy(resource: Resource, reading: Reading) -> Iterator[Entry]:
    verified = status_code(resource.get("verificationStatus"))
    clinical = status_code(resource.get("clinicalStatus"))
    when = _past(_first(resource, "recordedDate"), reading)
    if verified in {"refuted", "entered-in-error"} or when is None:
        return
    concepts = [resource.get("code"), *(r.get("substance") for r in resource.get("reaction", ()))]
    codes = tuple(code for concept in concepts for code in coding_of(concept))
    yield Entry(
        "allergy",
        resource,
        where_of(resource),
        codes,
        name_of(resource.get("code")),
        when.day,
        current=clinical in {None, "active"},
    )


_FINAL = frozenset({"final", "amended", "corrected"})


def _observation(resource: Resource, reading: Reading) -> Iterator[Entry]:
    made = _first(
        resource, "effectiveDateTime", "effectiveInstant", "effectivePeriod.end", "issued"
    )
    when = _past(made, reading)
    if resource.get("status") not in _FINAL or when is None:
        return
    for part in (resource, *resource.get("component", ())):
        concept = part.get("code")
        yield Entry(
            "observation",
            resource,
            where_of(resource),
            coding_of(concept),
            name_of(concept),
            when.day,
            amount=_amount(part.get("valueQuantity")),
            answers=coding_of(part.get("valueCodeableConcept")),
        )


_BOUNDS: Mapping[str, Callable[[float], tuple[float, float]]] = {
    "<": lambda value: (float("-inf"), value - abs(value) * 1e-9),
    "<=": lambda value: (float("-inf"), value),
    ">": lambda value: (value + abs(value) * 1e-9, float("inf")),
    ">=": lambda value: (value, float("inf")),
}


def _amount(quantity: Any) -> Amount | None:
    if quantity is None or quantity.get("value") is None:
        return None
    value = quantity["value"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError(f"{value!r} is not a number")
    sign = str(quantity.get("comparator") or "")
    low, high = _BOUNDS[sign](float(value)) if sign in _BOUNDS else (float(value), float(value))
    unit = str(quantity.get("code") or quantity.get("unit") or "")
    shown = str(quantity.get("unit") or quantity.get("code") or "")
    return Amount(low, high, unit, f"{sign}{value:g} {shown}".strip())


def _event(status: frozenset[str], *dates: str) -> Callable[[Resource, Reading], Iterator[Entry]]:
    def read(resource: Resource, reading: Reading) -> Iterator[Entry]:
        when = _past(_first(resource, *dates), reading)
        if resource.get("status") in status and when is not None:
            kind = "vaccine" if resource["resourceType"] == "Immunization" else "done"
            yield _entry(
                kind, resource, resource.get("code", resource.get("vaccineCode")), when.day
            )

    return read


def _imaging(resource: Resource, reading: Reading) -> Iterator[Entry]:
    when = _past(resource.get("started"), reading)
    if resource.get("status") == "available" and when is not None:
        for concept in resource.get("procedureCode", ()):
            yield _entry("done", resource, concept, when.day)


def _entry(
    kind: str, resource: Resource, concept: Any, day: date | None, *, current: bool = True
) -> Entry:
    return Entry(
        kind, resource, where_of(resource), coding_of(concept), name_of(concept), day, current
    )


_DONE = frozenset({"completed"})
_READERS: Mapping[str, Callable[[Resource, Reading], Iterator[Entry]]] = {
    "Condition": _condition,
    "MedicationRequest": _medication,
    "MedicationStatement": _medication,
    "AllergyIntolerance": _allergy,
    "Observation": _observation,
    "Procedure": _event(_DONE, "performedDateTime", "performedPeriod.end", "performedPeriod.start"),
    "DiagnosticReport": _event(_FINAL, "effectiveDateTime", "effectivePeriod.end", "issued"),
    "Immunization": _event(_DONE, "occurrenceDateTime", "recorded"),
    "ImagingStudy": _imaging,
}


def entries_of(resource: Resource, reading: Reading) -> tuple[Entry, ...]:
    """Return what a resource says; nothing if it does not hold or is no concern of rules.

    Not held: entered in error, refuted, only suspected, not final, not carried out, or
    dated in the future.

    Raises
    ------
    UnreadableError
        If its values cannot be read.
    """
    reader = _READERS.get(str(resource.get("resourceType")))
    return () if reader is None else tuple(reader(resource, reading))


def is_recent(entry: Entry, today: date, within_days: int | None) -> bool:
    """Return whether something happened within so many days; unknown days never do."""
    if within_days is None:
        return True
    return entry.day is not None and entry.day >= today - timedelta(days=within_days)
