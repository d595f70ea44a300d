"""Units: known factors, and the conversions that must not be made."""

from __future__ import annotations

import pytest
from tests.clinic.fhir.records import feature

from consilience.clinic.fhir.codes import concept_of
from consilience.clinic.fhir.ucum import Substance, converter, is_unitless, ucum_of


def converted(value: float, given: str, wanted: str, of: str = "") -> float | None:
    concept = concept_of(feature(of)) if of else None
    convert = converter(given, wanted, concept.substance if concept else Substance())
    return None if convert is None else convert(value)


# SI conversion factors: AMA Manual of Style, 11th edition, section 17.5, to their precision.
@pytest.mark.parametrize(
    ("of", "value", "given", "wanted", "due"),
    [
        ("glucose", 100, "mg/dL", "mmol/L", 5.55),
        ("creatinine", 1.0, "mg/dL", "umol/L", 88.4),
        ("creatinine", 88.4, "µmol/L", "mg/dL", 1.0),
        ("cholesterol", 200, "mg/dL", "mmol/L", 5.17),
        ("triglycerides", 150, "mg/dL", "mmol/L", 1.69),
        ("bun", 20, "mg/dL", "mmol/L", 7.14),
        ("urea", 6.0, "mmol/L", "mg/dL", 36.0),
        ("bilirubin", 1.0, "mg/dL", "umol/L", 17.1),
        ("calcium", 10, "mg/dL", "mmol/L", 2.50),
        ("calcium", 5.0, "meq/L", "mmol/L", 2.50),
        ("potassium", 4.2, "meq/L", "mmol/L", 4.2),
        ("magnesium", 2.43, "mg/dL", "mmol/L", 1.00),
        ("magnesium", 2.0, "meq/L", "mg/dL", 2.43),
        ("urate", 6.0, "mg/dL", "umol/L", 357),
        ("iron", 100, "ug/dL", "umol/L", 17.9),
        ("free_t4", 1.0, "ng/dL", "pmol/L", 12.9),
        ("alt", 40, "[iU]/L", "U/L", 40),
        ("ldh", 60.0, "U/L", "ukat/L", 1.0),
        ("hba1c", 53, "mmol/mol", "%", 7.0),
        ("hba1c", 7.0, "%", "mmol/mol", 53),
        ("", 37.0, "Cel", "[degF]", 98.6),
        ("", 98.6, "°F", "°C", 37.0),
        ("", 13.5, "g/dL", "g/L", 135),
        ("", 250, "10*3/uL", "10^9/L", 250),
        ("", 0.45, "L/L", "%", 45),
        ("", 120, "mm[Hg]", "kPa", 16.0),
        ("", 150, "[lb_av]", "kg", 68.0),
        ("", 5, "{cells}/uL", "10*6/L", 5),
    ],
)
def test_known_conversions(of: str, value: float, given: str, wanted: str, due: float) -> None:
    assert converted(value, given, wanted, of) == pytest.approx(due, rel=6e-3)


@pytest.mark.parametrize(
    ("of", "given", "wanted"),
    [
        ("", "mg/dL", "mmol/L"),  # of what?
        ("albumin", "g/L", "umol/L"),
        ("", "mmol/mol", "%"),  # a share of moles is not one of all
        ("", "mg/g", "%{x}"),
        ("", "[iU]/L", "U/L"),  # only for enzymes
        ("", "[iU]/L", "/L"),
        ("", "[arb'U]/mL", "[iU]/mL"),
        ("", "ng/mL{FEU}", "ng/mL{DDU}"),  # D-dimer: twofold apart
        ("", "ng/mL{FEU}", "ng/mL"),
        ("egfr", "mL/min", "mL/min/{1.73_m2}"),
        ("", "meq/L", "mmol/L"),  # what charge?
        ("calcium", "meq/L", "g/L/s"),
        ("", "K", "Cel/s"),
        ("", "bogus", "mg/dL"),
        ("", "mg/dL", "log2(count + 1)"),
        ("", "mg/dL", ""),
        ("", "x" * 500, "mg/dL"),
        ("", "(" * 50, "mg/dL"),
    ],
)
def test_what_is_not_certain_is_not_converted(of: str, given: str, wanted: str) -> None:
    assert converted(1.0, given, wanted, of) is None


def test_equal_units_change_nothing_whatever_they_are() -> None:
    value = 0.1 + 0.2
    assert converted(value, "log2(count + 1)", "log2(count + 1)") == value
    assert converted(value, "µmol/L", "umol/L") == value
    assert converted(value, "10^9/L", "10*9/L") == value


def test_there_and_back_is_where_it_began() -> None:
    for given, wanted, of in (("mg/dL", "mmol/L", "glucose"), ("Cel", "[degF]", "temperature")):
        there = converted(83.7, given, wanted, of)
        assert there is not None
        assert converted(there, wanted, given, of) == pytest.approx(83.7, rel=1e-10)


def test_k_is_kelvin_in_ucum_and_thousand_where_it_is_written_by_hand() -> None:
    assert ucum_of("K/uL") == "10*3/uL"
    assert converted(5, "K/uL", "10*9/L") == 5


@pytest.mark.parametrize(
    ("unit", "due"), [("", True), ("1", True), ("{score}", True), ("%", False)]
)
def test_what_has_no_unit(unit: str, due: bool) -> None:
    assert is_unitless(unit) is due
