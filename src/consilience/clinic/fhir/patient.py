"""One patient of a model's schema, from his FHIR record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from consilience.clinic.fhir.codes import Code
from consilience.clinic.fhir.elements import codes_in, parts, words
from consilience.clinic.fhir.listing import Notes
from consilience.clinic.fhir.mapping import NotTakenError, Value, value_for
from consilience.clinic.fhir.person import deceased, name_of, value_of_patient
from consilience.clinic.fhir.presence import Found, certainly_absent, present
from consilience.clinic.fhir.resources import FhirBundle, Resource
from consilience.clinic.fhir.times import Span, effective
from consilience.clinic.fhir.wanted import Reading, Wanted, reading_of
from consilience.cohort import Cohort, Table
from consilience.cohort.table import Blocks, TableSource
from consilience.errors import InputError
from consilience.records import Unmapped
from consilience.study.bundle.schema import ModalitySchema, Schema

_USABLE = frozenset({"final", "amended", "corrected"})
_TOO_OLD = "it is older than the window of time"


@dataclass(frozen=True)
class Taken:
    """A value that was taken over.

    Attributes
    ----------
    modality, feature : str
    resource : str
        Where from, such as ``Observation/123``.
    at : str
        When it was so, ISO 8601; empty where nothing is said.
    note : str
        What else to know.
    """

    modality: str
    feature: str
    resource: str
    at: str = ""
    note: str = ""


@dataclass(frozen=True)
class Mapped:
    """A patient's record as a model reads it.

    Attributes
    ----------
    cohort : Cohort
        Of one: the schema's tables of which something was found, with its kinds and units.
    patient : str
        His id.
    name, sex, birth_date : str
        As the record has them; empty where it has not.
    deceased : bool or None
    unmapped : tuple of Unmapped
        What was not taken over, and why.
    taken : tuple of Taken
    """

    cohort: Cohort
    patient: str
    name: str
    sex: str
    birth_date: str
    deceased: bool | None
    unmapped: tuple[Unmapped, ...]
    taken: tuple[Taken, ...]


@dataclass(frozen=True)
class _Candidate:
    value: Value
    at: Span
    resource: str


_Values = dict[int, tuple[Value, Taken]]  # by id of what is wanted


def map_patient(
    bundle: FhirBundle,
    schema: Schema,
    *,
    now: datetime,
    window_days: float = 365,
    looking_back: bool = False,
) -> Mapped:
    """Return the patient of a bundle as a model reads patients.

    Each feature takes its latest valid value within the window. Nothing is guessed: a unit
    that does not convert for certain, an answer that is no known category, a bound, values
    that differ at one time, are listed and left out. Values are never clipped.

    Parameters
    ----------
    bundle : FhirBundle
    schema : Schema
        Of the model; see `consilience.clinic.fhir.codes` for which codes mean a feature.
    now : datetime
        With its time zone.
    window_days : float
        How old an observation may be.
    looking_back : bool
        Whether `now` lies in the past: what became of a diagnosis or medicine since then, as
        its status of today says, must not be known.

    Raises
    ------
    InputError
        If `now` has no time zone, the window no length, or a code of the schema is none.
    """
    if now.tzinfo is None or not window_days > 0:
        raise InputError("now needs a time zone, and window_days must be above 0.")
    reading, notes = reading_of(schema), Notes()
    values: _Values = {}
    _from_patient(reading, bundle.patient, now, values, notes)
    window = (now - timedelta(days=window_days), now)
    found = present(bundle, now, window[0] if looking_back else None)
    _from_presence(reading, found, values, notes)
    _from_observations(reading, bundle, window, values, notes)
    for name in reading.unreadable:
        notes.add(f"modality {name}", "it is no table; a FHIR record cannot carry it.")
    person = bundle.patient.content
    return Mapped(
        cohort=_cohort(schema, bundle, reading, values, now),
        patient=bundle.patient_id,
        name=name_of(person),
        sex=words(person.get("gender")),
        birth_date=words(person.get("birthDate")),
        deceased=deceased(person),
        unmapped=(*bundle.unmapped, *notes.listed()),
        taken=tuple(taken for _, taken in values.values()),
    )


def _from_patient(
    reading: Reading, patient: Resource, now: datetime, values: _Values, notes: Notes
) -> None:
    for wanted in reading.of_patient:
        try:
            value = value_of_patient(wanted, patient.content, now)
        except NotTakenError as reason:
            notes.add(patient.label, f"{wanted.name}: {reason}.")
        else:
            values[id(wanted)] = (value, _taken(wanted, patient.label))


def _taken(wanted: Wanted, resource: str, at: str = "", note: str = "") -> Taken:
    return Taken(wanted.modality, wanted.feature.name, resource, at, note)


def _from_presence(reading: Reading, found: list[Found], values: _Values, notes: Notes) -> None:
    """Fill features that say whether something is there."""
    doubted: set[int] = set()
    for one in found:
        for wanted in reading.wanted(one.codes):
            reason = _why_not(wanted, one) or one.doubt
            if reason:
                doubted |= {id(wanted)} if one.doubt == reason else set()
                notes.add(one.resource.label, f"{wanted.name}: {reason}.")
            else:
                at = one.at.text if one.at else ""
                values[id(wanted)] = (1.0, _taken(wanted, one.resource.label, at))
    for wanted in reading.by_presence:
        known = id(wanted) in values or id(wanted) in doubted
        if not known and certainly_absent(wanted, found):
            note = "the record holds such lists, and it is on none"
            values[id(wanted)] = (0.0, _taken(wanted, "the record", note=note))


def _why_not(wanted: Wanted, found: Found) -> str:
    if wanted.feature.kind != "binary":
        return "the model reads more of it than that it is there"
    if not wanted.shown_by(found.codes, found.resource.type):
        return f"a resource of type {found.resource.type} does not mean it"
    return ""


def _from_observations(
    reading: Reading,
    bundle: FhirBundle,
    window: tuple[datetime, datetime],
    values: _Values,
    notes: Notes,
) -> None:
    candidates: dict[int, list[_Candidate]] = {}
    wanted_by: dict[int, Wanted] = {}
    past: list[tuple[str, Wanted]] = []
    for resource in bundle.of_type("Observation"):
        at = _usable_time(resource.content, window)
        for part, codes in _observed(resource.content):
            several = reading.wanted(codes)
            if not several:
                what = f"Observation {_code_said(codes)}"
                notes.add(what, "nothing that is read has this code.", asked=False)
            for wanted in several:
                wanted_by[id(wanted)] = wanted
                value, reason = _valued(part, wanted, codes) if isinstance(at, Span) else (None, at)
                if at == _TOO_OLD:
                    past.append((resource.label, wanted))
                elif value is None or isinstance(at, str):
                    notes.add(resource.label, f"{wanted.name}: {reason}.")
                else:
                    found = candidates.setdefault(id(wanted), [])
                    found.append(_Candidate(value, at, resource.label))
    for key, found in candidates.items():
        _choose(wanted_by[key], found, values, notes)
    for label, wanted in past:
        notes.add(label, f"{wanted.name}: {_TOO_OLD}.", asked=id(wanted) not in values)


def _valued(part: dict[str, Any], wanted: Wanted, codes: list[Code]) -> tuple[Value | None, str]:
    """Return a value, or None and why there is none."""
    try:
        return value_for(part, wanted, codes), ""
    except NotTakenError as reason:
        return None, str(reason)


def _observed(content: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Code]]]:
    """Give an Observation and its components, each with its codes, where they have a value."""
    inner = parts(content.get("component"))
    for part in (content, *inner):
        valued = any(key.startswith("value") for key in part)
        if valued or part is not content or not inner:
            yield part, codes_in(part.get("code"))


def _code_said(codes: list[Code]) -> str:
    return str(codes[0].text)[:120] if codes else "without a code"


def _usable_time(content: dict[str, Any], window: tuple[datetime, datetime]) -> Span | str:
    """Return when an Observation was made, or why it may not be used."""
    status = words(content.get("status"))
    if status not in _USABLE:
        return f"its status is {status or 'not said'}"
    at = effective(content)
    if at is None:
        return "it does not say when"
    if at.is_after(window[1]):
        return "it lies in the future"
    return _TOO_OLD if at.start < window[0] else at


def _choose(wanted: Wanted, found: list[_Candidate], values: _Values, notes: Notes) -> None:
    """Take the latest value, unless another of which nothing says it is older differs."""
    last = max(found, key=lambda one: one.at.start)
    rivals = [one for one in found if one.at.overlaps(last.at)]
    if len({one.value for one in rivals}) > 1:
        values.pop(id(wanted), None)
        for one in rivals:
            notes.add(one.resource, f"{wanted.name}: values at the same time differ.")
        return
    values[id(wanted)] = (last.value, _taken(wanted, last.resource, last.at.text))


def _cohort(
    schema: Schema, bundle: FhirBundle, reading: Reading, values: _Values, now: datetime
) -> Cohort:
    found = {(t.modality, t.feature): value for value, t in values.values()}
    index = pd.Index([bundle.patient_id], name="patient")
    tables = {
        modality.name: _table(modality, index, found)
        for modality in schema.modalities
        if any((modality.name, feature.name) in found for feature in modality.features)
    }
    person = bundle.patient.content
    patients = pd.DataFrame({"sex": [words(person.get("gender")) or None]}, index=index)
    return Cohort(patients, tables, name=bundle.patient.label)


def _table(modality: ModalitySchema, index: pd.Index, found: dict[tuple[str, str], Value]) -> Table:
    kinds = {feature.name: feature.kind for feature in modality.features}
    values = {name: found.get((modality.name, name)) for name in kinds}
    numbers = [values[name] for name, kind in kinds.items() if kind != "categorical"]
    numeric = np.array([[np.nan if n is None else n for n in numbers]], dtype=float)
    numeric = numeric.reshape(1, len(numbers))
    numeric.flags.writeable = False
    text = {name: [values[name]] for name, kind in kinds.items() if kind == "categorical"}
    blocks = Blocks(numeric, pd.DataFrame(text, index=index, dtype=object))
    units = {feature.name: feature.unit for feature in modality.features if feature.unit}
    return Table.from_source(TableSource(index, kinds, units, partial(_itself, blocks)))  # type: ignore[arg-type]


def _itself(blocks: Blocks) -> Blocks:
    return blocks
