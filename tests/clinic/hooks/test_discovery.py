"""Discovery tells which services there are, as the text asks."""

from __future__ import annotations

import re

import pytest
from tests.clinic.hooks.calls import House, request

from consilience.clinic.hooks import HookSettings
from consilience.clinic.hooks.discovery import NECESSARY, SERVICES, TEMPLATES, discovered

PATH = "/cds-services"
HOOKS = {"patient-view", "order-select", "order-sign", "encounter-start"}
ROOT_LEVEL = {"userId", "patientId", "encounterId"}  # what every one of these hooks may have


def test_discovery_lists_a_service_for_each_hook(house: House):
    answer = house.client.get(PATH, headers=house.ehr.headers(PATH))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == discovered()
    assert {one["hook"] for one in answer.json()["services"]} == HOOKS


def test_each_service_has_what_is_required():
    services = discovered()["services"]
    for one in services:
        for name in ("hook", "title", "description", "id", "usageRequirements"):
            assert isinstance(one[name], str)
            assert one[name].strip()
        assert one["prefetch"]
    assert len({one["id"] for one in services}) == len(services)


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_templates_are_plain_reads_and_searches_of_the_patient(template):
    tokens = re.findall(r"\{\{(.*?)\}\}", template)
    assert tokens == ["context.patientId"]
    assert {token.removeprefix("context.") for token in tokens} <= ROOT_LEVEL
    _, _, query = template.partition("?")
    names = [part.partition("=")[0] for part in query.split("&") if part]
    assert set(names) <= {"patient", "_count", "_sort"}


def test_what_is_necessary_is_asked_for():
    for service in SERVICES.values():
        assert set(NECESSARY) <= set(service.prefetch)
        assert all(key in service.described()["usageRequirements"] for key in NECESSARY)


def test_each_service_answers_where_discovery_says(house: House):
    for one in discovered()["services"]:
        answer = house.post(f"{PATH}/{one['id']}", {})
        assert answer.status_code == 400  # it is there, and asks for a call


@pytest.mark.parametrize(
    "name",
    [
        "other",
        "..",
        "%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "consilience-patient-view%00",
        "CONSILIENCE-PATIENT-VIEW",
        "consilience-patient-view/../x",
        "%ff",
        "a" * 3000,
    ],
)
def test_unknown_services_are_not_there(opened, name):
    house = opened(open_hooks=True)
    for path in (f"{PATH}/{name}", f"{PATH}/{name}/feedback"):
        answer = house.client.post(path, json=request())
        assert answer.status_code == 404
        assert "passwd" not in answer.text


def test_pages_of_allowed_origins_may_call(opened):
    page = "https://ehr.example.org"
    house = opened(HookSettings(origins=(page,)))
    asks = {"Origin": page, "Access-Control-Request-Method": "POST"}
    for path in (PATH, f"{PATH}/consilience-patient-view", f"{PATH}/x/feedback"):
        told = house.client.options(path, headers=asks)
        assert told.status_code == 204
        assert told.headers["access-control-allow-origin"] == page
        assert "Authorization" in told.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in told.headers
    answer = house.client.get(PATH, headers=house.ehr.headers(PATH) | {"Origin": page})
    assert answer.headers["access-control-allow-origin"] == page
    assert answer.headers["vary"] == "Origin"
    refused = house.client.get(PATH, headers={"Origin": page})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == page  # so that the page can read why


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://ehr.example.org.evil"])
def test_pages_of_other_origins_may_not(opened, origin):
    house = opened(HookSettings(origins=("https://ehr.example.org",)))
    for answer in (
        house.client.options(PATH, headers={"Origin": origin}),
        house.client.get(PATH, headers=house.ehr.headers(PATH) | {"Origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers
