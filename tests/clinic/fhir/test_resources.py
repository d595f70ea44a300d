"""Reading a Bundle: shapes, whose it is, what is wrong with it, and how fast."""

from __future__ import annotations

import contextlib
import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.clinic.fhir.records import (
    NOW,
    bundle,
    condition,
    feature,
    medicine,
    observed,
    patient,
    quantity,
    schema,
)

from consilience.clinic.fhir import Limits, map_patient, read_bundle
from consilience.errors import InputError

EPIC = "https://epic.example/api/FHIR/R4"
CERNER = "https://fhir.cerner.example/r4/tenant"
LDH = schema(feature("ldh", "U/L"))


def ldh(**more: Any) -> dict[str, Any]:
    return observed("2532-0", quantity(250, "U/L"), **more)


def found(data: Any) -> float:
    mapped = map_patient(read_bundle(data), LDH, now=NOW)
    assert mapped.unmapped == ()
    return float(mapped.cohort.modalities["clinical"].numeric[0, 0])


def epic() -> dict[str, Any]:
    """Absolute addresses, a searchset, a version in the reference, a display beside it."""
    subject = {"reference": f"{EPIC}/Patient/p1/_history/3", "display": "Zzyzx, Ada"}
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 2,
        "link": [{"relation": "self", "url": f"{EPIC}/Observation?patient=p1"}],
        "entry": [
            {"fullUrl": f"{EPIC}/Patient/p1", "resource": patient(), "search": {"mode": "match"}},
            {"fullUrl": f"{EPIC}/Observation/o1", "resource": ldh(subject=subject)},
        ],
    }


def cerner() -> dict[str, Any]:
    """Relative references, an outcome of the search, meta and text."""
    text = {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [
            {"fullUrl": f"{CERNER}/Patient/p1", "resource": patient(text=text)},
            {
                "fullUrl": f"{CERNER}/Observation/o1",
                "resource": ldh(meta={"versionId": "4"}, issued="2026-06-01T10:00:00.000Z"),
            },
        ],
    }


def hapi() -> dict[str, Any]:
    """A transaction whose resources know each other by urn:uuid and have no ids."""
    who = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    person, result = patient(), ldh(subject={"reference": who})
    del person["id"], result["id"]
    request = {"method": "POST", "url": "Patient"}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": who, "resource": person, "request": request},
            {"resource": result, "request": request},
        ],
    }


def by_identifier() -> list[dict[str, Any]]:
    """Resources in a list; the subject by an identifier."""
    number = {"system": "urn:oid:1.2.3", "value": "77"}
    return [patient(identifier=[number]), ldh(subject={"identifier": number})]


def contained() -> dict[str, Any]:
    """A result within its report, which carries the subject."""
    inner = ldh()
    del inner["subject"]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "d1",
        "status": "final",
        "code": {"text": "Chemistry"},
        "subject": {"reference": "Patient/p1"},
        "contained": [inner],
        "result": [{"reference": "#o1"}],
    }
    return bundle(patient(), report)


def nested() -> list[dict[str, Any]]:
    """What a hook's prefetch is: a Patient beside searchsets."""
    return [
        patient(),
        bundle(ldh(), kind="searchset"),
        {"resourceType": "Bundle", "type": "searchset"},
    ]


@pytest.mark.parametrize("shape", [epic, cerner, hapi, by_identifier, contained, nested])
def test_vendors_shapes_give_the_same_value(shape: Any) -> None:
    data = shape()
    assert found(data) == 250
    assert found(json.dumps(data)) == 250
    assert found(json.dumps(data).encode()) == 250


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p2"},
        {"reference": "https://elsewhere.example/fhir/Patient/p1"},
        {"reference": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"},
        {"identifier": {"system": "urn:oid:1.2.3", "value": "78"}},
    ],
)
def test_a_resource_of_another_patient_stops_everything(subject: Any) -> None:
    number = {"system": "urn:oid:1.2.3", "value": "77"}
    who = {"fullUrl": f"{EPIC}/Patient/p1", "resource": patient(identifier=[number])}
    data = {"resourceType": "Bundle", "type": "collection", "entry": [who]}
    data["entry"].append({"resource": ldh(subject=subject)})
    with pytest.raises(InputError, match=r"Observation \(entry 2\) is of another patient"):
        read_bundle(data)


def test_types_that_are_not_read_are_looked_at_for_whose_they_are() -> None:
    encounter = {"resourceType": "Encounter", "subject": {"reference": "Patient/p2"}}
    allergy = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p2"}}
    for other in (encounter, allergy):
        with pytest.raises(InputError, match="of another patient"):
            read_bundle([patient(), other])


def test_who_it_is_of_is_not_guessed() -> None:
    nobody = ldh()
    del nobody["subject"]
    within = ldh(subject={"reference": "#p"}, contained=[{"resourceType": "Patient", "id": "p"}])
    device = ldh(subject={"reference": "Device/p1"})
    read = read_bundle(bundle(patient(), nobody, within, device))
    assert read.resources == ()
    assert [one.resource for one in read.unmapped] == [f"Observation/r{i}" for i in (1, 2, 3)]
    assert all("subject" in one.reason for one in read.unmapped)


def test_one_patient_is_demanded_and_nobody_is_named() -> None:
    with pytest.raises(InputError, match="no Patient"):
        read_bundle([ldh()])
    two = [patient(name=[{"family": "Zzyzx"}]), patient(id="p2", name=[{"family": "Qqq"}])]
    with pytest.raises(InputError, match=r"entries 1 and 2") as raised:
        read_bundle(two)
    assert not {"Zzyzx", "Qqq", "p2"} & set(str(raised.value).replace(".", " ").split())
    with pytest.raises(InputError, match="no id"):
        read_bundle([{"resourceType": "Patient"}])


def test_the_same_patient_sent_twice_is_one() -> None:
    assert found([patient(), bundle(patient(), ldh())]) == 250


def test_what_is_not_valid_is_listed_with_no_patient_data_in_it() -> None:
    wrong = ldh(valueQuantity={"value": "AIDS"}, note=[{"text": "Zzyzx has AIDS"}])
    unknown_key = ldh(Zzyzx="secret")
    read = read_bundle(bundle(patient(), wrong, unknown_key, ldh()))
    assert len(read.resources) == 1
    assert [one.resource for one in read.unmapped] == ["Observation/r1", "Observation/r2"]
    assert {one.reason for one in read.unmapped} == {
        "it is not valid FHIR R4 (valueQuantity.value).",
        "it is not valid FHIR R4 (its form).",
    }
    with pytest.raises(InputError, match=r"Patient \(entry 1\) is not valid") as raised:
        read_bundle([patient(birthDate="Zzyzx")])
    assert "Zzyzx" not in str(raised.value)


def test_other_types_are_listed_once_each() -> None:
    coverage = {"resourceType": "Coverage", "id": "x"}
    read = read_bundle([patient(), coverage, coverage, {"resourceType": "Location"}])
    assert [one.resource for one in read.unmapped] == ["Coverage (2 times)", "Location"]


def test_of_two_versions_the_newer_counts_and_else_neither() -> None:
    old = observed("2532-0", quantity(1, "U/L"), meta={"lastUpdated": "2026-06-01T10:00:00Z"})
    new = observed("2532-0", quantity(2, "U/L"), meta={"lastUpdated": "2026-06-02T10:00:00Z"})
    for order in ([old, new], [new, old]):
        assert found([patient(), *order]) == 2
    read = read_bundle([patient(), ldh(), ldh(effectiveDateTime="2026-06-02")])
    assert read.resources == ()
    assert "which is newer" in read.unmapped[0].reason


def test_versions_are_compared_as_times_not_as_text() -> None:
    old = observed("2532-0", quantity(1, "U/L"), meta={"lastUpdated": "2026-06-02T09:00:00+05:00"})
    new = observed("2532-0", quantity(2, "U/L"), meta={"lastUpdated": "2026-06-02T08:00:00Z"})
    assert found([patient(), old, new]) == 2


def test_the_bundle_for_rules_holds_only_what_was_read() -> None:
    wrong = ldh(valueQuantity={"value": "high"})
    read = read_bundle(bundle(patient(), wrong, condition("44054006"), medicine("6809")))
    kinds = [entry["resource"]["resourceType"] for entry in read.raw["entry"]]
    assert kinds == ["Patient", "Condition", "MedicationRequest"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        ('{"resourceType": "Bundle", "x": NaN}', "not JSON"),
        ('[{"resourceType": "Patient", "id": "p", "x": 1e999}]', "not finite"),
        ("[" * 100_000, "not JSON"),
        ("[" * 60 + "]" * 60, "nested too deep"),
        ("3", "neither"),
        ("{}", "neither"),
        ('{"resourceType": "Bundle", "entry": {"a": 1}}', "no list"),
        ('{"resourceType": "Bundle", "entry": [7]}', "entry 1 is no FHIR resource"),
        ("[1]", "entry 1 is no FHIR resource"),
        ('[{"resourceType": 3}]', "entry 1"),
        ("1" * 5000, "not JSON"),
    ],
)
def test_what_is_no_record_is_refused_in_one_sentence(data: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        read_bundle(data)
    assert "\n" not in str(raised.value)


def test_limits_hold() -> None:
    with pytest.raises(InputError, match="larger than"):
        read_bundle(json.dumps(bundle(patient(), ldh())), limits=Limits(bytes=100))
    with pytest.raises(InputError, match="more than 3 resources"):
        read_bundle(bundle(patient(), *[ldh()] * 3), limits=Limits(resources=3))
    deep: dict[str, Any] = {}
    for _ in range(50):
        deep = {"x": deep}
    with pytest.raises(InputError, match="nested too deep"):
        read_bundle([patient(), deep])


def test_a_record_that_refers_to_itself_ends() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InputError, match="nested too deep"):
        read_bundle(circle)


def test_5000_resources_are_read_and_mapped_in_seconds() -> None:
    units = ["U/L", "ukat/L"]
    results = [
        observed(
            "2532-0",
            quantity(100 + i, units[i % 2]),
            at=f"2026-05-{i % 28 + 1:02d}T10:{i % 60:02d}:{i // 60 % 60:02d}Z",
            id=f"x{i}",
        )
        for i in range(5000)
    ]
    text = json.dumps(bundle(patient(), *results))
    read_bundle(bundle(patient(), ldh()))  # the library is loaded
    began = time.perf_counter()
    read = read_bundle(text)
    mapped = map_patient(read, LDH, now=NOW)
    took = time.perf_counter() - began
    assert len(read.resources) == 5000
    assert mapped.taken[0].feature == "ldh"
    assert took < 10  # about 1 s on a free core; the bound is for a busy machine


STRANGE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Patient/p1", "2026-06-01", "9999-12-31T23:59:59+14:00", "\ud800", "final"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
WHOLE = schema(
    feature("ldh", "U/L"),
    feature("age", "years"),
    feature("sex", kind="categorical", levels=("female", "male")),
    feature("smoking_status", kind="categorical", levels=("never", "current")),
    feature("dm", kind="binary", codes=("snomed|44054006|Condition",)),
    feature("metformin", kind="binary"),
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [at, *(place for key, one in inner for place in _places(one, (*at, key)))]


RICH = bundle(
    patient(
        birthDate="1960-02-03",
        name=[{"family": "A", "given": ["B"]}],
        identifier=[{"system": "s", "value": "v"}],
    ),
    ldh(component=[{"code": {"text": "x"}, **quantity(2, "U/L")}]),
    observed(
        "72166-2",
        {
            "valueCodeableConcept": {
                "coding": [{"system": "http://snomed.info/sct", "code": "266919005"}]
            }
        },
    ),
    condition("44054006", onsetDateTime="2020"),
    medicine("6809", authoredOn="2026-01-01"),
)
PLACES = _places(RICH)[1:]


@settings(max_examples=600)
@given(st.data())
def test_whatever_is_changed_in_a_record_only_input_errors_come(data: st.DataObject) -> None:
    record = copy.deepcopy(RICH)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(PLACES))
        target: Any = record
        try:
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = data.draw(STRANGE)
        except (KeyError, IndexError, TypeError):  # an earlier change took it away
            continue
    with contextlib.suppress(InputError):
        map_patient(read_bundle(record), WHOLE, now=NOW)


@settings(max_examples=200)
@given(STRANGE | st.binary(max_size=40))
def test_anything_at_all_is_read_or_refused(data: Any) -> None:
    with pytest.raises(InputError):
        read_bundle(data)


@pytest.mark.parametrize("contained", [5, True, "x", {"resourceType": "Observation"}])
def test_what_is_contained_and_no_list_is_not_valid(contained: Any) -> None:
    with pytest.raises(InputError, match="not valid"):
        read_bundle({"resourceType": "Patient", "id": "p1", "contained": contained})
