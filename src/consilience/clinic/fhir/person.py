"""What a Patient resource itself says: name, sex, age, whether he lives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from consilience.clinic.fhir.elements import parts, words
from consilience.clinic.fhir.mapping import NotTakenError, Value
from consilience.clinic.fhir.times import Span, span_of
from consilience.clinic.fhir.ucum import converter, is_unitless
from consilience.clinic.fhir.wanted import Wanted

_SEX_WORDS = {
    "male": frozenset({"male", "m", "man", "men"}),
    "female": frozenset({"female", "f", "woman", "women"}),
    "other": frozenset({"other", "o"}),
}
_OLDEST = 130.0


def name_of(patient: dict[str, Any]) -> str:
    """Return the name to show: the official or usual one, else the first."""
    names = parts(patient.get("name"))
    for use in ("official", "usual"):
        names.sort(key=lambda name, use=use: name.get("use") != use)  # type: ignore[misc]
    return next((text for text in map(_written, names) if text), "")


def _written(name: dict[str, Any]) -> str:
    given = name.get("given")
    first = [words(one) for one in given] if isinstance(given, list) else []
    text = words(name.get("text")) or " ".join([*first, words(name.get("family"))])
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:200]


def deceased(patient: dict[str, Any]) -> bool | None:
    """Return whether he has died; None where nothing is said."""
    if span_of(patient.get("deceasedDateTime")) is not None:
        return True
    said = patient.get("deceasedBoolean")
    return said if isinstance(said, bool) else None


def value_of_patient(wanted: Wanted, patient: dict[str, Any], now: datetime) -> Value:
    """Return a feature that is read off the Patient.

    Raises
    ------
    NotTakenError
        If he does not say it, or not exactly enough.
    """
    if wanted.of_patient == "age":
        return age_of(wanted, patient, now)
    if wanted.of_patient == "deceased":
        return _died_by(patient, now)
    return _sex(wanted, words(patient.get("gender")))


def _died_by(patient: dict[str, Any], now: datetime) -> float:
    when = span_of(patient.get("deceasedDateTime"))
    if when is not None:
        return float(when.start <= now)
    if patient.get("deceasedBoolean") is not False:
        raise NotTakenError("it does not say whether, or when, he died")
    return 0.0


def _sex(wanted: Wanted, gender: str) -> Value:
    if wanted.of_patient in ("male", "female"):
        if not wanted.numeric or gender not in ("male", "female"):
            raise NotTakenError("it says no sex that the model knows")
        return float(gender == wanted.of_patient)
    if wanted.numeric:
        raise NotTakenError("the model reads sex as a number, and nothing says which is which")
    known = _SEX_WORDS.get(gender, frozenset({gender}))
    levels = [level for level in wanted.feature.levels or () if level.casefold() in known]
    if not gender or len(levels) != 1:
        raise NotTakenError("it says no sex that the model knows")
    return levels[0]


def age_of(wanted: Wanted, patient: dict[str, Any], now: datetime) -> float:
    """Return his age now, or when he died, in the feature's unit; years where it has none.

    Where every training patient's age was a whole number it is in completed years, as
    people say it; else it is days / 365.25. A birth date known to the year or month gives
    an age only if all its days would give the same.

    Raises
    ------
    NotTakenError
        If birth date or death are not known exactly enough, or the age cannot be.
    """
    born = span_of(patient.get("birthDate"))
    if born is None:
        raise NotTakenError("it has no birth date")
    until = _until(patient, now)
    ages = {_age(wanted, Span(day, day), until) for day in (born.start, born.end)}
    if len(ages) != 1:
        raise NotTakenError(
            "its birth date is not known to the day, and the age may be either of two"
        )
    age: float = ages.pop()
    return age


def _until(patient: dict[str, Any], now: datetime) -> datetime:
    died = span_of(patient.get("deceasedDateTime"))
    if died is None and deceased(patient):
        raise NotTakenError("he has died, and nothing says when")
    return min(now, died.start) if died is not None else now


def _age(wanted: Wanted, born: Span, until: datetime) -> float:
    start, end = born.start.date(), until.date()
    years = end.year - start.year - ((end.month, end.day) < (start.month, start.day))
    if not 0 <= years <= _OLDEST:
        raise NotTakenError("its birth date cannot be right")
    unit, extremes = wanted.feature.unit, (wanted.feature.minimum, wanted.feature.maximum)
    whole = all(value is not None and float(value).is_integer() for value in extremes)
    if is_unitless(unit) and any(value is not None and value > _OLDEST for value in extremes):
        raise NotTakenError("the model's ages have no unit, and are no years")
    convert = converter("a", "a" if is_unitless(unit) else unit)
    if convert is None:
        raise NotTakenError(f"an age does not become {unit!r}")
    return convert(float(years) if whole and convert(1.0) == 1.0 else (end - start).days / 365.25)
