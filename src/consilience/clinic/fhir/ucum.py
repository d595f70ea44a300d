"""From one unit to another, by UCUM (https://ucum.org); what is not certain is not converted.

Parsed by ``ucumvert``, computed by ``pint``. Four things that a plain dimension check would
get wrong are kept apart: arbitrary units ([iU]), equivalents (meq), annotations ({FEU},
{1.73_m2}) and shares of different things (mmol/mol is not %).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from consilience.extras import require
from consilience.study.bundle.units import same_unit

UCUM = "http://unitsofmeasure.org"

# How units are commonly written where UCUM writes them otherwise.
_WRITTEN = {
    "years": "a", "year": "a", "yr": "a", "yrs": "a", "y": "a",
    "months": "mo", "month": "mo", "weeks": "wk", "week": "wk", "days": "d", "day": "d",
    "hours": "h", "hour": "h", "minutes": "min", "seconds": "s",
    "mmhg": "mm[Hg]", "bpm": "/min", "beats/min": "/min", "breaths/min": "/min",
    "iu/l": "[iU]/L", "iu/ml": "[iU]/mL", "miu/l": "m[iU]/L", "uiu/ml": "u[iU]/mL",
    "u/l": "U/L", "g/l": "g/L", "g/dl": "g/dL", "mg/l": "mg/L", "mg/dl": "mg/dL",
    "ug/l": "ug/L", "ug/dl": "ug/dL", "ng/l": "ng/L", "ng/dl": "ng/dL", "ng/ml": "ng/mL",
    "pg/ml": "pg/mL", "pg": "pg", "fl": "fL", "l/l": "L/L",
    "mmol/l": "mmol/L", "umol/l": "umol/L", "nmol/l": "nmol/L", "pmol/l": "pmol/L",
    "meq/l": "meq/L", "mmol/mol": "mmol/mol",
    "10^9/l": "10*9/L", "x10^9/l": "10*9/L", "10e9/l": "10*9/L", "x10e9/l": "10*9/L",
    "10^12/l": "10*12/L", "x10^12/l": "10*12/L", "10e12/l": "10*12/L", "x10e12/l": "10*12/L",
    "10^3/ul": "10*3/uL", "x10^3/ul": "10*3/uL", "10e3/ul": "10*3/uL", "k/ul": "10*3/uL",
    "10^6/ul": "10*6/uL", "x10^6/ul": "10*6/uL", "10e6/ul": "10*6/uL", "m/ul": "10*6/uL",
    "cells/ul": "/uL", "°c": "Cel", "degc": "Cel", "celsius": "Cel",
    "°f": "[degF]", "degf": "[degF]", "fahrenheit": "[degF]", "kg/m2": "kg/m2",
    "kg/m^2": "kg/m2", "kg/m²": "kg/m2", "ml/min/1.73m2": "mL/min/{1.73_m2}",
    "ml/min/1.73m^2": "mL/min/{1.73_m2}", "ml/min/1.73m²": "mL/min/{1.73_m2}",
    "ml/min/1.73_m2": "mL/min/{1.73_m2}", "ml/min": "mL/min", "mm/h": "mm/h", "mm/hr": "mm/h",
    "lb": "[lb_av]", "lbs": "[lb_av]", "inches": "[in_i]", "fraction": "1", "percent": "%",
}  # fmt: skip
_UNITLESS = frozenset({"", "1"})
# Bracketed units that are plain physics; every other bracket is an arbitrary unit.
_PHYSICAL = frozenset({"[Hg]", "[H2O]", "[degF]", "[lb_av]", "[oz_av]", "[in_i]", "[ft_i]"})
# Annotations that only say what is counted.
_COUNTED = frozenset({"{cells}", "{cell}", "{#}", "{count}", "{beats}", "{breaths}", "{score}"})
_ANNOTATION = re.compile(r"\{[^{}]*\}")
_BRACKET = re.compile(r"\[[^\[\]]*\]")
_EQUIVALENT = re.compile(r"(?<![A-Za-z])[munp]?eq(?![A-Za-z])")
_EMPTY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Substance:
    """What is known of a substance that a unit may need.

    Attributes
    ----------
    molar_mass : float or None
        In g/mol: mass becomes amount of substance.
    charge : int or None
        Of the ion: equivalents become moles.
    enzyme : bool
        Whether [iU] means the enzyme unit U, 1 umol/min.
    ifcc : bool
        Whether it is HbA1c, whose mmol/mol (IFCC) and % (NGSP) are bound by the master
        equation NGSP = 0.09148 IFCC + 2.152 (Weykamp et al., Clin Chem 2008, 54:240).
    """

    molar_mass: float | None = None
    charge: int | None = None
    enzyme: bool = False
    ifcc: bool = False


NOTHING_KNOWN = Substance()


def ucum_of(unit: str) -> str:
    """Return a unit as UCUM writes it, where it is a common way of writing it otherwise."""
    plain = "".join(unit.replace("µ", "u").replace("μ", "u").split())
    return _WRITTEN.get(plain.lower(), plain)


def is_unitless(unit: str) -> bool:
    """Return whether a unit only says that something is counted or scored.

    Examples
    --------
    >>> from consilience.clinic.fhir.ucum import is_unitless
    >>> is_unitless("{score}"), is_unitless("1"), is_unitless("%")
    (True, True, False)
    """
    return _ANNOTATION.sub("", unit).strip() in _UNITLESS


def is_ucum(unit: str) -> bool:
    """Return whether a text is a unit of UCUM."""
    return _quantity(unit) is not None


@lru_cache(maxsize=4096)
def converter(
    given: str, wanted: str, substance: Substance = NOTHING_KNOWN
) -> Callable[[float], float] | None:
    """Return what turns a value in one unit into another; None where nothing certain does.

    Parameters
    ----------
    given, wanted : str
        Units, in UCUM or as commonly written.
    substance : Substance
        What is measured, for mass to moles and the like.

    Examples
    --------
    >>> from consilience.clinic.fhir.ucum import Substance, converter
    >>> round(converter("mg/dL", "mmol/L", Substance(molar_mass=180.156))(90), 3)
    4.996
    >>> converter("mg/dL", "mmol/L") is None
    True
    """
    if given == wanted or same_unit(given, wanted):
        return _unchanged
    one, other = ucum_of(given), ucum_of(wanted)
    if one == other:
        return _unchanged
    if substance.ifcc and {one, other} == {"mmol/mol", "%"}:
        return _ngsp if other == "%" else _ifcc
    if substance.enzyme:
        one, other = (_BRACKET.sub(_enzyme_unit, unit) for unit in (one, other))
    if _annotations(one) != _annotations(other) or _arbitrary(one) != _arbitrary(other):
        return None
    return _physical(one, other, substance)


def _unchanged(value: float) -> float:
    return value


def _ngsp(value: float) -> float:
    return _rounded(0.09148 * value + 2.152)


def _ifcc(value: float) -> float:
    return _rounded((value - 2.152) / 0.09148)


def _rounded(value: float) -> float:
    """Return a value without the last digits, which only conversion made."""
    return float(f"{value:.12g}")


def _enzyme_unit(bracket: re.Match[str]) -> str:
    return "U" if bracket[0].lower() == "[iu]" else bracket[0]


def _annotations(unit: str) -> frozenset[str]:
    return frozenset(_ANNOTATION.findall(unit)) - _COUNTED


def _arbitrary(unit: str) -> frozenset[str]:
    found = frozenset(_BRACKET.findall(_ANNOTATION.sub("", unit))) - _PHYSICAL
    return frozenset(bracket.lower() if bracket.lower() == "[iu]" else bracket for bracket in found)


def _physical(given: str, wanted: str, substance: Substance) -> Callable[[float], float] | None:
    one, other = _quantity(given), _quantity(wanted)
    if one is None or other is None:
        return None
    equivalents = [bool(_EQUIVALENT.search(unit)) for unit in (given, wanted)]
    factor = 1.0
    if equivalents[0] != equivalents[1]:
        if not substance.charge:
            return None
        factor = 1 / substance.charge if equivalents[0] else float(substance.charge)
    if one.dimensionality != other.dimensionality:
        bridge = _by_molar_mass(one, other, substance)
        if bridge is None:
            return None
        one = bridge
    elif not one.dimensionality and not _same_share(one, other):
        return None
    return _affine(one, other, factor)


def _by_molar_mass(one: Any, other: Any, substance: Substance) -> Any | None:
    """Return a quantity of mass as one of moles, or the other way round."""
    if substance.molar_mass is None:
        return None
    mass = one._REGISTRY.Quantity(substance.molar_mass, "g/mol")
    for turned in (one / mass, one * mass):
        if turned.dimensionality == other.dimensionality:
            return turned
    return None


def _same_share(one: Any, other: Any) -> bool:
    """Return whether two pure numbers are shares of the same: moles, mass, or simply a part."""
    kinds = [_parts(quantity) for quantity in (one, other)]
    volume = frozenset({"[length] ** 3"})
    return kinds[0] == kinds[1] or set(kinds) == {_EMPTY, volume}


def _parts(quantity: Any) -> frozenset[str]:
    units = (quantity._REGISTRY.Unit(name) for name in quantity.units._units)
    return frozenset(str(unit.dimensionality) for unit in units if unit.dimensionality)


def _affine(one: Any, other: Any, factor: float) -> Callable[[float], float]:
    """Return value -> value * slope + start: temperatures do not begin at the same zero."""
    registry = one._REGISTRY
    size, units, per = float(one.magnitude), one.units, float(other.magnitude)
    start = float(registry.Quantity(0.0, units).to(other.units).magnitude) / per
    end = float(registry.Quantity(size, units).to(other.units).magnitude) / per
    return lambda value: _rounded(value * factor * (end - start) + start)


@lru_cache(maxsize=4096)
def _quantity(unit: str) -> Any | None:
    """Return a UCUM unit as a quantity, or None where it is none."""
    from lark.exceptions import LarkError

    if not unit or len(unit) > 60:
        return None
    try:
        found = _registry().from_ucum(unit)
    except (LarkError, ValueError, AttributeError, RecursionError):
        return None
    return found if hasattr(found, "dimensionality") else None


@cache
def _registry() -> Any:
    module = require("ucumvert", extra="clinic", purpose="converting units")
    return module.PintUcumRegistry()
