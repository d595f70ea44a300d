"""From a patient's record to all that is said of him: the functions behind every door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.clinic.fhir import Mapped, map_patient, read_bundle
from consilience.clinic.served import Served
from consilience.errors import InputError
from consilience.records import Assessment

if TYPE_CHECKING:
    from consilience.clinic.rules import RuleSet

LARGEST_FILE = 64 * 2**20


@dataclass(frozen=True)
class Consultation:
    """What was said of a patient, and from what.

    Attributes
    ----------
    assessment : Assessment
    mapped : Mapped
        What of his record the bundle reads.
    served : Served
        The bundle that said it.
    """

    assessment: Assessment
    mapped: Mapped
    served: Served


def consulted(
    served: Served,
    rules: RuleSet,
    fhir: bytes | str | dict[str, Any],
    *,
    now: datetime,
    hook: str | None = None,
    quick: bool = False,
) -> Consultation:
    """Return what bundle and rules say of the patient of a FHIR Bundle; nothing is kept.

    Parameters
    ----------
    served : Served
    rules : RuleSet
    fhir : bytes, str or dict
        A FHIR R4 Bundle of one patient.
    now : datetime
        With its time zone.
    hook : str, optional
        The hook that asks: rules speak where they are meant to.
    quick : bool
        Leave out what takes long: counterfactuals and what is worth measuring.

    Raises
    ------
    InputError
        If the record cannot be read, or is not of one patient.
    """
    record = read_bundle(fhir)
    mapped = map_patient(record, served.bundle.schema, now=now)
    assessment = served.assess(mapped.cohort, at=stamp(now), quick=quick)
    advice = rules.advise(record.raw, mapped.patient, now=now, hook=hook, assessment=assessment)
    whole = assessment.model_copy(update={"advice": advice, "unmapped": mapped.unmapped})
    return Consultation(whole, mapped, served)


def assessed_file(bundle: Path, patient: Path, rules: tuple[Path, ...] = ()) -> Assessment:
    """Return what is said of the patient in a file; for the command line.

    Raises
    ------
    InputError
        Naming the file.
    """
    from consilience.clinic.rules import load_rules
    from consilience.study.bundle.folder import read_regular

    served, ruleset = Served.load(bundle), load_rules(rules)
    if not patient.is_file():
        raise InputError(f"{patient}: there is no such file.")
    data = read_regular(patient.resolve(), LARGEST_FILE)
    try:
        return consulted(served, ruleset, data, now=datetime.now(UTC)).assessment
    except InputError as reason:
        raise InputError(f"{patient}: {reason}") from reason


def stamp(now: datetime) -> str:
    """Return a time as it is kept: UTC, to the second, with Z."""
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
