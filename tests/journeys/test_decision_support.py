"""From a bundle to decision support: page, hook and command say the same."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from consilience.cohort import Survival, open_cohort
from consilience.records import Assessment
from consilience.study import Protocol, Study

pytestmark = pytest.mark.slow
COMMAND = str(Path(sys.executable).parent / "consilience")
PASSWORD = "a long sentence of my own"


@dataclass(frozen=True)
class Service:
    """A service that runs, and how its administrator signs in the first time."""

    address: str
    password: str
    database: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decision-support")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    """What a short study of two sources leaves."""
    cohort = open_cohort("tcga-acc").only(["clinical", "protein"])
    outcome = Survival("vital_status", "days", positive=1, label="death")
    protocol = Protocol(folds=3, repeats=1, leave_one_out=False, permutations=0, bootstrap=100)
    Study(cohort, outcome, protocol=protocol).run(folder / "study")
    return folder / "study" / "bundle"


def run(*arguments: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def example(bundle: Path, folder: Path) -> Path:
    run("clinic", "example", str(bundle), "--out", "example", "--seed", "3", folder=folder)
    return folder / "example"


@pytest.fixture(scope="module")
def service(bundle: Path, folder: Path) -> Iterator[Service]:
    """The service as its user starts it, on a free port."""
    database = f"sqlite:///{folder / 'clinic.db'}"
    command = [COMMAND, "serve", str(bundle), "--port", "0", "--open-hooks", "--db", database]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(4)]
        told = "".join(lines)
        address = re.search(r"http://127\.0\.0\.1:\d+", told)
        password = re.search(r"one-time password: (\S+)", told)
        assert address and password, told
        yield Service(address[0], password[1], database)
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0


@pytest.fixture(scope="module")
def answer(service: Service, example: Path) -> dict:
    """What the hook of README answers."""
    found = httpx.post(
        f"{service.address}/cds-services/consilience-patient-view",
        content=(example / "request.json").read_bytes(),
        headers={"Content-Type": "application/json"},
        timeout=30,
    )
    assert found.status_code == 200, found.text
    return found.json()


@pytest.fixture(scope="module")
def said(bundle: Path, example: Path, folder: Path) -> Assessment:
    """What the command says, as a record."""
    done = run(
        "clinic", "assess", str(bundle), str(example / "patient.json"), "--json", folder=folder
    )
    return Assessment.model_validate_json(done.stdout)


def percent(number: float) -> str:
    return f"{100 * number:.0f}"


def test_the_command_tells_a_number_or_why_not(bundle, example, folder, said):
    done = run("clinic", "assess", str(bundle), str(example / "patient.json"), folder=folder)
    words = " ".join(done.stdout.split())
    if said.number is None:
        assert all(reason in words for reason in said.silent)
    else:
        assert f"{said.says}: {percent(said.number)}%" in words
    for advice in said.advice:
        assert advice.sentence in words


def test_the_hook_answers_what_the_command_prints(answer, said):
    shown = json.dumps(answer, ensure_ascii=False)
    assert answer["cards"]
    if said.number is not None:
        assert re.search(rf"\b{percent(said.number)}\s?%", shown)
    for advice in said.advice:
        assert advice.sentence[:60] in shown


def test_the_page_shows_the_same_and_it_is_written_down(service, answer, said, folder):
    with httpx.Client(base_url=service.address, follow_redirects=True, timeout=30) as visitor:
        sign_in(visitor, service.password)
        listed = visitor.get("/").text
        key = re.search(r"/patients/([\w-]+)", listed)
        assert key, listed
        page = visitor.get(f"/patients/{key[1]}").text
    if said.number is not None:
        assert re.search(rf"\b{percent(said.number)}(\s|&nbsp;|\u00a0)?%", page)
    assert said.model[:8] in page
    verified = run("clinic", "audit", "verify", "--db", service.database, folder=folder)
    assert "entries" in verified.stdout
    run("clinic", "audit", "export", "audit.jsonl", "--db", service.database, folder=folder)
    entries = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert any(entry["patient"] == said.patient for entry in entries)


def field(page: str, name: str) -> str:
    """Return what a hidden field of a page's form holds."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found[1]


def sign_in(visitor: httpx.Client, password: str) -> None:
    """Sign in with the one-time password, and set one's own."""
    form = visitor.get("/sign-in").text
    tokens = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    page = visitor.post(
        "/sign-in", data={**dict(tokens), "name": "administrator", "password": password}
    )
    assert page.status_code == 200, page.text
    tokens = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    named = re.findall(r'<input[^>]*type="password"[^>]*name="([^"]+)"', page.text) or re.findall(
        r'<input[^>]*name="([^"]+)"[^>]*type="password"', page.text
    )
    action = re.search(r'<form[^>]*action="([^"]*password[^"]*)"', page.text)
    assert action and named, page.text
    passwords = {name: password if name in ("old", "current") else PASSWORD for name in named}
    page = visitor.post(action[1], data={**dict(tokens), **passwords})
    assert page.status_code == 200, page.text


def test_what_a_user_gets_wrong_is_one_sentence(bundle, folder):
    (folder / "none.json").write_text("{}")
    mistakes = [
        (("serve", str(folder / "nowhere")), "nowhere: there is no such folder"),
        (("serve", str(bundle), "--host", "0.0.0.0"), "--tls-cert"),
        (("serve", str(bundle), "--rules", str(folder / "nowhere")), "nowhere"),
        (("serve", str(bundle), "--issuer", "me"), "ISSUER=KEYS"),
        (("serve", str(bundle), "--db", "nonsense"), "the database is given as a URL"),
        (("clinic", "assess", str(bundle), str(folder / "none.json")), "none.json"),
        (("clinic", "assess", str(bundle), str(folder / "absent.json")), "absent.json"),
        (("clinic", "audit", "verify", "--db", f"sqlite:///{folder / 'absent.db'}"), "absent.db"),
        (("clinic", "audit", "verify", "--head", "x"), "no head of an audit log"),
        (("clinic", "users", "add", "me", "--role", "king", "--db", "sqlite:///a.db"), "king"),
    ]
    for command, told in mistakes:
        done = run(*command, folder=folder, check=False)
        assert done.returncode == 2, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("Error: "), (command, done.stderr)
        assert told in " ".join(done.stderr.split()), (command, done.stderr)
