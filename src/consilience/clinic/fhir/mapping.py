"""From what was observed to values of features: the right unit, the right level, or a reason."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from consilience.clinic.fhir.codes import SNOMED, Code, Concept, concept_coded, plain_name
from consilience.clinic.fhir.elements import codings, parts, words
from consilience.clinic.fhir.ucum import NOTHING_KNOWN, UCUM, Substance, converter, is_unitless
from consilience.clinic.fhir.wanted import Wanted

Value: TypeAlias = float | str

_YES = frozenset({Code(SNOMED, "373066001"), Code("http://loinc.org", "LA33-6")})
_NO = frozenset({Code(SNOMED, "373067005"), Code("http://loinc.org", "LA32-8")})
_YES_WORDS, _NO_WORDS = frozenset({"yes", "true"}), frozenset({"no", "false"})
_ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"


class NotTakenError(Exception):
    """Why a value was not taken; told in a list, with nothing of the patient's in it."""


def value_for(observed: dict[str, Any], wanted: Wanted, codes: list[Code]) -> Value:
    """Return the value of an Observation, or of a component, as a feature has it.

    Parameters
    ----------
    observed : dict
        With a ``value[x]``.
    wanted : Wanted
        The feature.
    codes : list of Code
        What was observed: mass becomes moles only where a code says of which substance.

    Raises
    ------
    NotTakenError
        If it cannot be had for certain.
    """
    if observed.get("dataAbsentReason") is not None:
        raise NotTakenError("it says that the value is absent")
    concept = next((c for c in map(concept_coded, codes) if c is not None), wanted.concept)
    if wanted.numeric:
        return _number(observed, wanted, concept)
    return _level(observed, wanted, concept)


def _number(observed: dict[str, Any], wanted: Wanted, concept: Concept | None) -> float:
    value = _plain_number(observed, wanted, concept)
    if wanted.feature.kind == "binary" and value not in (0.0, 1.0):
        raise NotTakenError("its value is neither 0 nor 1")
    return value


def _plain_number(observed: dict[str, Any], wanted: Wanted, concept: Concept | None) -> float:
    if "valueQuantity" in observed:
        substance = concept.substance if concept else NOTHING_KNOWN
        return converted(observed["valueQuantity"], wanted.feature.unit, substance)
    if _is_number(observed.get("valueInteger")):
        return _unitless(float(observed["valueInteger"]), wanted.feature.unit)
    if isinstance(observed.get("valueBoolean"), bool) and wanted.feature.kind == "binary":
        return float(observed["valueBoolean"])
    if "valueCodeableConcept" in observed:
        return _coded_number(observed["valueCodeableConcept"], wanted, concept)
    raise NotTakenError("it has no number")


def _unitless(value: float, unit: str) -> float:
    if not is_unitless(unit):
        raise NotTakenError(f"it has no unit, and {unit!r} is due")
    return value


def converted(quantity: Any, unit: str, substance: Substance = NOTHING_KNOWN) -> float:
    """Return the number of a FHIR Quantity in a unit.

    Raises
    ------
    NotTakenError
        If it is a bound, has no number, or its unit does not become the one due.
    """
    if not isinstance(quantity, dict) or not _is_number(quantity.get("value")):
        raise NotTakenError("it has no number")
    if quantity.get("comparator") is not None:
        raise NotTakenError("its value is only a bound (< or >)")
    value = float(quantity["value"])
    units = _units(quantity)
    if not units or all(map(is_unitless, units)):
        return _unitless(value, unit)
    if is_unitless(unit):
        raise NotTakenError("it has a unit, and the model does not say which it reads")
    found = (converter(given, unit, substance) for given in units)
    convert = next((one for one in found if one is not None), None)
    if convert is None:
        raise NotTakenError(f"its unit does not become {unit!r} for certain")
    return convert(value)


def _units(quantity: dict[str, Any]) -> list[str]:
    """Return the units a Quantity gives: that of UCUM, else what is written."""
    code, written = words(quantity.get("code")), words(quantity.get("unit"))
    if code and quantity.get("system") == UCUM:
        return [code]
    return [unit for unit in (written or code,) if unit]


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e300
        and math.isfinite(value)
    )


def _coded_number(answer: Any, wanted: Wanted, concept: Concept | None) -> float:
    """Return what a coded answer counts: yes or no, or the number its code stands for."""
    found = set()
    for code, display, coding in codings(answer):
        if wanted.feature.kind == "binary":
            found |= _yes_or_no(code, display)
        elif is_unitless(wanted.feature.unit):
            found |= _scores(code, coding, concept)
    if wanted.feature.kind == "binary":
        for one in parts(answer):
            found |= _in_words(words(one.get("text")))
    if len(found) != 1:
        raise NotTakenError("its coded answer is no number that is known")
    return float(found.pop())


def _yes_or_no(code: Code, display: str) -> set[float]:
    if code in _YES or code in _NO:
        return {float(code in _YES)}
    return _in_words(display)


def _in_words(text: str) -> set[float]:
    word = plain_name(text)
    return {float(word in _YES_WORDS)} if word in _YES_WORDS | _NO_WORDS else set()


def _scores(code: Code, coding: dict[str, Any], concept: Concept | None) -> set[float]:
    said = [one for one in parts(coding.get("extension")) if one.get("url") == _ORDINAL]
    found = {float(one["valueDecimal"]) for one in said if _is_number(one.get("valueDecimal"))}
    known = concept.scores if concept else {}
    return found or ({known[code]} if code in known else set())


def _level(observed: dict[str, Any], wanted: Wanted, concept: Concept | None) -> str:
    """Return the level of the schema's that an answer is, by code or text."""
    levels = {_alike(level): level for level in wanted.feature.levels or ()}
    said = {_alike(word) for word in _said(observed)} & levels.keys()
    if not said:
        said = {_alike(word) for word in _answers(observed, concept)} & levels.keys()
    if len(said) != 1:
        raise NotTakenError("its answer is none of the categories the model knows")
    return levels[said.pop()]


def _alike(text: str) -> str:
    return " ".join(text.split()).casefold()


def _said(observed: dict[str, Any]) -> list[str]:
    """Return all that an answer is called."""
    answer = observed.get("valueCodeableConcept")
    said = [words(one.get("text")) for one in parts(answer)]
    for code, display, _ in codings(answer):
        said += [code.code, display]
    said.append(words(observed.get("valueString")))
    if _is_number(observed.get("valueInteger")):
        said.append(str(observed["valueInteger"]))
    if isinstance(observed.get("valueBoolean"), bool):
        said += ["true", "yes"] if observed["valueBoolean"] else ["false", "no"]
    quantity = observed.get("valueQuantity")
    if isinstance(quantity, dict) and quantity.get("value") is not None:
        said.append(f"{_unitless(converted(quantity, ''), ''):g}")
    return [word for word in said if word]


def _answers(observed: dict[str, Any], concept: Concept | None) -> list[str]:
    """Return what common answers are also called."""
    known = concept.answers if concept else {}
    codes = (code for code, _, _ in codings(observed.get("valueCodeableConcept")))
    return [word for code in codes for word in known.get(code, ())]
