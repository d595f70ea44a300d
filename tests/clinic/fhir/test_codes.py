"""The shipped codes: spelled right, each meaning one thing, found by the names people use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.clinic.fhir.records import feature

import consilience.clinic.fhir.codes as module
from consilience.clinic.fhir.codes import (
    LOINC,
    SNOMED,
    Code,
    code_of,
    concept_coded,
    concept_of,
    plain_name,
)
from consilience.clinic.rules.codes import check_code
from consilience.errors import InputError

SHIPPED = yaml.safe_load(Path(module.__file__).with_name("codes.yaml").read_text("utf-8"))
SYSTEMS = ("loinc", "snomed", "rxnorm", "atc")


@pytest.mark.parametrize("name", SHIPPED)
def test_codes_have_the_shape_and_check_digit_of_their_system(name: str) -> None:
    said = SHIPPED[name]
    given = [(system, str(code)) for system in SYSTEMS for code in said.get(system, ())]
    assert given
    for system, code in given:
        check_code(system, code, name)
    for text in said.get("answers", {}):
        check_code("snomed", code_of(text)[0].code, name)
    for text in said.get("scores", {}):
        assert re.fullmatch(r"LA\d+-\d", code_of(text)[0].code)


def test_no_name_means_two_things() -> None:
    names = [plain_name(n) for key, said in SHIPPED.items() for n in {key, *said["names"]}]
    assert len(names) == len(set(names))


def test_no_code_of_a_result_means_two_things() -> None:
    codes = [code for said in SHIPPED.values() for code in said.get("loinc", ())]
    assert len(codes) == len(set(codes))


def test_features_are_found_by_name_or_label_however_written() -> None:
    for name in ("LDH", "lactate dehydrogenase", "Lactate-Dehydrogenase"):
        found = concept_of(feature(name))
        assert found is not None
        assert found.name == "ldh"
    by_label = concept_of(feature("x17", label="Serum creatinine"))
    assert by_label is not None
    assert by_label.name == "creatinine"
    assert concept_of(feature("TP53")) is None


def test_a_code_knows_its_concept() -> None:
    found = concept_coded(Code(LOINC, "2345-7"))
    assert found is not None
    assert found.substance.molar_mass == pytest.approx(180.156)


@pytest.mark.parametrize(
    ("text", "code", "resource"),
    [
        ("loinc|2160-0", Code(LOINC, "2160-0"), ""),
        ("http://loinc.org/|2160-0", Code(LOINC, "2160-0"), ""),
        ("urn:oid:2.16.840.1.113883.6.96|44054006", Code(SNOMED, "44054006"), ""),
        ("snomed|44054006|Condition", Code(SNOMED, "44054006"), "Condition"),
        ("icd-10|E11.9", Code("http://hl7.org/fhir/sid/icd-10", "E119"), "Condition"),
        ("urn:own|a b", Code("urn:own", "a b"), ""),
    ],
)
def test_codes_as_written(text: str, code: Code, resource: str) -> None:
    assert code_of(text) == (code, resource)


@pytest.mark.parametrize("text", ["2160-0", "|2160-0", "loinc|", ""])
def test_what_is_no_code_is_said(text: str) -> None:
    with pytest.raises(InputError, match=r"system\|code"):
        code_of(text)


def test_trees_are_read_by_how_they_are_spelled() -> None:
    narrow = code_of("icd-10|E11.65")[0]
    assert code_of("icd-10|E11")[0] in narrow.above
    assert code_of("icd-10|E1")[0] not in narrow.above
    assert code_of("snomed|44054006")[0].above == (code_of("snomed|44054006")[0],)
