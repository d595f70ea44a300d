"""Code systems by short name, and what shows that a code was mistyped."""

from __future__ import annotations

import re

from consilience.errors import InputError

#: Short names of the code systems that value sets may use.
SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "cvx": "http://hl7.org/fhir/sid/cvx",
    "cpt": "http://www.ama-assn.org/go/cpt",
}

#: Other addresses that mean the same system.
ALIASES = {
    "http://hl7.org/fhir/sid/icd-10-cm": SYSTEMS["icd10"],
    "http://hl7.org/fhir/sid/icd-10-gm": SYSTEMS["icd10"],
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": SYSTEMS["icd10"],
    "http://fhir.de/CodeSystem/bfarm/atc": SYSTEMS["atc"],
    "urn:oid:2.16.840.1.113883.6.96": SYSTEMS["snomed"],
    "urn:oid:2.16.840.1.113883.6.1": SYSTEMS["loinc"],
    "urn:oid:2.16.840.1.113883.6.88": SYSTEMS["rxnorm"],
    "urn:oid:2.16.840.1.113883.6.73": SYSTEMS["atc"],
    "urn:oid:2.16.840.1.113883.12.292": SYSTEMS["cvx"],
}

#: Systems in which a longer code lies below the shorter one that it begins with.
PREFIX_SYSTEMS = frozenset({SYSTEMS["atc"], SYSTEMS["icd10"], SYSTEMS["icd9"]})

_SHAPES = {
    "snomed": r"\d{6,18}",
    "loinc": r"\d{1,7}-\d|LA\d+-\d",
    "rxnorm": r"\d{1,8}",
    "atc": r"[A-Z](\d{2}([A-Z]([A-Z](\d{2})?)?)?)?",
    "icd10": r"[A-Z]\d([0-9A-Z](\.?[0-9A-Z]{1,4})?)?",
    "icd9": r"[0-9EV]\d{2}(\.?\d{1,2})?",
    "cvx": r"\d{2,3}",
    "cpt": r"\d{4}[0-9A-Z]",
}

# Verhoeff's dihedral check (1969), with which every SNOMED CT identifier ends.
_TIMES = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_TURNS = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)


def _verhoeff(code: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = int(_TIMES[check][int(_TURNS[place % 8][int(digit)])])
    return check == 0


def _luhn(code: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(code.removeprefix("LA").replace("-", ""))):
        doubled = int(digit) * (1 + place % 2)
        total += doubled // 10 + doubled % 10
    # the letters of an answer code (LA...) count 8
    return (total + 8 * code.startswith("LA")) % 10 == 0


_CHECKS = {"snomed": _verhoeff, "loinc": _luhn}


def check_code(system: str, code: str, where: str) -> None:
    """Refuse a code that its system cannot contain: wrong shape or wrong check digit.

    Raises
    ------
    InputError
    """
    shape, check = _SHAPES.get(system), _CHECKS.get(system)
    if shape and not re.fullmatch(shape, code):
        raise InputError(f"{where}: {code!r} does not look like a code of {system}.")
    if check and not check(code):
        raise InputError(
            f"{where}: the last digit of {system} {code!r} does not fit the others; "
            "a digit is mistyped."
        )


def address(system: str) -> str:
    """Return the address under which a code system is known here."""
    return ALIASES.get(system, system)
