"""A FHIR server, a real one on loopback: tokens, pages, retries, limits, other hosts."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qs

import pytest
import uvicorn
from fastapi import FastAPI, Header, Request, Response
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.clinic.fhir.records import NOW, feature, observed, patient, quantity, schema

from consilience.clinic.fhir import BackendClient, FhirServer, Limits, map_patient, read_bundle
from consilience.errors import InputError

KEY = ECKey.generate_key("P-384", {"kid": "k1"})


@dataclass
class Server:
    """What the server does next, and what it was asked."""

    url: str = ""
    lasts: float = 300
    busy: int = 0
    next_of: dict[str, str] = field(default_factory=dict)
    answer: Response | None = None
    calls: Counter[str] = field(default_factory=Counter)
    jtis: set[str] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)


def app_of(state: Server) -> FastAPI:
    """A FHIR server with one patient, on three pages, behind SMART Backend Services."""
    app = FastAPI()

    @app.post("/token")
    async def token(request: Request) -> Any:
        form = {key: one[0] for key, one in parse_qs((await request.body()).decode()).items()}
        state.calls["token"] += 1
        proof = jwt.decode(form["client_assertion"], KEY, algorithms=["ES384"])
        claims = proof.claims
        good = (
            form["grant_type"] == "client_credentials"
            and claims["iss"] == claims["sub"] == "consilience"
            and claims["aud"] == f"{state.url}/token"
            and claims["jti"] not in state.jtis
            and time.time() < claims["exp"] <= time.time() + 300
            and proof.header["kid"] == "k1"
        )
        state.jtis.add(claims["jti"])
        if not good:
            return Response(status_code=400)
        state.tokens.append(f"t{len(state.tokens)}")
        return {"access_token": state.tokens[-1], "expires_in": state.lasts, "token_type": "bearer"}

    @app.get("/fhir/Patient/{who}/$everything")
    def everything(
        who: str, page: int = 0, authorization: Annotated[str, Header()] = ""
    ) -> Response:
        state.calls["page"] += 1
        if state.busy:
            state.busy -= 1
            return Response(status_code=503, headers={"Retry-After": "0"})
        if state.answer is not None:
            return state.answer
        if authorization not in [f"Bearer {one}" for one in state.tokens[-1:]]:
            return Response(status_code=401)
        if who != "p1":
            return Response(status_code=404)
        return Response(json.dumps(_page(state, page)), media_type="application/fhir+json")

    return app


def _page(state: Server, number: int) -> dict[str, Any]:
    pages = [
        [patient()],
        [observed("2532-0", quantity(5, "U/L"), "2026-05-01", id="a")],
        [observed("2532-0", quantity(6, "U/L"), "2026-06-01", id="b")],
    ]
    following = state.next_of.get(str(number), f"?page={number + 1}" if number < 2 else "")
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "next", "url": following}] if following else [],
        "entry": [{"resource": one} for one in pages[number]],
    }


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Server, uvicorn.Server]]:
    state = Server()
    config = uvicorn.Config(app_of(state), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    state.url = f"http://127.0.0.1:{port}"
    yield state, server
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def server(running: tuple[Server, uvicorn.Server]) -> Server:
    state = running[0]
    fresh = Server(url=state.url)
    state.__dict__.update(fresh.__dict__)
    return state


def asking(server: Server, **how: Any) -> FhirServer:
    client = BackendClient("consilience", f"{server.url}/token", KEY.as_dict(private=True))
    return FhirServer(f"{server.url}/fhir", client=client, **how)


def test_a_record_is_fetched_page_by_page_with_one_token(server: Server) -> None:
    with asking(server) as fhir:
        record = fhir.everything("p1")
        fhir.everything("p1")
    assert server.calls == {"token": 1, "page": 6}
    mapped = map_patient(read_bundle(record), schema(feature("ldh", "U/L")), now=NOW)
    assert mapped.cohort.modalities["clinical"].numeric.tolist() == [[6]]


def test_an_expired_token_is_renewed_with_a_new_proof(server: Server) -> None:
    server.lasts = 10  # less than the margin: each use needs a new one
    with asking(server) as fhir:
        fhir.everything("p1")
    assert server.calls["token"] == 3
    assert len(server.jtis) == 3


def test_a_busy_server_is_asked_again_but_not_for_ever(server: Server) -> None:
    server.busy = 3
    with asking(server) as fhir:
        assert len(fhir.everything("p1")["entry"]) == 3
    server.busy = 10
    with asking(server, tries=2) as fhir, pytest.raises(InputError, match="it answered 503"):
        fhir.everything("p1")
    assert server.busy == 8


@pytest.mark.parametrize(
    "following",
    [
        "http://127.0.0.1:1/fhir/next",
        "http://169.254.169.254/latest/meta-data",
        "//elsewhere.example/x",
        "file:///etc/passwd",
        "http://user@127.0.0.1:99999999/x",
    ],
)
def test_a_next_page_on_another_server_is_not_followed(server: Server, following: str) -> None:
    server.next_of = {"0": following}
    with asking(server) as fhir, pytest.raises(InputError, match="another server"):
        fhir.everything("p1")
    assert server.calls["page"] == 1


def test_pages_that_go_round_end(server: Server) -> None:
    server.next_of = {"2": "?page=1"}
    with asking(server) as fhir, pytest.raises(InputError, match="do not end"):
        fhir.everything("p1")


def test_a_redirect_is_not_followed(server: Server) -> None:
    server.answer = Response(status_code=302, headers={"Location": "http://127.0.0.1:1/"})
    with asking(server) as fhir, pytest.raises(InputError, match="it answered 302"):
        fhir.everything("p1")


def test_what_is_packed_is_counted_unpacked(server: Server) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    assert len(bomb) < 30_000
    server.answer = Response(bomb, headers={"Content-Encoding": "gzip"})
    limits = Limits(bytes=1_000_000)
    with asking(server, limits=limits) as fhir, pytest.raises(InputError, match="larger than"):
        fhir.everything("p1")


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"resourceType": "OperationOutcome"}', b"[" * 9999]
)
def test_an_answer_that_is_no_bundle_is_said(server: Server, body: bytes) -> None:
    server.answer = Response(body)
    with asking(server) as fhir, pytest.raises(InputError, match="its answer is"):
        fhir.everything("p1")


def test_errors_name_the_server_and_not_the_patient(server: Server) -> None:
    with asking(server) as fhir, pytest.raises(InputError, match="it answered 404") as raised:
        fhir.everything("zzyzx")
    assert "zzyzx" not in str(raised.value)
    with (
        FhirServer(server.url + "/fhir", token="wrong") as fhir,
        pytest.raises(InputError, match="401"),
    ):
        fhir.everything("p1")


def test_a_server_that_is_not_there_is_said() -> None:
    silent = pytest.raises(InputError, match="does not answer")
    with FhirServer("http://127.0.0.1:9/fhir", tries=1) as fhir, silent:
        fhir.everything("p1")


@pytest.mark.parametrize("who", ["../Practitioner/1", "a b", "", "x" * 65, "p1?x=1", "p1/$export"])
def test_an_id_that_is_none_never_reaches_an_address(server: Server, who: str) -> None:
    with asking(server) as fhir, pytest.raises(InputError, match="no FHIR id"):
        fhir.everything(who)
    assert not server.calls


@pytest.mark.parametrize(
    "url", ["http://hospital.example/fhir", "ftp://x/y", "https://a:b@host/x", "x"]
)
def test_only_https_is_asked_but_on_this_machine(url: str) -> None:
    with pytest.raises(InputError, match="https only"):
        FhirServer(url)
    with pytest.raises(InputError, match="https only"):
        FhirServer("https://good.example", client=BackendClient("c", url, {}))
    FhirServer("https://hospital.example/fhir").close()


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {},
        {"kty": "EC", "crv": "P-384", "d": "x"},
        ECKey.generate_key("P-256").as_dict(private=True),
        KEY.as_dict(private=False),
    ],
)
def test_a_key_that_does_not_serve_is_said_without_showing_it(key: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="private JWK"):
        BackendClient("c", "https://good.example/token", key).assertion(0)


def test_an_rsa_key_signs_rs384() -> None:
    key = RSAKey.generate_key(2048)
    text = BackendClient("c", "https://x/token", key.as_dict(private=True)).assertion(time.time())
    assert jwt.decode(text, key, algorithms=["RS384"]).header["alg"] == "RS384"
