"""Pages in front of a real clinic: database, audit log, rules and bundle."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.clinic.web.clinic_example import PASSWORD, SICK, WELL, Clock, open_clinic, people, record
from tests.clinic.web.clinic_example import write_bundle as written

from consilience.clinic import Clinic
from consilience.clinic.application import application


@pytest.fixture(scope="session")
def web_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("web") / "bundle")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def peopled(web_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with users: hashing their passwords takes long, and is done once."""
    database = tmp_path_factory.mktemp("people") / "clinic.db"
    found = open_clinic(web_bundle, database, Clock())
    people(found)
    found.close()
    return database


@pytest.fixture
def clinic(web_bundle: Path, peopled: Path, tmp_path: Path, clock: Clock) -> Iterator[Clinic]:
    shutil.copy(peopled, tmp_path / "clinic.db")
    found = open_clinic(web_bundle, tmp_path / "clinic.db", clock)
    yield found
    found.close()


@pytest.fixture
def seeded(clinic: Clinic) -> Clinic:
    """Two patients of one tenant, and one of another."""
    clinic.consult("local", "clinician", record(**SICK))
    clinic.consult("local", "clinician", record("p2", "Bert Beispiel", **WELL))
    clinic.consult("other", "clinician-elsewhere", record("p3", "Cora Secret", **SICK))
    return clinic


class Visitor:
    """Somebody with a browser: he keeps cookies, and sends forms as pages give them."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, follow_redirects=False, **more)

    def token(self, path: str) -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.get(path).text)
        assert found, path
        return found[1]

    def post(self, path: str, data: dict[str, str], *, page: str = "", **more: Any) -> Any:
        """Send a form with the token of the page it stands on."""
        whole = {"form_token": self.token(page or path), **data}
        return self.client.post(path, data=whole, follow_redirects=False, **more)

    def sign_in(self, name: str, password: str = PASSWORD) -> Any:
        return self.post("/sign-in", {"name": name, "password": password})


@pytest.fixture
def visitor(clinic: Clinic) -> Callable[..., Visitor]:
    """A function that opens a browser, signed in if a name is given."""
    app = application(clinic)

    def opened(name: str = "") -> Visitor:
        client = TestClient(app, base_url="http://127.0.0.1", headers={"accept": "text/html"})
        found = Visitor(client)
        if name:
            assert found.sign_in(name).status_code == 303
        return found

    return opened
