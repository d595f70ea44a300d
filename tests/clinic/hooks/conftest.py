"""A clinic on a small bundle, and callers who sign as a record system does."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.clinic.hooks.calls import BASE, OTHER, Clock, Ehr, House, labs_bundle

from consilience.clinic import Clinic, ClinicSettings, rules
from consilience.clinic.hooks import HookSettings, hooks_router


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved bundle."""
    return labs_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="session", autouse=True)
def rules_read_once() -> Iterator[None]:
    """Read the shipped rules once for all clinics: they are frozen, and many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "load_rules", functools.cache(rules.load_rules))
        yield


@pytest.fixture
def clock() -> Clock:
    """A clock to set."""
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, bundle: Path, clock: Clock) -> Iterator[Callable[..., House]]:
    """What opens a clinic with settings of one's own."""
    opened: list[Clinic] = []

    def opening(hooks: HookSettings | None = None, **settings: Any) -> House:
        ehr, other = Ehr(clock=clock), Ehr(OTHER, clock=clock)
        issuers = {}
        for number, one in enumerate((ehr, other)):
            path = tmp_path / f"keys-{number}.json"
            path.write_text(json.dumps(one.keys()), encoding="utf-8")
            issuers[one.issuer] = str(path)
        given = {
            "bundle": bundle,
            "database": f"sqlite:///{tmp_path}/clinic.db",
            "audience": BASE,
            "issuers": issuers,
            "budget": 20.0,
            "now": clock,
        }
        clinic = Clinic(ClinicSettings(**given | settings))
        opened.append(clinic)
        app = FastAPI()
        app.include_router(hooks_router(clinic, hooks))
        client = TestClient(app, base_url=BASE, raise_server_exceptions=False)
        return House(clinic, client, ehr, other, clock)

    yield opening
    for clinic in opened:
        clinic.close()


@pytest.fixture
def house(opened: Callable[..., House]) -> House:
    """A clinic."""
    return opened()
