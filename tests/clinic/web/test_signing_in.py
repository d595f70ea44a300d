"""Who gets in, with what, for how long."""

from __future__ import annotations

import shutil

import pytest
from tests.clinic.web.clinic_example import PASSWORD

SESSION = "consilience-session"


def test_nobody_sees_a_page_without_signing_in(seeded, visitor) -> None:
    someone = visitor()
    for path in ("/", "/worklist", "/practice", "/upload", "/model", "/audit", "/users"):
        answer = someone.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert "Ada" not in answer.text


def test_the_session_cookie_is_out_of_reach(clinic, visitor) -> None:
    someone = visitor()
    set_cookie = someone.sign_in("clinician").headers.get_list("set-cookie")
    session = next(line for line in set_cookie if line.startswith(SESSION + "="))
    assert "HttpOnly" in session and "SameSite=strict" in session and "Path=/" in session
    assert "Secure" not in session  # without TLS the browser would not send it back


def test_over_tls_cookies_are_secure_and_bound_to_the_host(
    web_bundle, peopled, tmp_path, clock
) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from tests.clinic.web.clinic_example import open_clinic
    from tests.clinic.web.conftest import Visitor

    from consilience.clinic.web.router import web_router

    shutil.copy(peopled, tmp_path / "tls.db")
    found = open_clinic(web_bundle, tmp_path / "tls.db", clock, secure=True)
    app = FastAPI()
    app.include_router(web_router(found))
    someone = Visitor(TestClient(app, base_url="https://clinic.example"))
    lines = someone.sign_in("clinician").headers.get_list("set-cookie")
    session = next(line for line in lines if "session=" in line)
    assert session.startswith("__Host-consilience-session=") and "Secure" in session
    assert someone.get("/worklist").status_code == 200
    found.close()


def test_a_session_that_was_there_before_means_nothing_after_signing_in(clinic, visitor) -> None:
    """Fixation: neither a planted session nor the visitor's own token lives on."""
    someone = visitor()
    someone.client.cookies.set(SESSION, "planted", domain="127.0.0.1", path="/")
    assert someone.get("/worklist").status_code == 303
    someone.sign_in("clinician")
    first = someone.client.cookies[SESSION]
    assert first != "planted" and len(first) >= 43
    assert someone.get("/worklist").status_code == 200
    again = visitor()
    again.client.cookies.set(SESSION, "planted", domain="127.0.0.1", path="/")
    assert again.get("/worklist").status_code == 303


def test_signing_in_again_ends_the_session_before(clinic, visitor, clock) -> None:
    someone = visitor("clinician")
    first = someone.client.cookies[SESSION]
    someone.post("/sign-in", {"name": "auditor", "password": PASSWORD}, page="/upload")
    assert someone.client.cookies[SESSION] != first
    assert clinic.store.sessions.get(first, clock()) is None


def test_a_session_ends_by_the_clock_and_by_signing_out(clinic, visitor, clock) -> None:
    someone = visitor("clinician")
    clock.on(hours=9)
    assert someone.get("/worklist").status_code == 200
    clock.on(hours=2)
    assert someone.get("/worklist").headers["location"] == "/sign-in"

    other = visitor("clinician")
    token = other.client.cookies[SESSION]
    assert other.post("/sign-out", {}, page="/worklist").headers["location"] == "/sign-in"
    assert clinic.store.sessions.get(token, clock()) is None
    assert SESSION not in other.client.cookies


def test_what_is_said_does_not_tell_whether_a_name_exists(clinic, visitor) -> None:
    someone = visitor()
    unknown = someone.sign_in("nobody at all", "wrong wrong wrong")
    wrong = someone.sign_in("clinician", "wrong wrong wrong")
    for _ in range(6):
        someone.sign_in("clinician", "wrong wrong wrong")
    locked = someone.sign_in("clinician")  # right, and locked
    assert unknown.status_code == wrong.status_code == locked.status_code == 401

    def said(answer) -> str:
        return answer.text.partition('role="alert"')[2].partition("</div>")[0]

    assert said(unknown) == said(wrong) == said(locked) != ""


def test_the_lock_passes(clinic, visitor, clock) -> None:
    someone = visitor()
    for _ in range(7):
        someone.sign_in("clinician", "wrong wrong wrong")
    assert someone.sign_in("clinician").status_code == 401
    clock.on(minutes=20)
    assert someone.sign_in("clinician").status_code == 303


def test_a_form_without_its_token_is_refused(clinic, visitor) -> None:
    someone = visitor()
    bare = someone.client.post(
        "/sign-in", data={"name": "clinician", "password": PASSWORD}, follow_redirects=False
    )
    assert bare.status_code == 403 and SESSION not in someone.client.cookies


def test_one_time_password_leads_to_choosing_ones_own(clinic, visitor, clock) -> None:
    _, password = clinic.store.users.add_one_time("newcomer", "clinician", "local", clock())
    someone = visitor()
    assert someone.sign_in("newcomer", password).headers["location"] == "/password"
    assert someone.get("/").headers["location"] == "/password"
    held = someone.get("/worklist")
    assert held.status_code == 403 and "password of your own" in held.text

    own = "four horses in the rain"
    short = someone.post("/password", {"new": "short", "again": "short"})
    unlike = someone.post("/password", {"new": own, "again": own + "s"})
    assert short.status_code == unlike.status_code == 400
    before = someone.client.cookies[SESSION]
    assert someone.post("/password", {"new": own, "again": own}).status_code == 303
    assert someone.client.cookies[SESSION] != before
    assert someone.get("/worklist").status_code == 200
    assert visitor().sign_in("newcomer", password).status_code == 401
    assert visitor().sign_in("newcomer", own).status_code == 303


def test_changing_a_password_needs_the_present_one_and_ends_other_sessions(clinic, visitor) -> None:
    here, elsewhere = visitor("clinician"), visitor("clinician")
    own = "four horses in the rain"
    wrong = here.post("/password", {"old": "not it at all", "new": own, "again": own})
    assert wrong.status_code == 400 and "present password" in wrong.text
    assert here.post("/password", {"old": PASSWORD, "new": own, "again": own}).status_code == 303
    assert here.get("/worklist").status_code == 200
    assert elsewhere.get("/worklist").status_code == 303


def test_no_address_leads_away(clinic, visitor) -> None:
    """There is no parameter that says where to go next, so none can be forged."""
    someone = visitor()
    token = someone.token("/sign-in?next=https://evil.example")
    answer = someone.client.post(
        "/sign-in?next=https://evil.example&to=//evil.example",
        data={
            "form_token": token,
            "name": "clinician",
            "password": PASSWORD,
            "next": "https://evil.example",
        },
        follow_redirects=False,
    )
    assert answer.headers["location"] == "/"


CHARSETS = ("unicode_escape", "raw_unicode_escape", "utf-7", "punycode", "undefined", "utf\0x")


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("field", ["form_token", "name", "password"])
def test_a_form_in_a_charset_that_gives_no_text_is_refused(visitor, charset, field) -> None:
    someone = visitor()
    fields = {"form_token": someone.token("/sign-in"), "name": "clinician", "password": PASSWORD}
    fields[field] = "+2AA-" if charset == "utf-7" else "\\ud800"  # half a surrogate pair
    kind = f"multipart/form-data; boundary=b; charset={charset}"
    parts = (
        f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
        for k, v in fields.items()
    )
    answer = someone.client.post(
        "/sign-in", content="".join((*parts, "--b--\r\n")), headers={"content-type": kind}
    )
    assert answer.status_code == 400 and "could not be read" in answer.text


def test_a_zero_byte_in_a_form_is_refused(visitor) -> None:
    answer = visitor().post("/sign-in", {"name": "clinician\0", "password": PASSWORD})
    assert answer.status_code == 400 and "could not be read" in answer.text
