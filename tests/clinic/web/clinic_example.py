"""A clinic to open pages on: a small bundle with clinical names, people, and invented patients."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from consilience.clinic import Clinic, ClinicSettings
from consilience.clinic.store.records import ROLES
from consilience.cohort import Binary, Cohort, Table
from consilience.fusion import EarlyFusion
from consilience.metrics.scores import Probabilities
from consilience.study.bundle import Bundle
from consilience.study.bundle.reliability import Reliability
from consilience.study.bundle.schema import FeatureSchema, Schema
from consilience.trust.number import ProbabilityOf

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PASSWORD = "a long sentence works well"
NOTES: dict[str, dict[str, Any]] = {
    "age": {"label": "Age"},
    "LDH": {"label": "LDH", "reference": (135.0, 225.0), "cost": 4.0},
    "albumin": {"label": "Albumin", "reference": (35.0, 52.0), "cost": 3.0},
    "systolic": {"label": "Systolic blood pressure", "reference": (90, 140), "actionable": True},
    "hemoglobin": {"label": "Haemoglobin", "reference": (12.0, 17.5), "cost": 5.0},
}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def on(self, **by: float) -> None:
        self.at += timedelta(**by)


def cohort(n: int = 240) -> tuple[Cohort, Any]:
    """Return patients whose death depends on age, LDH and albumin."""
    rng = np.random.default_rng(3)
    index = pd.Index([f"s{i}" for i in range(n)], name="patient")
    labs = pd.DataFrame(
        {
            "LDH": rng.normal(260, 70, n).round(),
            "albumin": rng.normal(41, 5, n).round(1),
            "hemoglobin": rng.normal(13.5, 1.6, n).round(1),
        },
        index=index,
    )
    clinical = pd.DataFrame(
        {
            "age": rng.normal(64, 11, n).round(),
            "systolic": rng.normal(136, 16, n).round(),
            "stage": rng.choice(["I", "II", "III"], n),
        },
        index=index,
    )
    raised = 0.09 * (clinical["age"] - 64) + 0.012 * (labs["LDH"] - 260)
    raised += 0.02 * (clinical["systolic"] - 136) - 0.12 * (labs["albumin"] - 41)
    death = rng.random(n) < 1 / (1 + np.exp(-(raised - 0.8)))
    patients = pd.DataFrame({"death": death.astype(int)}, index=index)
    made = Cohort(
        patients,
        {
            "clinical": Table(clinical, units={"age": "years", "systolic": "mmHg"}),
            "labs": Table(labs, units={"LDH": "U/L", "albumin": "g/L", "hemoglobin": "g/dL"}),
        },
    )
    return made, Binary("death")


def write_bundle(folder: Path) -> Path:
    """Write a bundle that knows its reliability, with notes on its features."""

    made, outcome = cohort()
    target = outcome.of(made)
    made, y = target.cohort, target.y
    model = EarlyFusion(LogisticRegression(C=0.5, max_iter=500)).fit(made, y)
    scores = model.scores(made)
    assert isinstance(scores, Probabilities)
    number = ProbabilityOf("probability of death", str(scores.classes[-1]))
    known = Reliability.of([scores], y, number, (), made)
    bundle = replace(Bundle.of(model, made, outcome), reliability=known)
    noted = tuple(
        one.model_copy(update={"features": tuple(_noted(feature) for feature in one.features)})
        for one in bundle.schema.modalities
    )
    schema = Schema(patients=bundle.schema.patients, modalities=noted)
    replace(bundle, schema=schema).save(folder)
    return folder


def _noted(feature: FeatureSchema) -> FeatureSchema:
    return feature.model_copy(update=NOTES.get(feature.name, {}))


def open_clinic(bundle: Path, database: Path, clock: Clock, **more: Any) -> Clinic:
    """Return decision support on a bundle and a database."""
    settings = ClinicSettings(bundle=bundle, database=f"sqlite:///{database}", now=clock, **more)
    return Clinic(settings)


def people(clinic: Clinic) -> None:
    """Add a user of each role in two tenants."""
    for tenant, suffix in (("local", ""), ("other", "-elsewhere")):
        for role in ROLES:
            clinic.store.users.add(role + suffix, PASSWORD, role, tenant)


def record(
    patient: str = "p1",
    name: str = "Ada Example",
    born: str = "1949-05-20",
    at: datetime = NOW,
    **values: float | str,
) -> dict[str, Any]:
    """Return a FHIR Bundle with values of features, named modality__feature."""
    entries: list[dict[str, Any]] = [
        {
            "resource": {
                "resourceType": "Patient",
                "id": patient,
                "name": [{"text": name}],
                "gender": "female",
                **({"birthDate": born} if born else {}),
            }
        }
    ]
    units = {"LDH": "U/L", "albumin": "g/L", "hemoglobin": "g/dL", "systolic": "mm[Hg]"}
    for count, (key, value) in enumerate(values.items()):
        code = key.replace("__", "/")
        unit = units.get(code.partition("/")[2], "")
        quantity = {"value": value, **({"unit": unit} if unit else {})}
        text = isinstance(value, str)
        entries.append(
            {
                "resource": {
                    "resourceType": "Observation",
                    "id": f"o{count}",
                    "status": "final",
                    "code": {"coding": [{"system": "urn:consilience:feature", "code": code}]},
                    "subject": {"reference": f"Patient/{patient}"},
                    "effectiveDateTime": (at - timedelta(days=3)).isoformat(),
                    **({"valueString": value} if text else {"valueQuantity": quantity}),
                }
            }
        )
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


SICK = {
    "clinical__systolic": 168.0,
    "clinical__stage": "III",
    "labs__LDH": 412.0,
    "labs__albumin": 34.0,
}
WELL = {
    "clinical__systolic": 122.0,
    "clinical__stage": "I",
    "labs__LDH": 190.0,
    "labs__albumin": 46.0,
    "labs__hemoglobin": 14.2,
}


def key_of(clinic: Clinic, patient: str, tenant: str = "local") -> str:
    """Return what stands in addresses in place of a patient's id."""
    return clinic.store.patients.get(tenant, patient).key


def as_json(fhir: dict[str, Any]) -> bytes:
    """Return a record as a file holds it."""
    return json.dumps(fhir).encode()
