"""What an invented patient's practice knows of him: diagnoses, medicines, results, vaccinations.

Made so that some patients are well cared for and others are not: something for rules to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from consilience.clinic.fhir.codes import Code, code_of
from consilience.clinic.fhir.writing import WRITERS, concept, observation, quantity

Json = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """Something a record may hold.

    Attributes
    ----------
    resource : str
        Its type.
    codes : tuple of str
        As `code_of` reads them.
    text : str
    share : float
        Of the patients who have it.
    days : (float, float)
        How long ago, from least to most.
    range : (float, float) or None
        Of the value, if it is an Observation.
    unit : str
    digits : int
    """

    resource: str
    codes: tuple[str, ...]
    text: str
    share: float
    days: tuple[float, float]
    range: tuple[float, float] | None = None
    unit: str = ""
    digits: int = 1


def _result(
    code: str, text: str, values: tuple[float, float], unit: str, digits: int = 1,
    share: float = 0.9, days: tuple[float, float] = (3, 330),
) -> Item:  # fmt: skip
    return Item("Observation", (f"loinc|{code}",), text, share, days, values, unit, digits)


def _illness(text: str, share: float, *codes: str) -> Item:
    return Item("Condition", codes, text, share, (400, 4000))


def _medicine(text: str, share: float, *codes: str) -> Item:
    return Item("MedicationRequest", codes, text, share, (5, 300))


# What everybody may have, and what comes with an illness.
_EVERYBODY = (
    _result("2160-0", "Creatinine", (0.6, 1.3), "mg/dL", 2),
    _result("2823-3", "Potassium", (3.4, 5.2), "mmol/L"),
    _result("2951-2", "Sodium", (134, 146), "mmol/L", 0),
    _result("718-7", "Hemoglobin", (10.5, 16.5), "g/dL"),
    _result("13457-7", "LDL cholesterol", (60, 190), "mg/dL", 0),
    _result("29463-7", "Body weight", (52, 110), "kg"),
    Item("Immunization", ("cvx|140",), "Influenza vaccine", 0.5, (20, 500)),
    Item("AllergyIntolerance", ("snomed|91936005",), "Allergy to penicillin", 0.1, (500, 6000)),
    _medicine("Amoxicillin", 0.06, "rxnorm|723", "atc|J01CA04"),
    _medicine("Diazepam", 0.08, "rxnorm|3322", "atc|N05BA01"),
    Item("Procedure", ("snomed|73761001",), "Colonoscopy", 0.3, (200, 4500)),
)
_ILLNESSES: tuple[tuple[Item, tuple[Item, ...]], ...] = (
    (
        _illness("Type 2 diabetes mellitus", 0.35, "snomed|44054006", "icd-10|E11"),
        (
            _result("4548-4", "Hemoglobin A1c", (6.2, 10.5), "%", 1, 0.8, (10, 500)),
            _medicine("Metformin", 0.75, "rxnorm|6809", "atc|A10BA02"),
        ),
    ),
    (
        _illness("Essential hypertension", 0.5, "snomed|59621000", "icd-10|I10"),
        (
            _medicine("Lisinopril", 0.6, "rxnorm|29046", "atc|C09AA03"),
            _medicine("Amlodipine", 0.3, "rxnorm|17767", "atc|C08CA01"),
        ),
    ),
    (
        _illness("Atrial fibrillation", 0.2, "snomed|49436004", "icd-10|I48"),
        (
            _medicine("Warfarin", 0.6, "rxnorm|11289", "atc|B01AA03"),
            _result("6301-6", "INR", (1.4, 4.6), "", 1, 0.8, (2, 120)),
        ),
    ),
    (
        _illness("Chronic kidney disease", 0.2, "snomed|709044004", "icd-10|N18"),
        (_result("98979-8", "eGFR (CKD-EPI 2021)", (18, 58), "mL/min/{1.73_m2}", 0, 0.9),),
    ),
    (
        _illness("Osteoarthritis", 0.35, "snomed|396275006", "icd-10|M19"),
        (_medicine("Ibuprofen", 0.6, "rxnorm|5640", "atc|M01AE01"),),
    ),
    (
        _illness("Heart failure", 0.12, "snomed|84114007", "icd-10|I50"),
        (
            _medicine("Furosemide", 0.8, "rxnorm|4603", "atc|C03CA01"),
            _medicine("Spironolactone", 0.5, "rxnorm|9997", "atc|C03DA01"),
        ),
    ),
    (
        _illness("Coronary arteriosclerosis", 0.15, "snomed|53741008", "icd-10|I25.1"),
        (_medicine("Atorvastatin", 0.6, "rxnorm|83367", "atc|C10AA05"),),
    ),
)


_PRESSURES = (("8480-6", "Systolic"), ("8462-4", "Diastolic"))


def ordinary(rng: np.random.Generator, now: datetime, taken: frozenset[Code]) -> list[Json]:
    """Return what a practice knows of a patient.

    Parameters
    ----------
    rng : Generator
    now : datetime
    taken : frozenset of Code
        Codes that a model reads: they are left out, for what it reads is planted.
    """
    found = [_written(item, rng, now, taken) for item in _EVERYBODY]
    for illness, with_it in _ILLNESSES:
        ill = rng.random() < illness.share
        own = _written(illness, rng, now, taken, always=True)
        follow = [_written(item, rng, now, taken) for item in with_it]
        found += [own, *follow] if ill else []
    pressures = _blood_pressures(rng, now)
    if not {code_of(f"loinc|{code}")[0] for code, _ in _PRESSURES} & taken:
        found += pressures
    return [one for one in found if one is not None]


def _written(
    item: Item,
    rng: np.random.Generator,
    now: datetime,
    taken: frozenset[Code],
    always: bool = False,
) -> Json | None:
    """Return one thing, or None if he has it not; the same numbers are drawn either way."""
    has = rng.random() < item.share or always
    at = now - timedelta(days=float(rng.uniform(*item.days)))
    low, high = item.range or (0.0, 1.0)
    value = round(float(rng.uniform(low, high)), item.digits)
    codes = [code_of(text)[0] for text in item.codes]
    if not has or set(codes) & taken:
        return None
    if item.range is None:
        return WRITERS[item.resource](concept(codes, item.text), at)
    return observation(concept(codes, item.text), at, valueQuantity=quantity(value, item.unit))


def _blood_pressures(rng: np.random.Generator, now: datetime) -> list[Json]:
    """Return readings of two days, about what is usual for him."""
    usual = rng.uniform((112, 65), (168, 98))
    found = []
    for earliest, latest in ((2, 60), (70, 340)):
        at = now - timedelta(days=float(rng.uniform(earliest, latest)))
        read = np.round(rng.normal(usual, (6, 4)))
        parts = [
            {
                "code": concept([code_of(f"loinc|{code}")[0]], f"{name} blood pressure"),
                "valueQuantity": quantity(float(value), "mm[Hg]"),
            }
            for (code, name), value in zip(_PRESSURES, read, strict=True)
        ]
        panel = concept([code_of("loinc|85354-9")[0]], "Blood pressure")
        found.append(observation(panel, at, component=parts))
    return found
