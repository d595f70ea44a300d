"""All rules together on one record: order, hooks, faults, and what was not read."""

from __future__ import annotations

import copy
import json
import random
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.clinic.rules import load_rules
from consilience.errors import InputError

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
RICH: dict[str, Any] = {
    "patient": {"age": 72, "sex": "female"},
    "conditions": [{"of": "diabetes-type-2"}, {"of": "hypertension"}, {"of": "ascvd"}],
    "medications": [{"of": "metformin"}, {"of": "warfarin"}, {"of": "ibuprofen"}],
    "observations": [
        {"of": "egfr", "value": 25, "unit": "mL/min/{1.73_m2}"},
        {"of": "ldl", "value": 120, "unit": "mg/dL"},
        {"of": "hba1c", "value": 70, "unit": "mmol/mol"},
    ],
}


def names(advice) -> list[str]:
    return [one.rule.split()[0] for one in advice]


def test_the_most_urgent_comes_first_with_its_source(rules, bundle, now) -> None:
    advice = rules.advise(bundle(**RICH), "p1", now=now)
    assert names(advice)[0] == "metformin-low-egfr"
    assert {"nsaid-with-anticoagulant", "hba1c-above-goal", "ldl-after-ascvd"} <= set(names(advice))
    order = ["critical", "warning", "info"]
    places = [order.index(one.urgency) for one in advice]
    assert places == sorted(places)
    assert all(one.source and one.source.url.startswith("https://") for one in advice)
    assert all(one.patient == "p1" and one.reasons for one in advice if "vaccin" not in one.rule)


def test_a_rule_speaks_only_at_its_hooks(rules, bundle, now) -> None:
    for hook in ("patient-view", "order-select", "order-sign", "encounter-start"):
        advice = rules.advise(bundle(**RICH), "p", now=now, hook=hook)
        assert advice
        assert all(hook in rules[one.rule].hooks for one in advice)
    with pytest.raises(InputError, match="Did you mean 'patient-view'"):
        rules.advise(bundle(**RICH), "p", now=now, hook="patient-veiw")


def test_stewardship_is_for_the_whole_list(rules, bundle, now) -> None:
    advice = rules.advise(bundle(**RICH), "p", now=now)
    assert "stewardship" not in {one.domain for one in advice}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_record_does_not_matter(seed: int) -> None:
    from consilience.clinic.rules.vignette_patients import Patient, Writer

    rules = _shared()
    made = Writer(rules.sets, NOW.date()).bundle(Patient.model_validate(RICH))
    shuffled = copy.deepcopy(made)
    random.Random(seed).shuffle(shuffled["entry"])
    assert set(names(rules.advise(shuffled, "p", now=NOW))) == set(
        names(rules.advise(made, "p", now=NOW))
    )


_KEPT: list[Any] = []


def _shared():
    if not _KEPT:
        _KEPT.append(load_rules())
    return _KEPT[0]


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_strange_values_never_stop_the_rules(data: st.DataObject) -> None:
    from consilience.clinic.rules.vignette_patients import Patient, Writer

    rules = _shared()
    made = Writer(rules.sets, NOW.date()).bundle(Patient.model_validate(RICH))
    for _ in range(3):
        place: Any = made["entry"][data.draw(st.integers(0, len(made["entry"]) - 1))]
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
                place = inner
                continue
            place[key] = data.draw(STRANGE)
            break
    try:
        review = rules.review(made, "p", now=NOW)
    except InputError:
        return
    # whatever one resource holds, the rules that do not need it still speak
    assert len(review.advice) + len(review.troubles) + len(review.unread) > 0


def test_one_rule_that_fails_silences_no_other(own, bundle, now) -> None:
    folder = own(("- condition: diabetes", "- fhirpath: '%patient.name.family'"))
    rules = load_rules([folder])
    person = {
        "resourceType": "Bundle",
        "entry": [*bundle(**RICH)["entry"]],
    }
    person["entry"][0]["resource"]["name"] = [{"family": "Secret"}]
    review = rules.review(person, "p", now=now)
    (trouble,) = review.troubles
    assert trouble.rule == "own-rule 1.0.0"
    assert "end it with .exists()" in trouble.reason
    assert names(review.advice) == names(load_rules().advise(bundle(**RICH), "p", now=now))
    told = rules.advise(person, "p", now=now)[-1]
    assert told.rule == "own-rule 1.0.0"
    assert told.urgency == "warning"
    assert told.sentence.startswith("Not checked: A rule of our own")
    assert "Secret" not in repr(review)


def test_what_a_library_says_of_the_record_is_not_passed_on(own, bundle, now) -> None:
    folder = own(("- condition: diabetes", "- fhirpath: '%patient.name.family.first() * 2 = 3'"))
    person = bundle(**RICH)
    person["entry"][0]["resource"]["name"] = [{"family": "Secret"}, {"family": "Other"}]
    review = load_rules([folder], shipped=False).review(person, "p", now=now)
    assert len(review.troubles) == 1
    assert "Secret" not in repr(review)


def test_what_was_not_read_is_listed(rules, bundle, now) -> None:
    given_ = bundle(
        patient={"age": 60},
        conditions=[{"text": "Diabetes"}],
        medications=[
            {"code": {"system": "urn:oid:1.2", "code": "1"}, "text": "House brand"},
            {"code": {"system": "rxnorm", "code": "860975"}, "text": "metformin 500 mg"},
            {"code": {"system": "atc", "code": "V03AX"}},
        ],
        observations=[{"of": "egfr", "value": 20, "unit": "mL/min"}, {"of": "egfr", "value": 20}],
        resources=[
            {"resourceType": "Condition", "subject": {"reference": "Patient/other"}},
            {"resourceType": "Observation", "status": "final", "effectiveDateTime": "yesterday"},
            {"resourceType": "Procedure", "status": "completed", "code": "colonoscopy"},
        ],
    )
    given_["entry"][2]["resource"]["status"] = "active"
    review = rules.review(given_, "p", now=now)
    told = {one.resource: one.reason for one in review.unread}
    assert "'Diabetes' has no code" in told["Condition/r1"]
    assert "neither an RxNorm ingredient nor an ATC code" in told["MedicationRequest/r2"]
    assert "of no ingredient that the rules know" in told["MedicationRequest/r3"]
    assert "MedicationRequest/r4" not in told
    assert told["Condition/r7"] == "is of another patient"
    assert "is not a date" in told["Observation/r8"]
    assert "is not as FHIR says" in told["Procedure/r9"]


def test_a_value_in_a_wrong_unit_is_listed(rules, bundle, now) -> None:
    wrong = {**RICH, "observations": [{"of": "egfr", "value": 20, "unit": "mmol/L"}]}
    review = rules.review(bundle(**wrong), "p", now=now)
    assert "metformin-low-egfr" not in names(review.advice)
    assert any("cannot be turned into" in one.reason for one in review.unread)


def test_a_patient_who_has_died_gets_no_advice(rules, bundle, now) -> None:
    died = {**RICH, "patient": {"age": 72, "sex": "female", "dead": True}}
    assert rules.advise(bundle(**died), "p", now=now) == ()


def test_of_several_patients_the_one_asked_about(rules, bundle, now) -> None:
    made = bundle(**RICH)
    other = {"resourceType": "Patient", "id": "other", "birthDate": "2000-01-01"}
    made["entry"].append({"resource": other})
    with pytest.raises(InputError, match="holds 2 patients"):
        rules.advise(made, "p", now=now)
    assert "metformin-low-egfr" in names(rules.advise(made, "vignette", now=now))
    review = rules.review(made, "other", now=now)
    assert "metformin-low-egfr" not in names(review.advice)
    assert "is of another patient" in {one.reason for one in review.unread}


@pytest.mark.parametrize("given_", [{}, [], None, {"resourceType": "Patient"}])
def test_what_is_no_bundle(rules, now, given_: Any) -> None:
    with pytest.raises(InputError, match="rules read a FHIR Bundle"):
        rules.advise(given_, "p", now=now)


def test_who_is_not_known_is_told(rules, bundle, now) -> None:
    empty = rules.review({"resourceType": "Bundle", "entry": [{}]}, "p", now=now)
    assert empty.advice == ()
    assert [(one.resource, one.reason) for one in empty.unread] == [
        ("entry 1", "holds no resource"),
        ("Patient", "is not in the Bundle: age and sex are unknown"),
    ]
    unknown = rules.review(bundle(patient={"sex": "other"}), "p", now=now).unread
    assert [one.reason for one in unknown] == [
        "has no birth date: age is unknown",
        "is neither female nor male in the record",
    ]


def test_the_clock_needs_a_time_zone(rules, bundle) -> None:
    with pytest.raises(InputError, match="time zone"):
        rules.advise(bundle(), "p", now=NOW.replace(tzinfo=None))


def test_the_record_is_left_as_it_was(rules, bundle, now) -> None:
    made = bundle(**RICH)
    before = copy.deepcopy(made)
    rules.advise(made, "p", now=now)
    assert made == before


def test_fingerprint_changes_with_any_rule_and_with_nothing_else(own) -> None:
    plain = load_rules([own()]).fingerprint
    assert load_rules([own()]).fingerprint == plain
    assert load_rules([own(("at_least: 9", "at_least: 8"))]).fingerprint != plain
    assert load_rules().fingerprint != plain
    assert load_rules().version.startswith(f"{len(load_rules())} rules, ")


def test_a_rule_by_name_and_version(rules) -> None:
    assert rules["hba1c-due 1.0.0"] is rules["hba1c-due"]
    for wrong in ("hba1c-due 0.9.0", "hba1c-du"):
        with pytest.raises(InputError, match="there is no rule"):
            rules[wrong]


def test_the_models_number_may_be_asked(own, bundle, now) -> None:
    from consilience.records import Assessment, Prediction

    folder = own(("- condition: diabetes", "- model: 0.2"), ("{hba1c}", "{hba1c}, risk {model}"))
    rules = load_rules([folder], shipped=False)
    said = Prediction(
        patient="p", outcome="d", kind="continuous", value=1, informed=True, model="m"
    )
    whole = Assessment(
        patient="p", bundle="b", model="m", at="2026", outcome="d", number=0.25, prediction=said
    )
    made = bundle(patient={"age": 60}, observations=[{"of": "hba1c", "value": 9.5, "unit": "%"}])
    (advice,) = rules.advise(made, "p", now=now, assessment=whole)
    assert advice.sentence.endswith("risk 0.25.")
    assert advice.prediction == said
    assert rules.advise(made, "p", now=now) == ()
    with pytest.raises(InputError, match="of another patient"):
        rules.advise(made, "q", now=now, assessment=whole)


def large(rules, count: int) -> dict[str, Any]:
    """A record of so many resources of every kind that rules read."""
    draw = random.Random(7)
    kinds = [
        ("conditions", ["diabetes", "hypertension", "ascvd", "atrial-fibrillation"]),
        ("medications", ["metformin", "warfarin", "ibuprofen", "methotrexate", "ramipril"]),
        ("procedures", ["colonoscopy", "mammography"]),
    ]
    labs = [("hba1c", "%"), ("egfr", "mL/min/{1.73_m2}"), ("ldl", "mg/dL"), ("potassium", "mmol/L")]
    given_: dict[str, Any] = {"patient": {"age": 72, "sex": "female"}}
    for _ in range(count - 1):
        days = draw.randrange(3000)
        if draw.random() < 0.7:
            name, unit = draw.choice(labs)
            one = {"of": name, "value": draw.uniform(3, 100), "unit": unit, "days_ago": days}
            given_.setdefault("observations", []).append(one)
        else:
            kind, sets = draw.choice(kinds)
            given_.setdefault(kind, []).append({"of": draw.choice(sets), "days_ago": days})
    return given_


def processor_time(job, times: int = 5) -> float:
    """Return the middle of several processor times."""
    took = []
    for _ in range(times):
        began = time.process_time()
        job()
        took.append(time.process_time() - began)
    return sorted(took)[times // 2]


@pytest.mark.parametrize(("count", "most"), [(200, 25), (5000, 25)])
def test_all_rules_take_a_few_times_what_reading_the_record_takes(
    rules, bundle, now, count: int, most: float
) -> None:
    made = bundle(**large(rules, count))
    assert len(made["entry"]) == count
    text = json.dumps(made)
    reading = processor_time(lambda: json.loads(text))
    advising = processor_time(lambda: rules.advise(made, "p", now=now))
    assert advising < most * reading, advising / reading
