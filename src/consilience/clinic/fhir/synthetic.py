"""Patients who never lived, as FHIR Bundles: to try decision support, and to test it.

Each carries the tag ``HTEST`` (test health data) and a name that says that it is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from consilience.clinic.fhir.drawing import drawn
from consilience.clinic.fhir.mapping import NotTakenError, Value
from consilience.clinic.fhir.person import value_of_patient
from consilience.clinic.fhir.practice import ordinary
from consilience.clinic.fhir.ucum import converter
from consilience.clinic.fhir.wanted import Reading, Wanted, kinds_of, reading_of
from consilience.clinic.fhir.writing import (
    WRITERS,
    bundle,
    concept,
    observation,
    systems_in,
    value_of,
)
from consilience.cohort import Cohort
from consilience.study.bundle.schema import ModalitySchema, Schema

_TAGS = [
    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"},
    {"system": "urn:consilience:tag", "code": "invented"},
]
_WIDE = 30  # tables of more features than this come as one Observation with components
_GIVEN = {
    "female": ("Ada", "Berta", "Clara", "Dora", "Emma", "Frieda", "Greta", "Hanna", "Ida", "Jana"),
    "male": ("Anton", "Bruno", "Carl", "David", "Emil", "Fritz", "Georg", "Hans", "Igor", "Jan"),
}
_FAMILY = ("Ahorn", "Birke", "Buche", "Eiche", "Erle", "Esche", "Fichte", "Kiefer", "Linde", "Ulme")
_AGES = (20.0, 90.0)  # years, where the schema says none


@dataclass(frozen=True)
class Invented:
    """A patient who never lived.

    Attributes
    ----------
    fhir : dict
        A Bundle.
    values : mapping of (modality, feature) to float or str
        What a model must read from it.
    """

    fhir: dict[str, Any]
    values: Mapping[tuple[str, str], Value]


def synthetic_patients(
    schema: Schema, n: int, seed: int = 0, *, now: datetime, like: Cohort | None = None
) -> list[dict[str, Any]]:
    """Return Bundles of patients who never lived, with what a model reads and ordinary care.

    Parameters
    ----------
    schema : Schema
        Its features get values within their training range, some left out as in training.
    n : int
    seed : int
        The same seed gives the same patients; patient i is the same whatever `n`.
    now : datetime
        With its time zone; nothing is later.
    like : Cohort, optional
        Patients to resemble, such as a bundle's background, so that features belong
        together; without it each feature is drawn alone.

    Returns
    -------
    list of dict
        FHIR R4 Bundles.
    """
    return [one.fhir for one in invented_patients(schema, n, seed, now=now, like=like)]


def invented_patients(
    schema: Schema, n: int, seed: int = 0, *, now: datetime, like: Cohort | None = None
) -> list[Invented]:
    """Return the patients of `synthetic_patients`, each with what was planted in him."""
    reading = reading_of(schema)
    return [
        _Inventing(reading, np.random.default_rng([seed, place]), now, like).patient(place)
        for place in range(n)
    ]


@dataclass
class _Inventing:
    """One patient while he is invented."""

    reading: Reading
    rng: np.random.Generator
    now: datetime
    like: Cohort | None
    resources: list[dict[str, Any]] = field(default_factory=list)
    values: dict[tuple[str, str], Value] = field(default_factory=dict)

    def patient(self, place: int) -> Invented:
        person = self._person(place)
        row = -1 if self.like is None else int(self.rng.integers(len(self.like)))
        for modality in self.reading.schema.modalities:
            if modality.kind == "table":
                self._measure(modality, row)
        self.resources += ordinary(self.rng, self.now, frozenset(self.reading.by_code))
        self._what_is_not_there()
        return Invented(bundle(person, self.resources), self.values)

    def _person(self, place: int) -> dict[str, Any]:
        sex = str(self.rng.choice(_sexes(self.reading)))
        age = float(self.rng.uniform(*_ages(self.reading)))
        born = (self.now - timedelta(days=max(1.0, age * 365.25))).date()
        given, family = (str(self.rng.choice(names)) for names in (_GIVEN[sex], _FAMILY))
        person = {
            "resourceType": "Patient",
            "id": f"invented-{place + 1:04d}",
            "meta": {"tag": _TAGS},
            "name": [{"use": "official", "family": f"{family} (invented)", "given": [given]}],
            "gender": sex,
            "birthDate": born.isoformat(),
        }
        for wanted in self.reading.of_patient:
            try:
                self.values[wanted.key] = value_of_patient(wanted, person, self.now)
            except NotTakenError:  # it then comes as an Observation, as other features do
                continue
        return person

    def _measure(self, modality: ModalitySchema, row: int) -> None:
        """Measure a patient by a table, or not."""
        share = modality.patients / max(self.reading.schema.patients, 1)
        measured = modality.always_measured or bool(self.rng.random() < share)
        told: list[tuple[Wanted, Value]] = []
        for feature in modality.features:
            wanted = self.reading.feature(modality.name, feature.name)
            value = drawn(feature, self.rng, self.like, (modality.name, row))
            missing = bool(self.rng.random() < feature.missing) or not measured
            if value is None or wanted.key in self.values:
                continue
            if wanted.by_presence:
                self._there(wanted, value)
            elif not missing:
                told.append((wanted, value))
                self.values[wanted.key] = value
        self._write(modality, told)

    def _there(self, wanted: Wanted, value: Value) -> None:
        """Write what counts by being there."""
        if value == 1.0:
            self.values[wanted.key] = 1.0
            code, resource = next(iter(wanted.resources.items()))
            written = concept([code], wanted.feature.label or wanted.feature.name)
            self.resources.append(WRITERS[resource](written, self._when()))

    def _what_is_not_there(self) -> None:
        """Keep as 0 what the lists that are written, all of them coded as it is, do not hold."""
        for wanted in self.reading.by_presence:
            types = {kind for due in wanted.resources.values() for kind in kinds_of(due)}
            lists = [systems_in(r) for r in self.resources if r["resourceType"] in types]
            coded = all(found & {code.system for code in wanted.resources} for found in lists)
            if wanted.closed and lists and coded:
                self.values.setdefault(wanted.key, 0.0)

    def _write(self, modality: ModalitySchema, told: list[tuple[Wanted, Value]]) -> None:
        coded = [(self._code(wanted), value_of(wanted.feature, value)) for wanted, value in told]
        if len(modality.features) > _WIDE and coded:
            parts = [{"code": code, **value} for code, value in coded]
            whole = observation(concept([], modality.name), self._when(), component=parts)
            self.resources.append(whole)
        else:
            self.resources += [observation(c, self._when(), **value) for c, value in coded]

    def _code(self, wanted: Wanted) -> dict[str, Any]:
        """Return a feature's address, and the first code of its own that is no other's."""
        address, *others = wanted.codes
        own = [c for c in others if len(self.reading.by_code[c]) == 1 and c not in wanted.resources]
        return concept([address, *own[:1]], wanted.feature.label or wanted.feature.name)

    def _when(self) -> datetime:
        return self.now - timedelta(hours=float(self.rng.uniform(1, 24 * 60)))


def _sexes(reading: Reading) -> list[str]:
    """Return the sexes that the model has seen."""
    seen = [w.feature.levels or () for w in reading.of_patient if w.of_patient == "sex"]
    known = {level[:1].casefold() for levels in seen for level in levels}
    return [sex for sex in ("female", "male") if not known or sex[0] in known] or ["female", "male"]


def _ages(reading: Reading) -> tuple[float, float]:
    """Return between which ages, in years, the model was trained."""
    for wanted in reading.of_patient:
        low, high = wanted.feature.low, wanted.feature.high
        in_years = converter(wanted.feature.unit or "a", "a")
        if wanted.of_patient == "age" and low is not None and high is not None and in_years:
            return in_years(low), in_years(high)
    return _AGES
