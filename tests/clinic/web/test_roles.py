"""What each role opens, and that no page or form was forgotten."""

from __future__ import annotations

import pytest
from tests.clinic.web.clinic_example import key_of

from consilience.clinic.web.roles import ROLES, Permission, may
from consilience.clinic.web.router import PAGES

OPEN = {
    "clinician": {"/worklist", "/practice", "/upload", "/model"},
    "auditor": {"/audit", "/model"},
    "administrator": {"/worklist", "/practice", "/upload", "/model", "/audit", "/users"},
}
ALL = OPEN["administrator"]


@pytest.mark.parametrize("role", OPEN)
def test_each_role_opens_its_pages_and_no_others(seeded, visitor, role: str) -> None:
    someone = visitor(role)
    found = {path for path in ALL if someone.get(path).status_code == 200}
    assert found == OPEN[role]
    assert {someone.get(path).status_code for path in ALL - found} <= {403}
    patient = someone.get(f"/patients/{key_of(seeded, 'p1')}")
    assert patient.status_code == (403 if role == "auditor" else 200)
    assert ("Ada" in patient.text) == (role != "auditor")
    navigation = someone.get("/model").text
    assert {path for path in ALL if f'<a href="{path}"' in navigation} == OPEN[role]


def test_a_role_nobody_has_may_nothing() -> None:
    assert not any(may("visitor", one) for one in Permission)
    assert set(ROLES) == {"clinician", "auditor", "administrator"}


def test_only_signing_in_is_open_to_strangers() -> None:
    open_pages = {page.path for page in PAGES if page.permission is None and not page.signed_in}
    assert open_pages == {"/sign-in", "/sign-in/organisation", "/sign-in/back"}


@pytest.mark.parametrize("page", [p for p in PAGES if p.method == "POST"], ids=lambda p: p.path)
def test_every_form_is_refused_without_its_token(seeded, visitor, page) -> None:
    someone = visitor("administrator")
    path = page.path.replace("{key}", key_of(seeded, "p1"))
    before = len(seeded.audit.entries("local"))
    for token in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "é"}):
        data = {"name": "clinician", "outcome": "accepted", **token}
        answer = someone.client.post(path, data=data, follow_redirects=False)
        assert answer.status_code == 403
    assert len(seeded.audit.entries("local")) == before
    assert {user.name for user in seeded.store.users.all("local")} == set(OPEN)


def test_a_token_of_another_session_is_refused(seeded, visitor) -> None:
    mine, theirs = visitor("administrator"), visitor("clinician")
    answer = mine.client.post(
        "/users/remove",
        data={"form_token": theirs.token("/upload"), "name": "auditor"},
        follow_redirects=False,
    )
    assert answer.status_code == 403
