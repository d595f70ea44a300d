"""Something to look at: a bundle of the embedded cohort, and patients who never lived."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consilience.clinic.clinic import Clinic, ClinicSettings
from consilience.clinic.fhir import synthetic_patients
from consilience.clinic.first_user import with_one_time_password
from consilience.errors import InputError
from consilience.study.bundle import Bundle
from consilience.study.progress import Progress, silent

SEED = 20_26
TENANT = "local"


def demo_bundle(out: Path, progress: Progress = silent) -> Path:
    """Return the folder of a bundle of the embedded cohort; a short study makes it once.

    Parameters
    ----------
    out : Path
        Folder of the study.
    progress : callable
        As for `Study.run`.
    """
    from consilience.study.demo import short_demo_study

    if not (out / "finding.json").exists():
        short_demo_study().run(out, resume=out.exists(), progress=progress)
    return out / "bundle"


def demo_clinic(
    out: Path, *, patients: int, address: str, progress: Progress = silent
) -> tuple[Clinic, str]:
    """Return decision support on invented patients, and the password of its user.

    Raises
    ------
    InputError
        If something else is in the folder.
    """
    study, database = out / "study", out / "clinic.db"
    if out.exists() and not (study.exists() or not any(out.iterdir())):
        raise InputError(f"--out {out}: something else is there; choose another folder.")
    bundle = demo_bundle(study, progress)
    for old in out.glob("clinic.db*"):  # everybody in it was invented, and is again
        old.unlink()
    settings = ClinicSettings(
        bundle=bundle,
        database=f"sqlite:///{database}",
        audience=address,
        open_hooks=True,
    )
    clinic = Clinic(settings)
    served = clinic.served().bundle
    for fhir in synthetic_patients(
        served.schema, patients, seed=SEED, now=settings.now(), like=served.background
    ):
        clinic.consult(TENANT, "demo", fhir)
    told = with_one_time_password(clinic.store, "demo", "administrator", TENANT, lasting=True)
    return clinic, told.password


def write_example(bundle: Path, out: Path, *, seed: int = 0) -> tuple[Path, ...]:
    """Write an invented patient, and a request of the hook patient-view about him.

    Raises
    ------
    InputError
        If files of these names are there, or the folder is none.
    """
    known = Bundle.load(bundle)
    now = datetime.now(UTC)
    fhir = synthetic_patients(known.schema, 1, seed=seed, now=now, like=known.background)[0]
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: a file is there; name a folder.")
    paths = (out / "patient.json", out / "request.json")
    for path in paths:
        if path.exists():
            raise InputError(f"{path}: a file is there already; choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    for path, content in zip(paths, (fhir, example_request(fhir)), strict=True):
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return paths


def example_request(fhir: dict[str, Any]) -> dict[str, Any]:
    """Return a request of the hook patient-view with the patient's resources as prefetch."""
    from consilience.clinic.hooks.prefetch import prefetched

    resources = [entry["resource"] for entry in fhir["entry"]]
    patient = next(one for one in resources if one["resourceType"] == "Patient")
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/example", "patientId": patient["id"]},
        "prefetch": prefetched(resources),
    }
