"""Building blocks, where the shipped rules' vignettes do not reach."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from consilience.clinic.rules.blocks import Block, Node
from consilience.clinic.rules.evaluating import View, meets
from consilience.records import Assessment

READ: TypeAdapter[Block] = TypeAdapter(Node)


@pytest.fixture
def holds(rules, bundle, now):
    """A function: does a condition hold for a patient?"""

    def asked(node: dict[str, Any], said: Assessment | None = None, **given: Any) -> bool:
        view = View(rules.chart(bundle(**given), "p", now), rules.sets, said)
        return meets(READ.validate_python(node), view).holds

    return asked


def assessment(**given: Any) -> Assessment:
    whole = {"patient": "p", "bundle": "b", "model": "m", "at": "2026", "outcome": "death"}
    return Assessment.model_validate(whole | given)


@pytest.mark.parametrize(
    ("compare", "value", "sign", "result"),
    [
        ({"above": 5}, 5, None, False),
        ({"at_least": 5}, 5, None, True),
        ({"below": 5}, 5, None, False),
        ({"at_most": 5}, 5, None, True),
        ({"below": 5}, 5, "<", True),
        ({"below": 5}, 5, "<=", False),
        ({"below": 4}, 5, "<", False),
        ({"above": 5}, 5, ">", True),
        ({"above": 5}, 5, ">=", False),
        ({"above": 5}, 6, "<", False),
        ({"at_least": 4, "at_most": 6}, 5, None, True),
        ({"at_least": 4, "at_most": 6}, 7, None, False),
    ],
)
def test_comparisons_are_sure_or_do_not_hold(holds, compare, value, sign, result) -> None:
    node = {"latest": {"of": "potassium", "within_days": 90, "unit": "mmol/L", **compare}}
    given = {"of": "potassium", "value": value, "unit": "mmol/L", "comparator": sign}
    assert holds(node, observations=[given]) is result


@pytest.mark.parametrize(
    ("low", "high", "result"), [(6, 6, True), (7, 5, False), (9, 6, True), (1, 5, False)]
)
def test_months_run_over_the_new_year(holds, low: int, high: int, result: bool) -> None:
    assert holds({"months": {"from": low, "to": high}}) is result


@pytest.mark.parametrize(
    ("node", "said", "result"),
    [
        ({"model": 0.3}, {"number": 0.3, "says": "risk"}, True),
        ({"model": 0.31}, {"number": 0.3, "says": "risk"}, False),
        ({"model": {"at_most": 0.1}}, {"number": 0.3}, False),
        ({"model": {"level": "high"}}, {"number": 0.3, "level": "high"}, True),
        ({"model": {"level": "high"}}, {"number": 0.3, "level": "low"}, False),
        ({"model": {"at_least": 0.1, "outcome": "stroke"}}, {"number": 0.3}, False),
        ({"model": 0.0}, {"silent": ("out of range",)}, False),
    ],
)
def test_what_the_model_says(holds, node, said, result) -> None:
    assert holds(node, assessment(**said)) is result
    assert holds(node) is False


def test_score_adds_up(holds) -> None:
    items = [
        {"points": 2, "when": {"age": {"from": 75}}},
        {"points": 1, "when": {"condition": "diabetes"}},
        {"points": 1, "when": {"sex": "female"}},
    ]
    given = {"patient": {"age": 75, "sex": "female"}, "conditions": [{"of": "diabetes"}]}
    assert holds({"score": {"at_least": 4, "items": items}}, **given)
    assert not holds({"score": {"at_least": 5, "items": items}}, **given)


def test_where_asks_the_resource_in_fhirpath(holds) -> None:
    severe = {"resourceType": "Condition", "severity": {"coding": [{"code": "24484000"}]}}
    severe["code"] = {"coding": [{"system": "http://snomed.info/sct", "code": "84114007"}]}
    node = {"condition": {"of": "heart-failure", "where": "severity.coding.code = '24484000'"}}
    assert holds(node, resources=[severe])
    assert not holds(node, conditions=[{"of": "heart-failure"}])


def test_plain_fhirpath_sees_the_bundle_and_the_variables(holds) -> None:
    node = {"fhirpath": "%age >= 70 and Bundle.entry.resource.ofType(Patient).gender = 'male'"}
    assert holds(node, patient={"age": 70, "sex": "male"})
    assert not holds(node, patient={"age": 69, "sex": "male"})
    assert not holds(node, patient={"sex": "male"})
    assert not holds({"fhirpath": "%age >= 0"}, patient={"born": "1950"})


def test_medicine_by_reference_to_another_resource(holds) -> None:
    code = {"coding": [{"system": "http://www.whocc.no/atc", "code": "A10BA02"}]}
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    apart = [
        {"resourceType": "Medication", "id": "m", "code": code},
        {**request, "medicationReference": {"reference": "Medication/m"}},
    ]
    inside = [
        {
            **request,
            "contained": [{"resourceType": "Medication", "id": "c", "code": code}],
            "medicationReference": {"reference": "#c"},
        }
    ]
    missing = [{**request, "medicationReference": {"reference": "Medication/none"}}]
    assert holds({"medication": "metformin"}, resources=apart)
    assert holds({"medication": "metformin"}, resources=inside)
    assert not holds({"medication": "metformin"}, resources=missing)


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({}, True),
        ({"intent": "plan"}, False),
        ({"doNotPerform": True}, False),
        ({"status": "on-hold"}, False),
        ({"authoredOn": "2026-06-20"}, False),
        ({"dispenseRequest": {"validityPeriod": {"end": "2026-06-14"}}}, False),
        ({"dispenseRequest": {"validityPeriod": {"end": "2026-06-15"}}}, True),
    ],
)
def test_whether_a_medicine_is_taken(holds, change, taken: bool) -> None:
    code = {"coding": [{"system": "http://www.whocc.no/atc", "code": "A10BA02"}]}
    request = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": code,
        **change,
    }
    assert holds({"medication": "metformin"}, resources=[request]) is taken
