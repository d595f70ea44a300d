"""Logs: lines of JSON, and nothing of any patient in them, whatever goes wrong."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from tests.clinic.monitoring.conftest import NOW

from consilience.clinic import Clinic
from consilience.clinic.demo import example_request
from consilience.clinic.fhir import synthetic_patients
from consilience.clinic.monitoring import log_json


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where logs go, as the service sets it; what was set before comes back."""
    names = ("uvicorn", "uvicorn.error", "uvicorn.access", "consilience")
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in names)]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    stream = io.StringIO()
    log_json(stream)
    yield stream
    logging.captureWarnings(capture=False)
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_own_sentences_are_whole(stream: io.StringIO) -> None:
    logging.getLogger("consilience.clinic").info("%d rules, ü\nnext", 3)
    (line,) = lines(stream)
    assert line["text"] == "3 rules, ü\nnext" and line["level"] == "info"
    assert line["at"].endswith("Z") and stream.getvalue().count("\n") == 1


def test_others_words_are_left_out(stream: io.StringIO) -> None:
    logging.getLogger("sqlalchemy.engine").error("INSERT %s", "Secret")
    logging.getLogger("httpx").warning("GET http://server/Patient/Secret")
    logging.getLogger("uvicorn.error").error("Invalid request %s", "Secret")
    logging.getLogger("uvicorn.access").info('%s "GET %s"', "addr", "/patients?name=Secret")
    logging.getLogger("httpx").info("GET http://server/Patient/Secret")
    warnings.warn("column of Secret", UserWarning, stacklevel=1)
    assert "Secret" not in stream.getvalue()
    assert [line["logger"] for line in lines(stream)][:3] == [
        "sqlalchemy.engine",
        "httpx",
        "uvicorn.error",
    ]
    assert lines(stream)[2]["text"] == "Invalid request %s"


def test_of_an_exception_only_kind_and_places_are_told(stream: io.StringIO) -> None:
    def inner(name: str) -> None:
        raise ValueError(f"no bed for {name}")

    for logger in ("uvicorn.error", "consilience.clinic"):
        try:
            inner("Secret")
        except ValueError:
            logging.getLogger(logger).exception("Exception in ASGI application")
    assert "Secret" not in stream.getvalue()
    for line in lines(stream):
        assert line["exception"] == "ValueError"
        assert line["places"][-1].startswith("test_logs.py:") and "inner" in line["places"][-1]


def test_a_service_that_is_used_and_misused_logs_no_patient(
    clinic: Clinic, stream: io.StringIO, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real application: answers, mistakes, a database that is gone, a defect."""
    from consilience.clinic.application import application

    fhir = synthetic_patients(clinic.served().bundle.schema, 1, seed=0, now=NOW)[0]
    request = example_request(fhir)
    person, own = request["prefetch"]["patient"], request["context"]["patientId"]
    person["name"] = [{"family": "Geheimnis", "given": ["Zebulon"]}]
    other = request | {"context": request["context"] | {"patientId": "Geheimnis"}}
    with TestClient(application(clinic), raise_server_exceptions=False) as door:
        service = door.get("/cds-services").json()["services"][0]["id"]
        place = f"/cds-services/{service}"
        codes = [
            door.post(place, json=request).status_code,
            door.post(place, content='{"Geheimnis": ').status_code,
            door.post(place, json=request | {"hook": "Geheimnis"}).status_code,
            door.post(place, json=other).status_code,
            door.get("/patients/Geheimnis?name=Zebulon").status_code,
            door.post("/upload", data={"name": "Geheimnis"}).status_code,
        ]
        (tmp_path / "records.db").rename(tmp_path / "away.db")
        codes.append(door.post(place, json=request).status_code)
        (tmp_path / "away.db").rename(tmp_path / "records.db")

        def defect(*_: object, **__: object) -> None:
            raise RuntimeError("Geheimnis Zebulon")

        monkeypatch.setattr(clinic, "look", defect)
        monkeypatch.setattr(clinic, "consult", defect)
        codes.append(door.post(place, json=request).status_code)
    assert codes[0] == 200, codes
    assert max(codes) >= 500  # the defect, or the database, was met and logged
    logged = stream.getvalue()
    assert logged
    for secret in ("Geheimnis", "Zebulon", own):
        assert secret not in logged
