"""Calls as record systems make them, from end to end."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from tests.clinic.hooks.calls import (
    BASE,
    ISSUER,
    OTHER,
    SIGN,
    VIEW,
    House,
    diabetic,
    metformin,
    observation,
    person,
    request,
    signing,
)

from consilience.clinic.hooks import HookSettings
from consilience.clinic.hooks.discovery import NECESSARY


def epic() -> dict[str, Any]:
    """As Epic sends: an opaque patient id, vendor context, OAuth beside prefetch."""
    patient = "erXuFYUfucBZaryVksYEcMg3"
    return request(
        diabetic(patient),
        context={"userId": "PractitionerRole/eM5CWtq15N0WJeuCet5bJlQ3", "encounterId": "eoK.d-9"},
        fhirServer="https://fhir.epic.example/interconnect/api/FHIR/R4",
        fhirAuthorization={
            "access_token": "t",
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": "patient/*.read",
            "subject": "cds",
        },
        extension={"com.epic.cdshooks.request.bpa-trigger-action": "23"},
    )


def cerner() -> dict[str, Any]:
    """As Oracle Health sends: numeric ids, searchsets with links and total, nulls."""
    content = request(diabetic("12508016"), context={"userId": "Practitioner/4122622"})
    for key, sent in content["prefetch"].items():
        if sent and sent["resourceType"] == "Bundle":
            sent |= {
                "id": str(uuid.uuid4()),
                "link": [{"relation": "self", "url": f"https://fhir.cerner.example/{key}"}],
            }
            for entry in sent["entry"]:
                kind, own = entry["resource"]["resourceType"], entry["resource"]["id"]
                entry["fullUrl"] = f"https://fhir.cerner.example/{kind}/{own}"
                entry["search"] = {"mode": "match"}
    return content


def sandbox() -> dict[str, Any]:
    """As the public sandbox sends: what it has, and outcomes for what it has not."""
    content = request(
        diabetic("smart-1288992"), context={"userId": "Practitioner/COREPRACTITIONER1"}
    )
    for key in set(content["prefetch"]) - set(NECESSARY):
        content["prefetch"][key] = {"resourceType": "OperationOutcome", "issue": []}
    return content | {"fhirServer": "https://launch.smarthealthit.org/v/r4/fhir"}


@pytest.mark.parametrize("vendor", [epic, cerner, sandbox])
def test_vendors_are_understood(house: House, vendor):
    content = vendor()
    answer = house.view(content)
    assert answer.status_code == 200, answer.text
    summaries = [card["summary"] for card in answer.json()["cards"]]
    assert any(one.startswith("Probability of died") for one in summaries)
    del content["prefetch"]
    assert house.view(content).status_code == 412


def test_the_hook_says_what_the_library_says(house: House):
    content = request()
    answer = house.view(content)
    (kept,) = house.clinic.store.assessments.history(ISSUER, "pat-1")
    told = {one.sentence for one in kept.advice}
    details = " ".join(card["detail"].replace("\\", "") for card in answer.json()["cards"])
    assert all(sentence[:40] in details for sentence in told)
    card = next(c for c in answer.json()["cards"] if c["summary"].startswith("Probability"))
    assert f"{100 * kept.number:.0f} %" in card["summary"]


def test_nothing_to_say_is_an_empty_list(house: House):
    answer = house.view(request([person(birthDate="2020-01-01")]))
    assert answer.status_code == 200
    drafts = {"resourceType": "Bundle", "entry": []}
    empty = request([person()], hook="order-sign", context={"draftOrders": drafts})
    answer = house.post(SIGN, empty)
    assert (answer.status_code, answer.json()) == (200, {"cards": []})


def test_draft_orders_are_seen_and_not_kept(house: House):
    answer = house.post(SIGN, signing())
    card = next(c for c in answer.json()["cards"] if c["indicator"] == "critical")
    assert "etformin" in card["summary"]
    (action,) = card["suggestions"][0]["actions"]
    assert (action["type"], action["resourceId"]) == ("delete", "MedicationRequest/draft-1")
    kept = house.clinic.store.patients.get(ISSUER, "pat-1").fhir
    assert "draft-1" not in str(kept)


def test_orders_that_are_no_drafts_are_not_seen(house: House):
    drafts = {"resourceType": "Bundle", "entry": [{"resource": metformin("cancelled")}]}
    cards = house.post(SIGN, signing(draftOrders=drafts)).json()["cards"]
    assert not [card for card in cards if "etformin" in card["summary"]]


def test_what_is_shown_was_written_down_before(house: House):
    content = request()
    cards = house.view(content).json()["cards"]
    shown, assessed = house.clinic.audit.entries(ISSUER)[:2]
    assert (shown.action, assessed.action) == ("shown", "assessed")
    assert [one["card"] for one in shown.detail["cards"]] == [card["uuid"] for card in cards]
    assert shown.detail["call"] == content["hookInstance"]
    assert shown.who == f"Practitioner/dr-1 of {ISSUER}"
    assert shown.model == assessed.model == house.clinic.served().fingerprint


def test_the_link_holds_no_id_and_leads_to_the_patient(house: House):
    for card in house.view().json()["cards"]:
        (link,) = card["links"]
        place, _, key = link["url"].rpartition("/")
        assert place == f"{BASE}/patients"
        assert house.clinic.store.patients.by_key(ISSUER, key).patient == "pat-1"


def test_another_tenants_patient_is_another_patient(house: House):
    mine, others = house.view().json(), house.view(ehr=house.other).json()
    assert mine["cards"][0]["links"] != others["cards"][0]["links"]
    key = mine["cards"][0]["links"][0]["url"].rpartition("/")[2]
    with pytest.raises(ValueError, match="no such patient"):
        house.clinic.store.patients.by_key(OTHER, key)
    assert len(house.clinic.store.assessments.history(OTHER, "pat-1")) == 1


def test_script_in_a_name_or_value_is_never_sent_back(house: House):
    script = "<script>alert(1)</script>"
    resources = diabetic()
    resources[0] |= {"name": [{"text": script, "family": script}]}
    resources[1]["code"]["text"] = script
    resources[2]["code"]["text"] = script
    answer = house.view(request(resources))
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_a_record_of_5000_resources_is_answered(house: House):
    days = [
        f"20{year:02d}-{month:02d}-{day:02d}"
        for year in range(10, 26)
        for month in range(1, 13)
        for day in range(1, 28)
    ]
    many = [
        observation(100 + number, "1988-5", 4.0, "mg/L", day) for number, day in enumerate(days)
    ]
    resources = diabetic() + many[: 5000 - len(diabetic())]
    assert len(resources) == 5000
    begun = time.perf_counter()
    answer = house.view(request(resources))
    assert answer.status_code == 200, answer.text
    assert any("Probability" in card["summary"] for card in answer.json()["cards"])
    assert time.perf_counter() - begun < 15


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation"},
        {"resourceType": "Nothing", "id": "x"},
        {"resourceType": "Observation", "id": "o", "status": 7, "code": "text"},
        {"resourceType": "Condition", "id": "c", "code": {"coding": [None, "x", {"code": 5}]}},
        {"resourceType": "MedicationRequest", "id": "../x", "medicationCodeableConcept": []},
        {"resourceType": "Immunization", "occurrenceDateTime": "not a date"},
    ],
)
def test_malformed_resources_are_left_out_or_refused(house: House, resource):
    content = request()
    content["prefetch"]["observations"]["entry"].append({"resource": resource})
    answer = house.view(content)
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert list(answer.json()) == ["error"]


def test_an_answer_that_takes_longer_leads_to_the_page(opened):
    house = opened(budget=0.0)
    begun = time.perf_counter()
    answer = house.view()
    assert answer.status_code == 200  # a link, though nothing had begun
    assert time.perf_counter() - begun < 5
    for _ in range(100):  # it is computed on, and kept
        if house.clinic.store.assessments.history(ISSUER, "pat-1"):
            break
        time.sleep(0.1)
    assert house.clinic.store.assessments.history(ISSUER, "pat-1")
    house.clinic._recent.get = lambda *_: time.sleep(1) or pytest.fail("late")  # type: ignore[method-assign]
    again = opened_late(house)
    assert "takes longer" in again["summary"]
    key = again["links"][0]["url"].rpartition("/")[2]
    assert house.clinic.store.patients.by_key(ISSUER, key).patient == "pat-1"


def opened_late(house: House) -> dict[str, Any]:
    """Return the card of a call whose assessment takes a second, with a tenth to answer."""
    object.__setattr__(house.clinic.settings, "budget", 0.2)
    answer = house.view()
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    return card


def test_too_many_calls_are_told_to_come_back(opened):
    house = opened(HookSettings(workers=1, waiting=0), budget=5.0)
    slow = house.clinic.look

    def looking(*given: Any, **named: Any) -> Any:
        time.sleep(1.0)
        return slow(*given, **named)

    house.clinic.look = looking  # type: ignore[method-assign]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: house.view(), range(4)))
    statuses = sorted(one.status_code for one in answers)
    assert statuses[0] == 200
    assert statuses[-1] == 503
    refused = next(one for one in answers if one.status_code == 503)
    assert refused.headers["retry-after"]
    assert "error" in refused.json()


def test_no_patient_data_in_the_log(house: House, caplog):
    with caplog.at_level(0):
        house.view()
        house.view(request() | {"hookInstance": "pat-1-Example"})
        house.view(request([*diabetic(), person("somebody")]))
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("consilience")]
    assert not [text for text in ours if "pat-1" in text or "Example" in text or "somebody" in text]


def test_every_service_writes_down_its_hook(house: House):
    assert house.post(VIEW, request()).status_code == 200
    assert house.post(SIGN, signing()).status_code == 200
    doors = {entry.detail.get("door") for entry in house.clinic.audit.entries(ISSUER)}
    assert {"patient-view", "order-sign"} <= doors
