"""Record systems that sign their calls, patients, and the calls themselves."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from sklearn.linear_model import LogisticRegression

from consilience.clinic import Clinic
from consilience.clinic.hooks.prefetch import prefetched
from consilience.cohort import Binary, Cohort, Table
from consilience.fusion import EarlyFusion
from consilience.study.bundle import Bundle

BASE = "https://cds.example.org"
ISSUER = "https://ehr.example.org/"
OTHER = "https://other.example.org/"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEW = "/cds-services/consilience-patient-view"
SIGN = "/cds-services/consilience-order-sign"


@dataclass
class Clock:
    """A clock that tests may set."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def move(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@dataclass
class Ehr:
    """A record system with a key of its own."""

    issuer: str = ISSUER
    kid: str = "key-1"
    algorithm: str = "ES384"
    clock: Clock = field(default_factory=Clock)
    key: Any = None

    def __post_init__(self) -> None:
        if self.key is None:
            self.key = ECKey.generate_key("P-384", {"kid": self.kid})

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False) | {"kid": self.kid}]}

    def token(self, path: str, head: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(self.clock().timestamp())
        told = {
            "iss": self.issuer,
            "aud": BASE + path,
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
            **claims,
        }
        told = {name: value for name, value in told.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **(head or {})}
        return jwt.encode(header, told, self.key, algorithms=[header["alg"]])

    def headers(self, path: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(path, **claims)}"}


def labs_bundle(folder: Path, outcome: str = "died", seed: int = 0) -> Path:
    """Save a bundle that reads LDH and CRP."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"ldh": rng.uniform(100, 300, 80), "crp": rng.uniform(0, 10, 80)},
        index=[f"p{i:03d}" for i in range(80)],
    )
    table = Table(frame, units={"ldh": "U/L", "crp": "mg/L"})
    cohort = Cohort(pd.DataFrame(index=frame.index), {"labs": table})
    risk = frame["ldh"] / 100 + rng.normal(0, 0.5, 80)
    model = EarlyFusion(LogisticRegression(max_iter=1000)).fit(cohort, (risk > 2).astype(int))
    Bundle.of(model, cohort, Binary(outcome)).save(folder)
    return folder


@dataclass
class House:
    """A running clinic with its callers."""

    clinic: Clinic
    client: TestClient
    ehr: Ehr
    other: Ehr
    clock: Clock

    def post(self, path: str, content: Any, ehr: Ehr | None = None, **more: Any) -> Any:
        """POST JSON with a fresh token."""
        headers = (ehr or self.ehr).headers(path) | more.pop("headers", {})
        return self.client.post(path, json=content, headers=headers, **more)

    def view(self, content: dict[str, Any] | None = None, ehr: Ehr | None = None) -> Any:
        """Call patient-view."""
        return self.post(VIEW, request() if content is None else content, ehr)


def coded(system: str, code: str, text: str = "") -> dict[str, Any]:
    """Return a CodeableConcept."""
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


def observation(
    number: int, code: str, value: float, unit: str, day: str = "2026-02-20", patient: str = "pat-1"
) -> dict[str, Any]:
    """Return a laboratory result."""
    return {
        "resourceType": "Observation",
        "id": f"obs-{number}",
        "status": "final",
        "code": coded("http://loinc.org", code),
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"{day}T08:00:00Z",
        "valueQuantity": {
            "value": value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def person(patient: str = "pat-1", **more: Any) -> dict[str, Any]:
    """Return a Patient."""
    return {
        "resourceType": "Patient",
        "id": patient,
        "gender": "female",
        "birthDate": "1950-06-01",
        "name": [{"family": "Example", "given": ["Eve"]}],
        **more,
    }


def diabetic(patient: str = "pat-1") -> list[dict[str, Any]]:
    """Return the record of a patient with diabetes and kidney disease: rules have much to say."""
    snomed = "http://snomed.info/sct"
    return [
        person(patient),
        {
            "resourceType": "Condition",
            "id": "con-1",
            "clinicalStatus": coded(
                "http://terminology.hl7.org/CodeSystem/condition-clinical", "active"
            ),
            "code": coded(snomed, "44054006", "Type 2 diabetes"),
            "subject": {"reference": f"Patient/{patient}"},
        },
        observation(1, "14804-9", 250, "U/L", patient=patient),
        observation(2, "1988-5", 4, "mg/L", patient=patient),
        observation(3, "98979-8", 22, "mL/min/{1.73_m2}", patient=patient),
    ]


def metformin(status: str = "draft", patient: str = "pat-1") -> dict[str, Any]:
    """Return a prescription that the kidneys forbid."""
    return {
        "resourceType": "MedicationRequest",
        "id": "draft-1",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": coded(
            "http://www.nlm.nih.gov/research/umls/rxnorm", "6809", "metformin"
        ),
        "subject": {"reference": f"Patient/{patient}"},
    }


def request(
    resources: list[dict[str, Any]] | None = None, hook: str = "patient-view", **more: Any
) -> dict[str, Any]:
    """Return a call with everything prefetched."""
    listed = diabetic() if resources is None else resources
    patient = next(one["id"] for one in listed if one["resourceType"] == "Patient")
    context = {"userId": "Practitioner/dr-1", "patientId": patient, **more.pop("context", {})}
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "prefetch": prefetched(listed),
        **more,
    }


def signing(**context: Any) -> dict[str, Any]:
    """Return a call of order-sign with metformin as a draft."""
    drafts = {"resourceType": "Bundle", "entry": [{"resource": metformin()}]}
    return request(hook="order-sign", context={"draftOrders": drafts, **context})


def rsa() -> RSAKey:
    """Return an RSA key."""
    return RSAKey.generate_key(2048, {"kid": "key-1"})
