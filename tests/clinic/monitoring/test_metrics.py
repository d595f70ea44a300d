"""Metrics and health of a service that runs, and nothing of any patient in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from tests.clinic.monitoring.conftest import NOW

from consilience.clinic import Clinic
from consilience.clinic.fhir import synthetic_patients
from consilience.clinic.monitoring.metrics import silence_kind
from consilience.records import Advice, Assessment


@pytest.fixture
def door(clinic: Clinic) -> TestClient:
    """The doors of monitoring."""
    app = FastAPI()
    app.include_router(clinic.monitor.router(clinic))
    return TestClient(app)


def values(door: TestClient) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and labels."""
    families = text_string_to_metric_families(door.get("/metrics").text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def said(**own: object) -> Assessment:
    usual = {"patient": "Secret-7", "bundle": "b", "model": "m", "outcome": "y", "at": "2026-01-31"}
    return Assessment(**usual | own)


def test_answers_are_counted(clinic: Clinic, door: TestClient) -> None:
    advice = Advice(patient="Secret-7", rule="statin 1.0", urgency="warning", sentence="Take one.")
    told = said(number=0.5, advice=(advice, advice))
    reasons = (
        "labs: ldh is 77123 U/L, far outside what the model has seen (1 to 500 U/L).",
        "labs: crp is 77123 mg/L, far outside what the model has seen (1 to 500 mg/L).",
        "too uncertain: none of the 2 classes can be ruled out, even at a level of 80%.",
    )
    clinic.monitor.seen(told, 0.03, "patient-view")
    clinic.monitor.seen(told, 0.3, "patient-view")
    clinic.monitor.seen(said(silent=reasons), 2.0, "page")
    clinic.monitor.failed("patient-view", "refused")
    found = values(door)
    assert found["consilience_answers_total", "patient-view", "told"] == 2
    assert found["consilience_answers_total", "page", "silent"] == 1
    assert found["consilience_answers_total", "patient-view", "refused"] == 1
    assert found["consilience_silences_total", "out of range"] == 1
    assert found["consilience_silences_total", "too uncertain"] == 1
    assert found["consilience_advice_total", "statin 1.0", "warning"] == 4
    assert found["consilience_answer_seconds_bucket", "patient-view", "0.05"] == 1
    assert found["consilience_answer_seconds_bucket", "patient-view", "0.5"] == 2
    assert found["consilience_answer_seconds_sum", "page"] == 2
    served = clinic.served()
    assert found["consilience_bundle_info", "Monitored", served.fingerprint] == 1
    assert "Secret" not in door.get("/metrics").text and "77123" not in door.get("/metrics").text


def test_patients_who_are_asked_about_are_counted(clinic: Clinic, door: TestClient) -> None:
    schema = clinic.served().bundle.schema
    for fhir in synthetic_patients(schema, 3, seed=0, now=NOW):
        clinic.consult("local", "dr", fhir)
    found = values(door)
    answered = [n for (name, *_), n in found.items() if name == "consilience_answers_total"]
    assert sum(answered) == 3
    assert found["consilience_audit_entries_total",] == clinic.audit.head().seq >= 3
    assert clinic.monitor.drift(clinic.served().bundle.reliability.distributions).patients == 3
    assert any(name[0] == "consilience_drift_index" for name in found)


def test_rules_beyond_many_share_a_label(clinic: Clinic, door: TestClient) -> None:
    for i in range(600):
        one = Advice(patient="Secret-7", rule=f"r{i}", urgency="info", sentence="x")
        clinic.monitor.seen(said(number=0.5, advice=(one,)), 0.1, "page")
    found = values(door)
    assert found["consilience_advice_total", "other", "info"] == 100


@pytest.mark.parametrize("kind", ["nothing", "range", "unlike", "sets", "interval", "zone"])
def test_every_silence_of_ours_has_a_kind(kind: str) -> None:
    """Read off the code that is silent, so that a reworded sentence is noticed."""
    from consilience.clinic.served import NOTHING
    from consilience.records import Interval
    from consilience.trust.abstention import Silence

    silence = Silence(zone=(0.4, 0.6))
    made = {
        "nothing": ([NOTHING], "nothing measured"),
        "range": (
            ["labs: ldh is 9, far outside what the model has seen (1 to 5)."],
            "out of range",
        ),
        "unlike": (
            ["labs: taken together its values are unlike those of the 90 patients the model …"],
            "unlike the study's patients",
        ),
        "sets": (silence.of_set(("a", "b"), 2, 0.8), "too uncertain"),
        "interval": (
            silence.of_interval(Interval(low=0, high=9, level=0.8), 1.0, "d"),
            "too uncertain",
        ),
        "zone": (silence.of_number(0.5), "too uncertain"),
    }
    reasons, due = made[kind]
    assert reasons
    assert [silence_kind(reason) for reason in reasons] == [due]
    assert silence_kind("something else") == "other"


def test_silences_of_real_patients_have_a_kind(clinic: Clinic) -> None:
    """A patient far from the study's: what the bundle itself says is sorted."""
    from consilience.cohort import Table, synthetic_cohort

    cohort = synthetic_cohort(300, modalities=2, features=3, seed=0)[0][:1]
    far = {
        name: Table(table.frame * 0 + 1e6, kinds=dict(table.kinds))
        for name, table in cohort.modalities.items()
    }
    silent = (
        clinic.served().assess(type(cohort)(cohort.patients, far), "2026-01-31T08:00:00Z").silent
    )
    assert silent
    assert {silence_kind(reason) for reason in silent} <= {
        "out of range",
        "unlike the study's patients",
        "too uncertain",
    }


def test_health_follows_the_database(clinic: Clinic, door: TestClient, tmp_path: Path) -> None:
    assert door.get("/health/live").json() == {"alive": True}
    ready = door.get("/health/ready")
    assert ready.status_code == 200 and ready.json()["ready"] is True
    assert ready.headers["cache-control"] == "no-store"
    path = tmp_path / "records.db"
    path.rename(tmp_path / "away.db")
    clinic.monitor._state = None  # a second passes
    gone = door.get("/health/ready")
    assert gone.status_code == 503 and gone.json()["database"] is False
    assert door.get("/health/live").status_code == 200
    metrics = door.get("/metrics")
    assert metrics.status_code == 200 and "consilience_audit_entries" not in metrics.text
    (tmp_path / "away.db").rename(path)
    clinic.monitor._state = None
    assert door.get("/health/ready").status_code == 200


def test_many_probes_write_once_a_second(clinic: Clinic, door: TestClient) -> None:
    asked = []
    healthy = clinic.store.healthy

    def counting() -> bool:
        asked.append(1)
        return healthy()

    clinic.store.healthy = counting  # type: ignore[method-assign]
    for _ in range(20):
        assert door.get("/health/ready").status_code == 200
    assert 1 <= len(asked) <= 3
