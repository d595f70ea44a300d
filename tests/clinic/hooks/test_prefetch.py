"""The record of a call: what came, what is fetched, and what is never contacted."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any

import pytest
from tests.clinic.hooks.calls import House, diabetic, person, request

from consilience.clinic.hooks.discovery import NECESSARY, SERVICES, TEMPLATES
from consilience.clinic.hooks.fetching import connect
from consilience.clinic.hooks.prefetch import Allowed, prefetched, record_of
from consilience.clinic.hooks.refusal import Refusal
from consilience.clinic.hooks.requests import PatientViewCall, read_as
from consilience.errors import InputError

SERVICE = SERVICES["consilience-patient-view"]
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
GRANTED = {
    "access_token": "secret-token",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "patient/*.read",
    "subject": "cds",
}


def record(content: dict[str, Any], servers: tuple[str, ...] = ()) -> Any:
    return record_of(read_as(PatientViewCall, content), SERVICE, Allowed(servers, connect))


def refused(content: dict[str, Any], servers: tuple[str, ...] = ()) -> Refusal:
    with pytest.raises(Refusal) as found:
        record(content, servers)
    return found.value


def kind_of(query: str) -> str:
    return query.partition("?")[0].partition("/")[0]


class Server:
    """A FHIR server that remembers what it was asked."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization")))
                found = told.get(
                    self.path.removeprefix("/fhir/").partition("?")[0].partition("/")[0]
                )
                body = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Type", "application/fhir+json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/fhir"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server():
    sent = prefetched(diabetic())
    kinds = {
        template.partition("?")[0].partition("/")[0]: key for key, template in TEMPLATES.items()
    }
    empty = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    made = Server({kind: sent[key] or empty for kind, key in kinds.items()})
    yield made
    made.close()


def fetched(server: Server, **more: Any) -> dict[str, Any]:
    return request(fhirServer=server.url, fhirAuthorization=GRANTED, **more)


def test_what_came_is_the_record():
    found = record(request())
    assert [one["resourceType"] for one in found.resources].count("Observation") == 3
    assert found.patient["id"] == "pat-1"
    assert found.unread == ()


def test_null_is_that_there_is_nothing():
    content = request()
    content["prefetch"]["conditions"] = None
    found = record(content)
    assert "conditions" not in found.unread
    assert not [one for one in found.resources if one["resourceType"] == "Condition"]


@pytest.mark.parametrize("prefetch", [None, {}, "absent"])
def test_without_prefetch_the_precondition_failed(house: House, prefetch):
    content = request()
    if prefetch == "absent":
        del content["prefetch"]
    else:
        content["prefetch"] = prefetch
    answer = house.view(content)
    assert answer.status_code == 412
    for key in NECESSARY:
        assert key in answer.json()["error"]


@pytest.mark.parametrize("key", NECESSARY)
def test_what_is_necessary_must_be_there(key):
    for value in (FAILED, "absent"):
        content = request()
        content["prefetch"][key] = value
        if value == "absent":
            del content["prefetch"][key]
        refusal = refused(content)
        assert refusal.status == 412
        assert key in refusal.sentence


def test_there_must_be_a_patient():
    content = request()
    content["prefetch"]["patient"] = None
    assert refused(content).status == 412


def test_a_first_page_is_no_answer():
    content = request()
    content["prefetch"]["observations"]["link"] = [{"relation": "next", "url": "https://x/2"}]
    assert refused(content).status == 412


def test_what_was_not_given_silences_the_rules_that_need_it(house: House):
    content = request()
    whole = {card["summary"] for card in house.view(content).json()["cards"]}
    optional = [key for key in TEMPLATES if key not in NECESSARY]
    for key in optional:
        del content["prefetch"][key]
    part = house.view(content).json()["cards"]
    assert {card["summary"] for card in part} <= whole
    assert not [card for card in part if "accin" in card["summary"]]
    assert "immunizations" in part[0]["detail"]


def test_another_patient_than_the_call_is_about():
    for patient in (person("other"), person() | {"id": None}):
        content = request()
        content["prefetch"]["patient"] = patient
        assert refused(content).status == 400


def test_two_patients_are_refused():
    content = request()
    content["prefetch"]["conditions"]["entry"].append({"resource": person("other")})
    assert refused(content).status == 400


def test_a_record_of_mixed_patients_is_refused(house: House):
    content = request()
    content["prefetch"]["observations"]["entry"][0]["resource"]["subject"] = {
        "reference": "Patient/somebody-else"
    }
    answer = house.view(content)
    assert answer.status_code == 400
    assert "somebody" not in answer.text


def test_a_server_that_is_allowed_is_asked(server):
    content = fetched(server)
    del content["prefetch"]
    found = record(content, (server.url + "/",))
    assert found.unread == ()
    assert len(found.resources) == len(diabetic())
    assert {token for _, token in server.asked} == {"Bearer secret-token"}
    assert len(server.asked) == len(TEMPLATES)


def test_only_what_is_missing_is_fetched(server):
    content = fetched(server)
    del content["prefetch"]["conditions"]
    assert record(content, (server.url,)).unread == ()
    assert [path.partition("?")[0] for path, _ in server.asked] == ["/fhir/Condition"]


def test_a_server_that_is_not_allowed_is_never_contacted(server, house):
    for address in (server.url, server.url + "/../fhir", server.url.replace("fhir", "FHIR")):
        content = fetched(server) | {"fhirServer": address}
        del content["prefetch"]
        for servers in ((), ("https://fhir.example.org",), (server.url + "x",)):
            assert refused(content, servers).status == 412
        assert house.view(content).status_code == 412
    assert server.asked == []


def test_a_server_is_not_asked_without_a_token_for_it(server):
    content = request(fhirServer=server.url)
    del content["prefetch"]
    assert refused(content, (server.url,)).status == 412
    assert server.asked == []


@pytest.mark.parametrize(
    "told", [None, b"no json", b"[" * 10_000, {"resourceType": "OperationOutcome"}, [1]]
)
def test_a_server_that_fails_gives_nothing(told):
    made = Server({"Patient": told})
    try:
        content = fetched(made)
        del content["prefetch"]
        refusal = refused(content, (made.url,))
        assert refusal.status == 412
        assert "secret" not in refusal.sentence
    finally:
        made.close()


@pytest.mark.parametrize(
    "server", ["http://[::", "http://fhir.example.org", "ftp://localhost", "", "https://h:99999/r"]
)
def test_a_server_that_would_get_tokens_in_the_clear_is_refused(server):
    with pytest.raises(InputError, match="FHIR server"):
        Allowed((server,), connect)
