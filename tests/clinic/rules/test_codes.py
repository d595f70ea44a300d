"""Mistyped codes are found when they are read."""

from __future__ import annotations

import pytest

from consilience.clinic.rules.codes import check_code
from consilience.errors import InputError

RIGHT = [
    ("snomed", "73211009"),
    ("snomed", "16334891000119106"),
    ("loinc", "4548-4"),
    ("loinc", "LA18976-3"),
]


def fails(system: str, code: str) -> bool:
    try:
        check_code(system, code, "here")
    except InputError:
        return True
    return False


@pytest.mark.parametrize(("system", "code"), RIGHT)
def test_real_codes_pass(system: str, code: str) -> None:
    check_code(system, code, "here")


@pytest.mark.parametrize(("system", "code"), RIGHT)
def test_every_wrong_digit_is_found(system: str, code: str) -> None:
    for place, digit in enumerate(code):
        if digit.isdigit():
            for other in set("0123456789") - {digit}:
                assert fails(system, code[:place] + other + code[place + 1 :])


def test_verhoeff_finds_every_swap_of_neighbours() -> None:
    code = "16334891000119106"
    for place in range(len(code) - 1):
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        assert swapped == code or fails("snomed", swapped)


@pytest.mark.parametrize(
    ("system", "code"),
    [("atc", "A10-BA"), ("rxnorm", "metformin"), ("icd10", "diabetes"), ("cvx", "8")],
)
def test_wrong_shapes_are_found(system: str, code: str) -> None:
    with pytest.raises(InputError, match=r"here: '.*' does not look like a code of"):
        check_code(system, code, "here")
