"""A patient's record, indexed once so that every rule finds what it asks for at once."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from consilience.clinic.fhir.times import span_of
from consilience.clinic.rules.codes import SYSTEMS
from consilience.clinic.rules.dates import ages
from consilience.clinic.rules.entries import (
    Entry,
    Reading,
    Resource,
    UnreadableError,
    entries_of,
    where_of,
)
from consilience.clinic.rules.valuesets import Code, ValueSets
from consilience.errors import InputError
from consilience.records import Unmapped

_SEXES = ("female", "male")
# Substances are told apart by these systems; a product's own code is listed as not read.
_MEDICINE_SYSTEMS = (SYSTEMS["rxnorm"], SYSTEMS["atc"])


@dataclass(frozen=True)
class Chart:
    """What rules see of one patient.

    Attributes
    ----------
    bundle : mapping
        The FHIR Bundle.
    patient : mapping
        The Patient resource; empty if the Bundle has none.
    now : datetime
    entries : mapping of str to sequence of Entry
        By kind, in the order of the Bundle.
    by_set : mapping of (kind, value set) to sequence of Entry
        The newest first.
    unread : tuple of Unmapped
        What is in the Bundle and no rule can read, and why.
    """

    bundle: Mapping[str, Any]
    patient: Resource
    now: datetime
    entries: Mapping[str, Sequence[Entry]]
    by_set: Mapping[tuple[str, str], Sequence[Entry]]
    unread: tuple[Unmapped, ...]

    @property
    def today(self) -> date:
        """The day, UTC."""
        return self.now.astimezone(UTC).date()

    @property
    def is_dead(self) -> bool:
        """Whether the record says that the patient has died."""
        died = self.patient.get("deceasedDateTime")
        return bool(died) or self.patient.get("deceasedBoolean") is True

    @functools.cached_property
    def ages(self) -> tuple[int, int] | None:
        """Lowest and highest age in whole years."""
        return ages(self.patient.get("birthDate"), self.today)

    def of(self, kind: str, value_set: str) -> Sequence[Entry]:
        """Return the entries of a kind in a value set, the newest first."""
        return self.by_set.get((kind, value_set), ())

    @functools.cached_property
    def variables(self) -> dict[str, Any]:
        """What FHIRPath calls %conditions, %today and so on."""
        known = self.ages
        lists = {
            "conditions": self._resources("condition"),
            "medications": self._resources("medication"),
            "allergies": self._resources("allergy"),
            "observations": self._resources("observation"),
            "procedures": [r for r in self._resources("done") if r["resourceType"] == "Procedure"],
            "immunizations": self._resources("vaccine"),
        }
        age: int | list[int] = known[0] if known is not None and known[0] == known[1] else []
        return {**lists, "patient": self.patient, "age": age, "today": self.today.isoformat()}

    def _resources(self, kind: str) -> list[Any]:
        found = {id(e.resource): e.resource for e in self.entries.get(kind, ()) if e.current}
        return list(found.values())


class _Bundle:
    """A Bundle's resources, and whose they are."""

    def __init__(self, bundle: Mapping[str, Any], patient: str) -> None:
        self.resources: list[Resource] = []
        self.unread: list[Unmapped] = []
        self._by_reference: dict[str, Resource] = {}
        entries = bundle.get("entry")
        for place, entry in enumerate(entries if isinstance(entries, list) else ()):
            resource = entry.get("resource") if isinstance(entry, Mapping) else None
            if not isinstance(resource, Mapping):
                where = Unmapped(resource=f"entry {place + 1}", reason="holds no resource")
                self.unread.append(where)
                continue
            self.resources.append(resource)
            for reference in (entry.get("fullUrl"), where_of(resource)):
                self._by_reference[str(reference)] = resource
        self.patient = self._chosen(patient)

    def _chosen(self, patient: str) -> Resource:
        patients = [one for one in self.resources if one.get("resourceType") == "Patient"]
        if len(patients) <= 1:
            return patients[0] if patients else {}
        named = [one for one in patients if patient in _names(one)]
        if len(named) != 1:
            raise InputError(
                f"the Bundle holds {len(patients)} patients and it cannot be told which one is "
                "asked about; send a Bundle of one patient."
            )
        return named[0]

    def find(self, reference: str) -> Resource | None:
        """Return the resource that a reference points to."""
        return self._by_reference.get(reference)

    def is_of_another(self, resource: Resource) -> bool:
        """Return whether a resource says that it is about another than the patient."""
        subject = resource.get("subject") or resource.get("patient")
        reference = subject.get("reference") if isinstance(subject, Mapping) else None
        if not isinstance(reference, str) or not self.patient:
            return False
        found = self.find(reference)
        if found is not None:
            return found is not self.patient
        kind, _, name = reference.rpartition("/")
        return kind.endswith("Patient") and name != str(self.patient.get("id"))


def _names(patient: Resource) -> set[str]:
    identifiers = patient.get("identifier")
    identifiers = identifiers if isinstance(identifiers, list) else []
    given = [one for one in identifiers if isinstance(one, Mapping)]
    return {str(patient.get("id")), *(str(one.get("value")) for one in given)}


def _when(entry: Entry) -> tuple[date, str]:
    """Order by day; what is of the same day in an order that the Bundle's does not change."""
    exact = entry.resource.get("effectiveDateTime") or entry.resource.get("issued") or ""
    return entry.day or date.min, f"{exact} {entry.where}"


def chart_of(
    bundle: Mapping[str, Any], patient: str, sets: ValueSets, now: datetime, *, drafts: bool
) -> Chart:
    """Index a FHIR Bundle.

    Parameters
    ----------
    bundle : mapping
        A FHIR R4 Bundle, as parsed JSON.
    patient : str
        Whose it is; needed where it holds several Patients.
    sets : ValueSets
    now : datetime
        With its time zone.
    drafts : bool
        Whether draft prescriptions count as taken.

    Raises
    ------
    InputError
        If it is not a Bundle, or it cannot be told whose it is.
    """
    if not isinstance(bundle, Mapping) or bundle.get("resourceType") != "Bundle":
        raise InputError("rules read a FHIR Bundle; this is none.")
    whole = _Bundle(bundle, patient)
    entries: dict[str, list[Entry]] = {}
    by_set: dict[tuple[str, str], list[Entry]] = {}
    unread = [*whole.unread, *_not_told(whole.patient)]
    containing: dict[Code, frozenset[str]] = {}
    for resource in whole.resources:
        for entry in _read(resource, whole, Reading(now, drafts, whole.find), unread):
            entries.setdefault(entry.kind, []).append(entry)
            for code in entry.codes:
                if code not in containing:
                    containing[code] = sets.containing(code)
            found = {name for code in entry.codes for name in containing[code]}
            unread += _not_known(entry, found, sets)
            for name in found:
                by_set.setdefault((entry.kind, name), []).append(entry)
    for listed in by_set.values():
        listed.sort(key=_when, reverse=True)
    return Chart(bundle, whole.patient, now, entries, by_set, tuple(unread))


def _read(
    resource: Resource, whole: _Bundle, reading: Reading, unread: list[Unmapped]
) -> tuple[Entry, ...]:
    if whole.is_of_another(resource):
        unread.append(Unmapped(resource=where_of(resource), reason="is of another patient"))
        return ()
    try:
        return entries_of(resource, reading)
    except UnreadableError as reason:
        unread.append(Unmapped(resource=where_of(resource), reason=str(reason)))
    # what FHIR forbids arrives all the same: a text where a list should stand, and the like
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as reason:
        problem = f"is not as FHIR says ({type(reason).__name__})"
        unread.append(Unmapped(resource=where_of(resource), reason=problem))
    return ()


def _not_told(patient: Resource) -> Iterator[Unmapped]:
    """Say what of the patient is missing, so that rules with an age or a sex stay silent."""
    if not patient:
        yield Unmapped(resource="Patient", reason="is not in the Bundle: age and sex are unknown")
        return
    if span_of(patient.get("birthDate")) is None:
        yield Unmapped(resource=where_of(patient), reason="has no birth date: age is unknown")
    if patient.get("gender") not in _SEXES:
        yield Unmapped(
            resource=where_of(patient), reason="is neither female nor male in the record"
        )


def _not_known(entry: Entry, found: set[str], sets: ValueSets) -> Iterator[Unmapped]:
    """Say what a clinician would expect the rules to have read."""
    if not entry.codes:
        called = f"{entry.text!r} has no code" if entry.text else "has no code"
        yield Unmapped(resource=entry.where, reason=f"{called}; rules read codes, never text")
    elif entry.kind == "medication" and entry.current and not found:
        if not any(system in _MEDICINE_SYSTEMS for system, _ in entry.codes):
            reason = "carries neither an RxNorm ingredient nor an ATC code"
        elif not any(s == SYSTEMS["atc"] or sets.concept((s, c)) for s, c in entry.codes):
            reason = "its RxNorm code is of no ingredient that the rules know"
        else:
            return
        yield Unmapped(resource=entry.where, reason=f"{entry.text or 'medicine'}: {reason}")
