"""Signing in with an organisation, against a provider that really runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.clinic.web.clinic_example import Clock, open_clinic
from tests.clinic.web.conftest import Visitor
from tests.clinic.web.provider import (
    CLIENT,
    SECRET,
    Provider,
    another_key,
    rsa_key,
    running,
    shared_key,
)

from consilience.clinic.web import OidcSettings
from consilience.clinic.web.organisation import Organisation
from consilience.clinic.web.router import web_router
from consilience.errors import InputError

SESSION = "consilience-session"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as found:
        yield found


@pytest.fixture
def house(web_bundle, peopled, tmp_path, provider) -> Iterator[Any]:
    """A clinic whose people sign in with the provider."""
    shutil.copy(peopled, tmp_path / "oidc.db")
    clock = Clock()
    provider.at = clock().timestamp()
    settings = OidcSettings(provider.issuer, CLIENT, SECRET, tenant="local")
    found = open_clinic(web_bundle, tmp_path / "oidc.db", clock, oidc=settings)
    yield found
    found.close()


@pytest.fixture
def someone(house) -> Visitor:
    app = FastAPI()
    app.include_router(web_router(house))
    return Visitor(TestClient(app, base_url="http://127.0.0.1:8000"))


def back(someone: Visitor) -> str:
    """Go to the provider and return the address it leads back to."""
    leaving = someone.get("/sign-in/organisation")
    assert leaving.status_code == 303
    return httpx.get(leaving.headers["location"]).headers["location"]


def test_somebody_comes_in_with_the_role_of_his_organisation(house, someone) -> None:
    assert "/sign-in/organisation" in someone.get("/sign-in").text
    answer = someone.get(back(someone))
    assert answer.status_code == 200 and 'url=/"' in answer.text
    page = someone.get("/worklist")
    assert page.status_code == 200
    assert "dr.house (127.0.0.1)" in page.text and "Change password" not in page.text
    assert someone.get("/audit").status_code == 403
    entry = house.audit.entries("local")[-1]
    assert (entry.who, entry.action) == ("dr.house (127.0.0.1)", "signed in")
    assert someone.post("/password", {}, page="/worklist").status_code == 400


def test_the_answer_must_be_to_this_browsers_question(someone) -> None:
    place = back(someone)
    someone.client.cookies.delete("consilience-organisation")
    assert someone.get(place).status_code == 400
    place = back(someone)
    parts = urlsplit(place)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for change in ({"state": "other"}, {"iss": "https://evil.example"}, {"code": "guessed"}):
        assert someone.get("/sign-in/back", params={**asked, **change}).status_code in (400, 502)
    assert someone.get("/sign-in/back").status_code == 400
    assert SESSION not in someone.client.cookies


def test_a_code_works_once(someone) -> None:
    place = back(someone)
    assert someone.get(place).status_code == 200
    again = Visitor(someone.client)
    again.client.cookies.delete(SESSION)
    assert again.get(place).status_code in (400, 502)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"aud": None},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 4102444800},
        {"sub": None},
    ],
    ids=json.dumps,
)
def test_an_id_token_that_does_not_hold_is_refused(provider, someone, claims) -> None:
    provider.claims = claims
    assert someone.get(back(someone)).status_code == 400
    assert SESSION not in someone.client.cookies


def test_a_signature_by_another_key_is_refused(provider, someone) -> None:
    provider.published = [another_key()]
    assert someone.get(back(someone)).status_code == 400


def test_keys_that_were_changed_are_fetched_again(provider, someone) -> None:
    assert someone.get(back(someone)).status_code == 200
    someone.client.cookies.clear()
    provider.key, provider.algorithm = rsa_key(), "RS256"
    assert someone.get(back(someone)).status_code == 200


def test_a_public_key_is_never_a_shared_secret(provider, someone) -> None:
    provider.published = [provider.key]
    provider.algorithm = "HS256"
    provider.key = shared_key(json.dumps(provider.key.as_dict(private=False)))
    assert someone.get(back(someone)).status_code == 400


@pytest.mark.parametrize("roles", [[], "cleaner", None, {"a": 1}, ["cleaner", 7]])
def test_without_a_role_nobody_comes_in(provider, someone, roles) -> None:
    provider.claims = {"roles": roles}
    answer = someone.get(back(someone))
    assert answer.status_code == 403 and SESSION not in someone.client.cookies


def test_roles_can_lie_deeper_and_be_called_otherwise(provider) -> None:
    roles = MappingProxyType({"praxis-audit": "auditor", "praxis-admin": "administrator"})
    settings = OidcSettings(
        provider.issuer, CLIENT, role_claim="realm_access.roles", roles=roles, tenant="praxis"
    )
    organisation = Organisation(settings, "http://127.0.0.1")
    user = organisation._user({"sub": "7", "realm_access": {"roles": ["praxis-audit"]}})
    assert (user.role, user.tenant, user.name, user.local) == (
        "auditor",
        "praxis",
        "7 (127.0.0.1)",
        False,
    )


def test_a_provider_that_calls_itself_otherwise_is_refused(provider, someone) -> None:
    provider.said_issuer = "https://evil.example"
    assert someone.get("/sign-in/organisation").status_code == 400


def test_a_provider_that_is_gone_is_told(web_bundle, peopled, tmp_path) -> None:
    shutil.copy(peopled, tmp_path / "gone.db")
    settings = OidcSettings("http://127.0.0.1:9", CLIENT)
    found = open_clinic(web_bundle, tmp_path / "gone.db", Clock(), oidc=settings)
    app = FastAPI()
    app.include_router(web_router(found))
    visitor = Visitor(TestClient(app, base_url="http://127.0.0.1"))
    answer = visitor.get("/sign-in/organisation")
    assert answer.status_code == 502 and "did not work" in answer.text
    assert visitor.get("/sign-in").status_code == 200
    found.close()


def test_an_issuer_in_the_clear_is_refused() -> None:
    with pytest.raises(InputError, match="https"):
        Organisation(OidcSettings("http://login.example", CLIENT), "http://127.0.0.1")


def test_without_a_provider_the_way_is_closed(clinic, visitor) -> None:
    assert visitor().get("/sign-in/organisation").status_code == 404
    assert "/sign-in/organisation" not in visitor().get("/sign-in").text
