"""From a record to what a model reads: the latest certain value, or a reason."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.clinic.fhir.records import (
    LOINC,
    NOW,
    SNOMED,
    bundle,
    coded,
    condition,
    feature,
    medicine,
    observed,
    patient,
    quantity,
    schema,
)

from consilience.clinic.fhir import Mapped, map_patient, read_bundle
from consilience.errors import InputError
from consilience.study.bundle.check import check_cohort
from consilience.study.bundle.schema import FeatureSchema, ModalitySchema, Schema

LDH = feature("ldh", "U/L")


def mapped(wanted: FeatureSchema | Schema, *resources: Any, **how: Any) -> Mapped:
    whole = wanted if isinstance(wanted, Schema) else schema(wanted)
    record = bundle(how.pop("person", patient()), *resources)
    return map_patient(read_bundle(record), whole, **{"now": NOW, **how})


def value(result: Mapped, table: str = "clinical") -> Any:
    if table not in result.cohort.modalities:
        return None
    return result.cohort.modalities[table].frame.iloc[0, 0]


def why(result: Mapped) -> str:
    return " ".join(one.reason for one in result.unmapped)


def test_the_cohort_has_the_schemas_form() -> None:
    wanted = schema(
        LDH,
        feature("nodes", kind="count"),
        feature("dm", kind="binary"),
        feature("grade", kind="categorical", levels=("low", "high")),
    )
    result = mapped(wanted, observed("2532-0", quantity(250, "U/L")))
    table = result.cohort.modalities["clinical"]
    assert table.kinds == {f.name: f.kind for f in wanted.modalities[0].features}
    assert table.units == {"ldh": "U/L"}
    assert table.frame.iloc[0].notna().tolist() == [True, False, False, False]
    assert result.cohort.index.tolist() == ["p1"]
    assert [notice.matter for notice in check_cohort(result.cohort, wanted)] == []


def test_units_become_the_models() -> None:
    creatinine = feature("creatinine", "mg/dL")
    result = mapped(creatinine, observed("14682-9", quantity(88.4, "umol/L")))
    assert value(result) == pytest.approx(1.0, rel=1e-3)
    assert (result.taken[0].resource, result.taken[0].at) == ("Observation/r1", "2026-06-01")


@pytest.mark.parametrize(
    ("wanted", "said", "reason"),
    [
        (LDH, quantity(250), "no unit, and 'U/L' is due"),
        (LDH, quantity(250, "mg/dL"), "does not become 'U/L'"),
        (LDH, quantity(250, "U/L", comparator="<"), "only a bound"),
        (LDH, {"valueInteger": 250}, "no unit"),
        (LDH, {"valueString": "250 U/L"}, "no number"),
        (LDH, {"valueQuantity": {"unit": "U/L"}}, "no number"),
        (LDH, {"dataAbsentReason": coded("unknown", "x")}, "value is absent"),
        (feature("ldh"), quantity(250, "U/L"), "does not say which it reads"),
        (
            feature("hit", kind="binary", codes=("loinc|2532-0",)),
            {"valueInteger": 2},
            "neither 0 nor 1",
        ),
    ],
)
def test_what_is_not_certain_is_listed(wanted: FeatureSchema, said: Any, reason: str) -> None:
    result = mapped(wanted, observed("2532-0", said))
    assert not result.cohort.modalities
    assert reason in why(result)


def test_values_are_not_clipped() -> None:
    narrow = feature("ldh", "U/L", minimum=100.0, maximum=300.0)
    assert value(mapped(narrow, observed("2532-0", quantity(90_000, "U/L")))) == 90_000


def test_a_written_unit_counts_where_none_is_coded() -> None:
    assert value(mapped(LDH, observed("2532-0", quantity(3, "u/l", ucum=False)))) == 3


@pytest.mark.parametrize(
    "status", ["preliminary", "registered", "cancelled", "entered-in-error", "unknown"]
)
def test_only_what_is_final_counts(status: str) -> None:
    later = observed("2532-0", quantity(9, "U/L"), "2026-06-10", status=status)
    result = mapped(LDH, observed("2532-0", quantity(5, "U/L")), later)
    assert value(result) == 5
    assert f"its status is {status}" in why(result)


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_amended_and_corrected_count(status: str) -> None:
    assert value(mapped(LDH, observed("2532-0", quantity(5, "U/L"), status=status))) == 5


def test_the_latest_valid_value_in_the_window_counts() -> None:
    results = [
        observed("2532-0", quantity(1, "U/L"), "2026-01-01"),
        observed("2532-0", quantity(2, "U/L"), "2026-06-14T23:00:00-12:00"),
        observed("2532-0", quantity(3, "U/L"), "2026-06-15T10:00:00Z"),
        observed("2532-0", quantity(4, "mg/dL"), "2026-06-15T11:30:00Z"),
        observed("2532-0", quantity(5, "U/L"), "2027-01-01"),
    ]
    for order in (results, results[::-1]):
        result = mapped(LDH, *order)
        assert value(result) == 2  # 11:00 in UTC
        assert "lies in the future" in why(result)
        assert "does not become" in why(result)


def test_the_window_ends_where_it_is_said_to() -> None:
    result = observed("2532-0", quantity(1, "U/L"), (NOW - timedelta(days=30)).isoformat())
    assert value(mapped(LDH, result, window_days=31)) == 1
    outside = mapped(LDH, result, window_days=29)
    assert value(outside) is None
    assert "older than the window" in why(outside)


def test_what_the_model_lacks_is_told_from_what_it_has_no_use_for() -> None:
    old = observed("2532-0", quantity(1, "U/L"), "2020-01-01")
    other = observed("2345-7", quantity(5, "mmol/L"))
    lacking = mapped(LDH, old, other).unmapped
    assert [one.asked for one in lacking] == [True, False]  # what it lacks comes first
    newer = mapped(LDH, old, other, observed("2532-0", quantity(2, "U/L")))
    assert value(newer) == 2
    assert [one.asked for one in newer.unmapped] == [False, False]


def test_values_that_differ_at_one_time_are_refused_and_equal_ones_are_not() -> None:
    at = "2026-06-01T10:00:00Z"
    one, same = (
        observed("2532-0", quantity(5, "U/L"), at),
        observed("14804-9", quantity(5, "U/L"), at),
    )
    assert value(mapped(LDH, one, same)) == 5
    older = observed("2532-0", quantity(4, "U/L"), "2026-05-01")
    result = mapped(LDH, older, one, observed("2532-0", quantity(6, "U/L"), at))
    assert value(result) is None  # nor the older one: the newest is known to be another
    assert why(result).count("differ") == 2


def test_a_day_and_a_moment_of_it_are_one_time() -> None:
    day = observed("2532-0", quantity(5, "U/L"), "2026-06-01")
    moment = observed("2532-0", quantity(6, "U/L"), "2026-06-01T10:00:00Z")
    assert "differ" in why(mapped(LDH, day, moment))
    assert value(mapped(LDH, day, {**moment, "effectiveDateTime": "2026-06-02T10:00:00Z"})) == 6


def test_without_a_time_nothing_counts() -> None:
    timeless = observed("2532-0", quantity(5, "U/L"))
    del timeless["effectiveDateTime"]
    assert "does not say when" in why(mapped(LDH, timeless))
    assert value(mapped(LDH, {**timeless, "issued": "2026-06-01T10:00:00Z"})) == 5
    period = {"start": "2026-05-01", "end": "2026-06-01"}
    assert mapped(LDH, {**timeless, "effectivePeriod": period}).taken[0].at == "2026-06-01"


def test_components_are_read_each_by_its_code() -> None:
    wanted = schema(feature("sbp", "mm[Hg]"), feature("dbp", "mm[Hg]"))
    parts = [
        {"code": coded("8480-6"), **quantity(151, "mm[Hg]")},
        {"code": coded("8462-4"), **quantity(92, "mm[Hg]")},
    ]
    result = mapped(wanted, observed("85354-9", {}, component=parts))
    assert result.cohort.modalities["clinical"].numeric.tolist() == [[151, 92]]
    assert result.unmapped == ()


def test_a_feature_is_reached_by_its_address_and_own_codes_win() -> None:
    address = coded("clinical/DIRAS3", "urn:consilience:feature")
    wanted = feature("DIRAS3", "log2(count + 1)")
    said = quantity(7.25, "log2(count + 1)", ucum=False)
    assert value(mapped(wanted, observed(address, said))) == 7.25
    own = feature("ldh", "U/L", codes=("urn:lab|LD",))
    assert value(mapped(own, observed("2532-0", quantity(1, "U/L")))) is None
    assert value(mapped(own, observed(coded("LD", "urn:lab"), quantity(1, "U/L")))) == 1


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ({"valueCodeableConcept": {"text": "  former SMOKER "}}, "Former smoker"),
        ({"valueCodeableConcept": coded("8517006", SNOMED)}, "Former smoker"),
        ({"valueCodeableConcept": coded("x", "y", display="Never smoker")}, "Never smoker"),
        ({"valueString": "Never smoker"}, "Never smoker"),
        ({"valueString": "quit"}, None),
        (
            {"valueCodeableConcept": {**coded("266919005", SNOMED), "text": "Former smoker"}},
            "Former smoker",
        ),
        (
            {
                "valueCodeableConcept": {
                    "coding": [{"code": "x", "display": "Never smoker"}],
                    "text": "Former smoker",
                }
            },
            None,
        ),
    ],
)
def test_categories_are_equal_to_a_level_or_left(said: Any, due: str | None) -> None:
    levels = ("Never smoker", "Former smoker", "Current smoker")
    wanted = feature("smoking_status", kind="categorical", levels=levels)
    assert value(mapped(wanted, observed("72166-2", said))) == due


def test_numbers_in_coded_answers_need_a_known_score() -> None:
    ecog = feature("ecog")
    assert (
        value(mapped(ecog, observed("89247-1", {"valueCodeableConcept": coded("LA9624-3")}))) == 2
    )
    url = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
    scored = coded("x", "y", extension=[{"url": url, "valueDecimal": 3}])
    assert value(mapped(ecog, observed("89247-1", {"valueCodeableConcept": scored}))) == 3
    unknown = {"valueCodeableConcept": coded("x", "y", display="3")}
    assert "no number that is known" in why(mapped(ecog, observed("89247-1", unknown)))


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ({"valueBoolean": True}, 1),
        ({"valueInteger": 0}, 0),
        (quantity(1), 1),
        ({"valueCodeableConcept": coded("373067005", SNOMED)}, 0),
        ({"valueCodeableConcept": coded("LA33-6", LOINC)}, 1),
        ({"valueCodeableConcept": {"text": "Yes"}}, 1),
        ({"valueCodeableConcept": {"text": "maybe"}}, None),
    ],
)
def test_yes_and_no(said: Any, due: float | None) -> None:
    wanted = feature("flag", kind="binary", codes=("urn:x|1",))
    assert value(mapped(wanted, observed(coded("1", "urn:x"), said))) == due


TYPED = feature("dm", kind="binary", codes=("snomed|44054006|Condition", "icd-10|E11"))
STATUS = "http://terminology.hl7.org/CodeSystem"


def test_a_diagnosis_is_1_and_its_absence_0_only_where_the_user_said_its_codes_are_all() -> None:
    assert value(mapped(TYPED, condition("44054006"))) == 1
    assert value(mapped(TYPED, condition("E11.9", "http://hl7.org/fhir/sid/icd-10"))) == 1
    assert value(mapped(TYPED, condition("195967001"))) == 0
    assert value(mapped(TYPED)) is None  # no list of diagnoses was sent
    assert value(mapped(TYPED, condition("J45", "urn:own-codes"))) is None  # coded otherwise
    by_name = feature("type_2_diabetes", kind="binary")
    assert value(mapped(by_name, condition("44054006"))) == 1
    assert value(mapped(by_name, condition("195967001"))) is None  # it may be a narrower code


@pytest.mark.parametrize(
    ("key", "system", "code", "reason"),
    [
        ("clinicalStatus", "condition-clinical", "resolved", "not active"),
        ("verificationStatus", "condition-ver-status", "provisional", "not confirmed"),
        ("verificationStatus", "condition-ver-status", "refuted", "refuted"),
        ("verificationStatus", "condition-ver-status", "entered-in-error", "entered-in-error"),
    ],
)
def test_a_doubtful_diagnosis_is_neither_1_nor_0(
    key: str, system: str, code: str, reason: str
) -> None:
    said = {key: coded(code, f"{STATUS}/{system}")}
    result = mapped(TYPED, condition("44054006", **said), condition("195967001"))
    assert value(result) is None
    assert reason in why(result)


def test_a_diagnosis_to_come_does_not_count() -> None:
    result = mapped(TYPED, condition("44054006", onsetDateTime="2027-01-01"))
    assert value(result) is None
    assert "future" in why(result)


METFORMIN = feature("metformin", kind="binary")


def test_medicines_count_while_they_are_given() -> None:
    assert value(mapped(METFORMIN, medicine("6809"))) == 1
    for said in ({"status": "stopped"}, {"doNotPerform": True}, {"intent": "proposal"}):
        assert value(mapped(METFORMIN, medicine("6809", **said))) is None


def test_a_medicine_is_found_through_what_it_refers_to() -> None:
    by_reference = medicine("6809", medicationReference={"reference": "Medication/met"})
    code = by_reference.pop("medicationCodeableConcept")
    beside = {"resourceType": "Medication", "id": "met", "code": code}
    assert value(mapped(METFORMIN, by_reference, beside)) == 1
    inside = {**by_reference, "medicationReference": {"reference": "#met"}, "contained": [beside]}
    assert value(mapped(METFORMIN, inside)) == 1


def test_an_allergy_to_a_medicine_is_not_its_use() -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "clinicalStatus": coded("active", f"{STATUS}/allergyintolerance-clinical"),
        "code": medicine("6809")["medicationCodeableConcept"],
        "patient": {"reference": "Patient/p1"},
    }
    result = mapped(METFORMIN, allergy)
    assert value(result) is None
    assert "AllergyIntolerance does not mean it" in why(result)


def test_looking_back_todays_status_is_not_known() -> None:
    then = datetime.fromisoformat("2025-06-15T00:00:00+00:00")
    resolved = {"clinicalStatus": coded("resolved", f"{STATUS}/condition-clinical")}
    ill = condition(
        "44054006", onsetDateTime="2020-01-01", abatementDateTime="2026-01-01", **resolved
    )
    back = {"now": then, "looking_back": True}
    assert value(mapped(TYPED, ill, **back)) == 1
    assert value(mapped(TYPED, {**ill, "abatementDateTime": "2024-01-01"}, **back)) is None
    assert value(mapped(TYPED, condition("44054006"), **back)) is None  # since when?
    stopped = medicine("6809", status="stopped", authoredOn="2025-05-01")
    assert value(mapped(METFORMIN, stopped, **back)) == 1
    assert value(mapped(METFORMIN, {**stopped, "authoredOn": "2022-05-01"}, **back)) is None


AGE = feature("age", "years", minimum=20.0, maximum=80.0)


@pytest.mark.parametrize(
    ("wanted", "born", "due"),
    [
        (AGE, "1966-06-15", 60),
        (AGE, "1966-06-16", 59),
        (feature("age", minimum=20.0, maximum=80.0), "1966-06-16", 59),
        (feature("age", "years", minimum=20.5, maximum=80.0), "1966-06-15", 21915 / 365.25),
        (feature("age", "days", minimum=1.0, maximum=9e4), "1966-06-15", 21915),
        (AGE, "1966", None),
        (AGE, "1966-05", 60),
        (AGE, "1966-06", None),
        (AGE, None, None),
        (AGE, "2030-01-01", None),
        (AGE, "1826-01-01", None),
        (feature("age", minimum=1.0, maximum=9e4), "1966-06-15", None),
        (feature("age", "furlongs"), "1966-06-15", None),
    ],
)
def test_age(wanted: FeatureSchema, born: str | None, due: float | None) -> None:
    result = mapped(wanted, person=patient(birthDate=born) if born else patient())
    assert value(result) == (due if due is None else pytest.approx(due, rel=1e-12))
    assert bool(result.unmapped) is (due is None)


def test_the_age_of_the_dead_is_that_at_death() -> None:
    dead = patient(birthDate="1960-01-01", deceasedDateTime="2000-06-01")
    assert value(mapped(AGE, person=dead)) == 40
    assert mapped(AGE, person=dead).deceased is True
    unknown = mapped(AGE, person=patient(birthDate="1960-01-01", deceasedBoolean=True))
    assert "nothing says when" in why(unknown)


@pytest.mark.parametrize(
    ("levels", "gender", "due"),
    [
        (("female", "male"), "female", "female"),
        (("F", "M"), "male", "M"),
        (("Woman", "Man"), "female", "Woman"),
        (("female", "male"), "other", None),
        (("female", "male", "unknown"), "unknown", "unknown"),
        (("f", "female"), "female", None),
        (("0", "1"), "female", None),
    ],
)
def test_sex_becomes_the_models_level(
    levels: tuple[str, ...], gender: str, due: str | None
) -> None:
    wanted = feature("sex", kind="categorical", levels=levels)
    assert value(mapped(wanted, person=patient(gender=gender))) == due


def test_sex_as_a_number_is_not_guessed_but_by_its_name() -> None:
    sex = mapped(feature("sex", kind="binary"), person=patient(gender="male"))
    assert "nothing says which is which" in why(sex)
    assert value(mapped(feature("is_male", kind="binary"), person=patient(gender="male"))) == 1
    assert value(mapped(feature("female", kind="binary"), person=patient(gender="male"))) == 0
    told = feature("gender_code", kind="binary", codes=("patient|female",))
    assert value(mapped(told, person=patient(gender="female"))) == 1


def test_who_the_patient_is() -> None:
    names = [
        {"family": "Old", "use": "old"},
        {"given": ["Ada", "M."], "family": "Li\u202e\x00", "use": "official"},
    ]
    result = mapped(LDH, person=patient(name=names, birthDate="1960"))
    assert (result.patient, result.name, result.sex) == ("p1", "Ada M. Li", "female")
    assert (result.birth_date, result.deceased) == ("1960", None)


def test_a_modality_of_which_nothing_was_found_is_absent() -> None:
    first = schema(LDH).modalities[0]
    second = ModalitySchema(
        name="rna", kind="table", patients=5, always_measured=False, features=(feature("X", "u"),)
    )
    third = ModalitySchema(
        name="slides", kind="bag", patients=5, always_measured=False, features=()
    )
    wanted = Schema(patients=10, modalities=(first, second, third))
    result = mapped(wanted, observed("2532-0", quantity(5, "U/L")))
    assert list(result.cohort.modalities) == ["clinical"]
    assert [one.resource for one in result.unmapped] == ["modality slides"]


def test_reasons_hold_nothing_of_the_patient() -> None:
    secret = observed("2532-0", {"valueString": "Zzyzx"}, note=[{"text": "Zzyzx"}])
    result = mapped(
        LDH, secret, observed("1-8", {"valueString": "Zzyzx"}), person=patient(birthDate="1955")
    )
    assert "Zzyzx" not in str(result.unmapped)


def test_the_same_reason_is_counted() -> None:
    other = [observed("1-8", quantity(i, "U/L")) for i in range(7)]
    assert [one.resource for one in mapped(LDH, *other).unmapped] == [
        f"Observation {LOINC}|1-8 (7 times)"
    ]


def test_a_clock_without_a_zone_or_a_window_without_length_is_refused() -> None:
    with pytest.raises(InputError, match="time zone"):
        mapped(LDH, now=NOW.replace(tzinfo=None))
    for days in (0, -1, math.nan):
        with pytest.raises(InputError, match="window_days"):
            mapped(LDH, window_days=days)
