"""A folder of FHIR files: a Bundle a file, or a bulk export with one resource a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consilience.clinic.fhir.elements import words
from consilience.clinic.fhir.resources import FhirBundle, Limits, read_bundle
from consilience.errors import InputError

Json = dict[str, Any]
Refuse = Callable[[str, str], None]  # is given a file and why something of it is left out


def records_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the Bundles (.json) and the files of a bulk export (.ndjson) of a folder.

    Raises
    ------
    InputError
        If there is no such folder, or none of either in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    bundles, lines = (sorted(folder.rglob(f"*.{ending}")) for ending in ("json", "ndjson"))
    if not bundles and not lines:
        raise InputError(f"{folder}: it holds no .json or .ndjson file of FHIR.")
    return bundles, lines


def bundle_in(path: Path, limits: Limits = Limits()) -> FhirBundle:  # noqa: B008
    """Return the patient of a file.

    Raises
    ------
    InputError
        Naming the file.
    """
    try:
        if path.stat().st_size > limits.bytes:
            raise InputError(f"{path.name}: it is larger than {limits.bytes / 1e6:g} MB.")
        data = path.read_bytes()
    except OSError as reason:
        raise InputError(f"{path.name}: it cannot be read ({reason.strerror}).") from reason
    return read_bundle(data, source=path.name, limits=limits)


@dataclass
class Export:
    """The resources of a bulk export, by patient.

    Attributes
    ----------
    by_patient : dict
        Patient id to his resources.
    medications : dict
        Medication by reference: they have no patient, and go to who refers to them.
    """

    by_patient: dict[str, list[Json]] = field(default_factory=dict)
    medications: dict[str, Json] = field(default_factory=dict)

    def read(self, path: Path, refuse: Refuse) -> None:
        """Add a file, one resource a line; lines that are none are refused one by one."""
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if line.strip():
                        self._add(line, f"{path.name}, line {number}", refuse)
        except OSError as reason:
            refuse(path.name, f"it cannot be read ({reason.strerror}).")

    def _add(self, line: bytes, where: str, refuse: Refuse) -> None:
        try:
            resource = json.loads(line)
        except (ValueError, RecursionError):
            refuse(where, "it is not JSON.")
            return
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            refuse(where, "it is no FHIR resource.")
            return
        if resource["resourceType"] == "Medication":
            self.medications[f"Medication/{resource.get('id')}"] = resource
            return
        patient = _patient_of(resource)
        if patient:
            self.by_patient.setdefault(patient, []).append(resource)
        else:
            refuse(where, "it is not of a patient.")

    def bundles(self, refuse: Refuse) -> Iterator[FhirBundle]:
        """Give each patient's record."""
        for patient, resources in self.by_patient.items():
            asked = {_medication(one) for one in resources}
            also = [self.medications[name] for name in asked if name in self.medications]
            try:
                yield read_bundle([*resources, *also], source=f"Patient/{patient}")
            except InputError as reason:
                refuse("bulk export", str(reason))


def _patient_of(resource: Json) -> str:
    if resource["resourceType"] == "Patient":
        return words(resource.get("id"))
    subject = resource.get("subject", resource.get("patient"))
    address = words(subject.get("reference")) if isinstance(subject, dict) else ""
    before, _, own = address.partition("/_history/")[0].rpartition("/")
    return own if before.rpartition("/")[2] == "Patient" else ""


def _medication(resource: Json) -> str:
    reference = resource.get("medicationReference")
    return words(reference.get("reference")) if isinstance(reference, dict) else ""
