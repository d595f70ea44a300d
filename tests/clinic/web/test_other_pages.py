"""Model, audit trail, users, errors; and the headers on all of them."""

from __future__ import annotations

import itertools
import re

import pytest
from markupsafe import Markup
from sqlalchemy import text as sql
from tests.clinic.web.clinic_example import PASSWORD, SICK, key_of, record

from consilience.clinic.web.markdown import rendered
from consilience.clinic.web.rendering import HEADERS, static_files


def test_the_model_page_says_what_the_card_says(seeded, visitor) -> None:
    html = visitor("clinician").get("/model").text
    for heading in ("Intended use", "Calibration", "Subgroups", "Limits"):
        assert re.search(rf"<h[23][^>]*>{heading}</h", html)
    assert "Not known:" in html and seeded.served().fingerprint in html
    assert 'id="h-drift"' not in html
    assert 'id="h-drift"' in visitor("administrator").get("/model").text


def test_headings_go_down_one_step_at_a_time(seeded, visitor) -> None:
    someone = visitor("administrator")
    patient = f"/patients/{key_of(seeded, 'p1')}"
    for path in (patient, "/worklist", "/practice", "/upload", "/model", "/audit", "/users"):
        levels = [int(n) for n in re.findall(r"<h([1-6])[ >]", someone.get(path).text)]
        assert levels[0] == 1 and levels.count(1) == 1, path
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), path


def test_a_card_runs_nothing() -> None:
    card = (
        "# Top\n\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n"
        "[x](javascript:alert(1)) ![y](https://evil.example/p.png)\n\n"
        "## Next\n\n| a |\n|:-:|\n| <b>b</b> |\n"
    )
    found = rendered(card, below=2)
    assert isinstance(found, Markup)
    assert "<script" not in found and "<img" not in found and "<b>" not in found
    assert 'href="javascript' not in found and "style=" not in found
    assert "<h3>Top</h3>" in found and "<h4>Next</h4>" in found and '<th scope="col">' in found


def test_the_audit_page_finds_an_override(seeded, visitor) -> None:
    doctor = visitor("clinician")
    page = f"/patients/{key_of(seeded, 'p1')}"
    card = re.search(r'name="card" value="([^"]+)"', doctor.get(page).text)[1]
    reason = "Patient declines"
    answer = {"card": card, "outcome": "overridden", "reason": reason}
    assert doctor.post(f"{page}/answers", answer, page=page).status_code == 303

    auditor = visitor("auditor")
    trail = auditor.get(f"/audit?patient={key_of(seeded, 'p1')}").text
    assert "advice overridden" in trail and reason in trail and "Chain verified" in trail
    assert "Bert" not in trail
    found = auditor.post("/audit", {"search": "beispiel"}, page="/audit").text
    assert f"/audit?patient={key_of(seeded, 'p2')}" in found and "Ada" not in found


def test_the_audit_page_is_of_one_tenant(seeded, visitor) -> None:
    auditor = visitor("auditor")
    assert "Cora" not in auditor.get("/audit").text
    theirs = key_of(seeded, "p3", "other")
    assert auditor.get(f"/audit?patient={theirs}").status_code == 404
    for odd in ("x", "-1", "9" * 40, "²"):
        assert auditor.get(f"/audit?before={odd}").status_code == 200


def test_a_broken_chain_is_told(seeded, visitor) -> None:
    with seeded.store.access.engine.begin() as connection:
        connection.execute(sql("DROP TRIGGER audit_no_change"))
        connection.execute(sql("UPDATE audit SET who = 'nobody' WHERE seq = 2"))
    trail = visitor("auditor").get("/audit").text
    assert "Chain broken" in trail and "Broken at entry 2" in trail


def test_an_administrator_adds_resets_and_removes(clinic, visitor) -> None:
    admin = visitor("administrator")
    added = admin.post("/users/add", {"name": "nurse joy", "role": "clinician"}, page="/users")
    password = re.search(r'class="secret">([^<]+)<', added.text)[1]
    assert password not in admin.get("/users").text
    assert visitor().sign_in("nurse joy", password).headers["location"] == "/password"

    again = admin.post("/users/reset", {"name": "nurse joy"}, page="/users")
    fresh = re.search(r'class="secret">([^<]+)<', again.text)[1]
    assert visitor().sign_in("nurse joy", password).status_code == 401
    joy = visitor()
    assert joy.sign_in("nurse joy", fresh).status_code == 303
    assert admin.post("/users/remove", {"name": "nurse joy"}, page="/users").status_code == 303
    assert joy.get("/password").headers["location"] == "/sign-in"
    actions = [entry.action for entry in clinic.audit.entries("local")]
    assert {"user added", "password reset", "user removed"} <= set(actions)
    assert password not in str(clinic.audit.entries("local"))


@pytest.mark.parametrize("name", ["administrator", "clinician-elsewhere", "nobody"])
def test_nobody_removes_himself_or_people_of_another_tenant(clinic, visitor, name) -> None:
    admin = visitor("administrator")
    answer = admin.post("/users/remove", {"name": name}, page="/users")
    assert answer.status_code in (400, 404)
    assert clinic.store.users.check("administrator", PASSWORD) is not None
    assert clinic.store.users.check("clinician-elsewhere", PASSWORD) is not None


@pytest.mark.parametrize(
    "data", [{"name": ""}, {"name": "x", "role": "god"}, {"name": "clinician", "role": "auditor"}]
)
def test_a_user_that_cannot_be_is_refused(clinic, visitor, data) -> None:
    answer = visitor("administrator").post("/users/add", data, page="/users")
    assert answer.status_code == 400 and "secret" not in answer.text


def test_every_answer_carries_the_headers(seeded, visitor) -> None:
    someone = visitor("administrator")
    patient = f"/patients/{key_of(seeded, 'p1')}"
    paths = (patient, "/worklist", "/practice", "/upload", "/upload/patient.csv", "/model")
    for path in (*paths, "/audit", "/users", "/password", "/", "/patients/none"):
        answer = someone.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (path, name)
    assert (
        visitor().get("/sign-in").headers["Content-Security-Policy"]
        == (HEADERS["Content-Security-Policy"])
    )


def test_no_page_needs_what_its_policy_forbids(seeded, visitor) -> None:
    someone = visitor("administrator")
    patient = f"/patients/{key_of(seeded, 'p1')}"
    for path in (patient, "/worklist", "/practice", "/upload", "/model", "/audit", "/users"):
        html = someone.get(path).text
        assert not re.search(r'\sstyle="|<style|\son[a-z]+="|<script(?! src="/static/)', html)
        assert not re.search(r'(?:src|href)="(?:https?:)?//(?!\S*" rel="noreferrer)', html)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../router.py",
        "..%2frouter.py",
        "%2e%2e/router.py",
        "/etc/passwd",
        "clinic.css/..",
    ],
)
def test_static_files_are_known_by_name_and_no_others(clinic, visitor, name: str) -> None:
    someone = visitor()
    answer = someone.get(f"/static/{name}")
    assert answer.status_code in (404, 405)
    assert "import" not in answer.text and "root:" not in answer.text
    for known in static_files():
        assert someone.get(f"/static/{known}").status_code == 200


def test_what_is_not_there_is_said_without_what_was_asked(seeded, visitor) -> None:
    someone = visitor("clinician")
    for path in ("/patients/Ada%20Example", "/nowhere/Ada%20Example", "/audit/Ada"):
        answer = someone.get(path)
        assert answer.status_code == 404 and "Ada" not in answer.text
        assert "<h1>" in answer.text


def test_a_database_that_is_gone_is_told_without_a_trace(seeded, visitor) -> None:
    someone = visitor("clinician")
    seeded.consult("local", "clinician", record(**SICK))
    with seeded.store.access.engine.begin() as connection:
        connection.execute(sql("ALTER TABLE patients RENAME TO elsewhere"))
    answer = someone.get("/worklist")
    assert answer.status_code == 503 and "<h1>" in answer.text
    assert "patients" not in answer.text and "SELECT" not in answer.text
