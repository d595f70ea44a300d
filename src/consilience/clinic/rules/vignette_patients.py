"""Made-up patients in a few lines, as FHIR Bundles: what vignettes are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from consilience.clinic.rules.codes import SYSTEMS
from consilience.clinic.rules.valuesets import ValueSets
from consilience.errors import InputError, suggestion

Resource = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Person(_Strict):
    """Who the patient is; `born` for a date that is not exact, such as "1950"."""

    age: int | None = None
    born: str | None = None
    sex: Literal["female", "male", "other", "unknown"] | None = None
    dead: bool = False


class Coded(_Strict):
    """A code written out."""

    system: str
    code: str


class Given(_Strict):
    """One thing in the record.

    Attributes
    ----------
    of : str or None
        A value set: the first of its codes, or `code`, or only `text`.
    code : Coded or None
    also : Coded or None
        A second coding of the same concept.
    text : str or None
    days_ago : int or None
        Negative in the future.
    status, verified : str or None
        Where it is not the usual one.
    value, unit, comparator
        Of an observation.
    answer : str or None
        A value set, for a coded result.
    within : str or None
        A value set: the observation is sent as a component of a panel of this code.
    timing : dict or None
        FHIR `Timing.repeat` of a prescription.
    """

    of: str | None = None
    code: Coded | None = None
    also: Coded | None = None
    text: str | None = None
    days_ago: int | None = None
    status: str | None = None
    verified: str | None = None
    value: float | None = None
    unit: str | None = None
    comparator: str | None = None
    answer: str | None = None
    within: str | None = None
    timing: dict[str, Any] | None = None


class Patient(_Strict):
    """A made-up patient."""

    patient: Person = Person()
    conditions: tuple[Given, ...] = ()
    medications: tuple[Given, ...] = ()
    allergies: tuple[Given, ...] = ()
    observations: tuple[Given, ...] = ()
    procedures: tuple[Given, ...] = ()
    vaccines: tuple[Given, ...] = ()
    resources: tuple[dict[str, Any], ...] = Field((), description="FHIR as it is")


class Writer:
    """Writes made-up patients as Bundles.

    Parameters
    ----------
    sets : ValueSets
    today : date
    """

    def __init__(self, sets: ValueSets, today: date) -> None:
        self._sets = sets
        self._today = today

    def bundle(self, given: Patient) -> Resource:
        """Return a patient as a FHIR Bundle.

        Raises
        ------
        InputError
            If a value set or code system is unknown.
        """
        kinds: Sequence[tuple[tuple[Given, ...], Callable[[Given], Resource]]] = (
            (given.conditions, self._condition),
            (given.medications, self._medication),
            (given.allergies, self._allergy),
            (given.observations, self._observation),
            (given.procedures, self._procedure),
            (given.vaccines, self._vaccine),
        )
        resources = [self._person(given.patient)]
        resources += [write(one) for listed, write in kinds for one in listed]
        resources += [dict(one) for one in given.resources]
        for place, resource in enumerate(resources[1:], 1):
            resource.setdefault("id", f"r{place}")
            resource.setdefault(_subject(resource), {"reference": "Patient/vignette"})
        entries = [{"resource": resource} for resource in resources]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    def _person(self, given: Person) -> Resource:
        found: Resource = {"resourceType": "Patient", "id": "vignette"}
        if given.age is not None:
            day = min(self._today.day, 28)
            found["birthDate"] = date(
                self._today.year - given.age, self._today.month, day
            ).isoformat()
        if given.born is not None:
            found["birthDate"] = given.born
        if given.sex is not None:
            found["gender"] = given.sex
        if given.dead:
            found["deceasedBoolean"] = True
        return found

    def _day(self, given: Given, usual: int) -> str:
        ago = usual if given.days_ago is None else given.days_ago
        return (self._today - timedelta(days=ago)).isoformat()

    def _concept(self, given: Given) -> Resource:
        codings = [] if given.of is None else [self._coding_of(given.of)]
        codings += [_coding(one) for one in (given.code, given.also) if one is not None]
        concept: Resource = {"coding": codings} if codings else {}
        return {**concept, "text": given.text} if given.text is not None else concept

    def _coding_of(self, name: str) -> Mapping[str, str]:
        if name not in self._sets:
            raise InputError(f"no value set {name!r}.{suggestion(name, self._sets.sets)}")
        one = self._sets[name]
        system, code = next(iter(one.codes))
        return {"system": system, "code": code, "display": one.codes[system, code]}

    def _condition(self, given: Given) -> Resource:
        return {
            "resourceType": "Condition",
            "clinicalStatus": _status(given.status or "active"),
            "verificationStatus": _status(given.verified or "confirmed"),
            "code": self._concept(given),
            "onsetDateTime": self._day(given, 400),
        }

    def _medication(self, given: Given) -> Resource:
        found: Resource = {
            "resourceType": "MedicationRequest",
            "status": given.status or "active",
            "intent": "order",
            "medicationCodeableConcept": self._concept(given),
            "authoredOn": self._day(given, 30),
        }
        if given.timing is not None:
            found["dosageInstruction"] = [{"timing": {"repeat": given.timing}}]
        return found

    def _allergy(self, given: Given) -> Resource:
        return {
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": _status(given.status or "active"),
            "verificationStatus": _status(given.verified or "confirmed"),
            "code": self._concept(given),
        }

    def _observation(self, given: Given) -> Resource:
        part: Resource = {"code": self._concept(given)}
        if given.value is not None:
            part["valueQuantity"] = {"value": given.value, "unit": given.unit or "", **_ucum(given)}
        if given.answer is not None:
            part["valueCodeableConcept"] = {"coding": [self._coding_of(given.answer)]}
        whole: Resource = {
            "resourceType": "Observation",
            "status": given.status or "final",
            "effectiveDateTime": self._day(given, 10),
        }
        if given.within is None:
            return {**whole, **part}
        return {**whole, "code": {"coding": [self._coding_of(given.within)]}, "component": [part]}

    def _procedure(self, given: Given) -> Resource:
        return {
            "resourceType": "Procedure",
            "status": given.status or "completed",
            "code": self._concept(given),
            "performedDateTime": self._day(given, 30),
        }

    def _vaccine(self, given: Given) -> Resource:
        return {
            "resourceType": "Immunization",
            "status": given.status or "completed",
            "vaccineCode": self._concept(given),
            "occurrenceDateTime": self._day(given, 30),
        }


def _coding(given: Coded) -> Mapping[str, str]:
    return {"system": SYSTEMS.get(given.system, given.system), "code": given.code}


def _status(code: str) -> Resource:
    return {"coding": [{"code": code}]}


def _ucum(given: Given) -> Resource:
    found: Resource = {"system": "http://unitsofmeasure.org", "code": given.unit or "1"}
    return {**found, "comparator": given.comparator} if given.comparator else found


def _subject(resource: Mapping[str, Any]) -> str:
    about = {"AllergyIntolerance", "Immunization"}
    return "patient" if resource.get("resourceType") in about else "subject"
