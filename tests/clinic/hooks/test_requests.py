"""Calls: strict where the text says MUST, deaf to what vendors add, silent on what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clinic.hooks.calls import SIGN, VIEW, House, metformin, request, signing

from consilience.clinic.hooks.discovery import SERVICES
from consilience.clinic.hooks.refusal import Refusal
from consilience.clinic.hooks.requests import (
    EncounterStartCall,
    OrderSelectCall,
    OrderSignCall,
    PatientViewCall,
    read_as,
)

SECRET = "Zebra-Patient-4711"


def without(content: dict[str, Any], *path: str) -> dict[str, Any]:
    *above, last = path
    place = content
    for name in above:
        place = place[name]
    del place[last]
    return content


def refused(kind: Any, content: Any) -> str:
    with pytest.raises(Refusal) as found:
        read_as(kind, content)
    assert found.value.status == 400
    return found.value.sentence


@pytest.mark.parametrize(
    "path",
    [("hook",), ("hookInstance",), ("context",), ("context", "userId"), ("context", "patientId")],
)
def test_what_is_required_is_named_where_it_is_missing(path):
    sentence = refused(PatientViewCall, without(request(), *path))
    assert sentence.startswith(".".join(path) + " is missing")


def test_encounter_start_needs_its_encounter():
    assert "context.encounterId is missing" in refused(
        EncounterStartCall, request(hook="encounter-start")
    )
    call = read_as(
        EncounterStartCall, request(hook="encounter-start", context={"encounterId": "e-1"})
    )
    assert call.context.encounter_id == "e-1"


def test_orders_need_drafts_and_selections():
    assert "context.draftOrders is missing" in refused(
        OrderSignCall, without(signing(), "context", "draftOrders")
    )
    select = signing() | {"hook": "order-select"}
    assert "context.selections is missing" in refused(OrderSelectCall, select)
    select["context"]["selections"] = ["MedicationRequest/draft-1"]
    assert read_as(OrderSelectCall, select).context.selections == ("MedicationRequest/draft-1",)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("hook",), "order-sign"),
        (("hook",), None),
        (("hookInstance",), "1"),
        (("hookInstance",), "{d1577c69-dfbe-44ad-ba6d-3e05e953b2ea}"),
        (("hookInstance",), "urn:uuid:d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"),
        (("hookInstance",), None),
        (("context",), []),
        (("context",), None),
        (("context", "patientId"), ""),
        (("context", "patientId"), 7),
        (("context", "patientId"), "../Patient/1"),
        (("context", "patientId"), "1?_include=*"),
        (("context", "patientId"), "x" * 65),
        (("context", "userId"), "  "),
        (("prefetch",), []),
        (("prefetch",), {"patient": "text"}),
        (("fhirServer",), 5),
        (("fhirAuthorization",), {"access_token": "t"}),
        (("fhirAuthorization",), "token"),
    ],
)
def test_what_cannot_be_used_is_named(path, value):
    content = request()
    place = content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert refused(PatientViewCall, content).startswith(path[0])


def test_a_bearer_token_must_be_one():
    granted = {
        "access_token": "abc",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.read",
        "subject": "cds",
    }
    call = read_as(PatientViewCall, request(fhirAuthorization=granted))
    assert call.fhir_authorization.access_token == "abc"
    for name, value in {"token_type": "MAC", "access_token": "a\r\nb", "expires_in": "x"}.items():
        assert "fhirAuthorization" in refused(
            PatientViewCall, request(fhirAuthorization=granted | {name: value})
        )


def test_what_vendors_add_is_let_pass():
    content = request(
        extension={"com.vendor": {"x": 1}},
        fhirServer=None,
        fhirAuthorization=None,
        user="dr",
        context={"encounterId": None, "com.vendor.department": "12", "extension": {"a": []}},
    )
    assert read_as(PatientViewCall, content).context.patient_id == "pat-1"


def test_only_drafts_are_orders():
    drafts = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": metformin()},
            {"resource": metformin("active")},
            {"resource": {"resourceType": "Patient", "id": "x", "status": "draft"}},
            {"resource": None},
            None,
            {},
        ],
    }
    call = read_as(OrderSignCall, signing(draftOrders=drafts))
    assert [one["status"] for one in call.drafts()] == ["draft"]
    assert read_as(OrderSignCall, signing(draftOrders={"resourceType": "Bundle"})).drafts() == ()
    for wrong in ({"resourceType": "List"}, {}, {"resourceType": "Bundle", "entry": {}}):
        assert "draftOrders" in refused(OrderSignCall, signing(draftOrders=wrong))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["hook", "hookInstance", "context", "prefetch", "fhirServer"]), JSON)
def test_refusals_never_repeat_what_was_sent(name, value):
    sentence = refused(PatientViewCall, request() | {name: [SECRET, value]})
    assert SECRET not in sentence
    assert len(sentence) < 120


@pytest.mark.parametrize(
    "place", ["hook", "hookInstance", "context", "patientId", "prefetch", "key"]
)
def test_errors_never_echo_the_patient(house: House, place):
    content = request()
    changed: dict[str, Any] = {
        "patientId": {"context": content["context"] | {"patientId": SECRET + "/x"}},
        "key": {"prefetch": {SECRET: SECRET}},
    }.get(place, {place: SECRET})
    answer = house.view(content | changed)
    assert answer.status_code in (400, 412)
    assert list(answer.json()) == ["error"]
    assert "Zebra" not in answer.text


def test_each_service_takes_its_own_hook(house: House):
    for service in SERVICES.values():
        hook = "order-sign" if service.hook == "patient-view" else "patient-view"
        answer = house.post(f"/cds-services/{service.id}", request(hook=hook))
        assert answer.status_code == 400
    assert house.post(SIGN, signing()).status_code == 200
    assert house.post(VIEW, request()).status_code == 200
