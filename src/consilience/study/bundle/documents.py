"""What lies in a bundle beside the model: manifest, calibration, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import Field

from consilience.cohort import Cohort
from consilience.study.finding import CandidateFinding, Finding
from consilience.study.part import Part
from consilience.study.versions import versions

FORMAT = 1


class Manifest(Part):
    """What a bundle is and which files it has.

    `files` holds the SHA-256 of every other file; it shows damage, not who wrote it.
    """

    format: int = FORMAT
    name: str
    outcome: str
    kind: Literal["binary", "multiclass", "continuous", "survival"]
    unit: str = ""
    candidate: str
    created: str
    horizons: tuple[float, ...] = Field((), description="times at which survival is told")
    horizon: float | None = Field(None, description="the study's own among them, if it had one")
    beyond_the_list: tuple[str, ...] = Field(
        (), description="types that whoever loads the model has to vouch for"
    )
    keeps_patients: bool = Field(
        False, description="whether the model holds measurements of training patients"
    )
    files: dict[str, str]


class Measure(Part):
    """One number for how good, or how well calibrated, on held-out patients."""

    name: str
    estimate: float | None
    low: float | None = None
    high: float | None = None


class Calibration(Part):
    """How far the model's numbers can be taken at their word.

    Parameters
    ----------
    measures : tuple of Measure
        On held-out patients.
    patients : int, optional
        How many.
    recalibration : str, optional
        What was applied to the model's output, in words; None: nothing.
    note : str
        Where the numbers are from.
    """

    measures: tuple[Measure, ...] = ()
    patients: int | None = None
    recalibration: str | None = None
    note: str = "The model was not judged on held-out patients."

    @classmethod
    def of(cls, finding: Finding, candidate: str) -> Self:
        """Return what a study found of a candidate; empty if it does not name it."""
        found = candidate_in(finding, candidate)
        if found is None:
            return cls()
        measures = tuple(
            Measure(name=name, estimate=one.estimate, low=one.low, high=one.high)
            for name, one in found.others.items()
            if "calibration" in name or "brier" in name or name == "log_loss"
        )
        note = (
            "Cross-validated in the study: each patient judged by a model that never saw him. "
            "The model here was refitted on all of them."
        )
        return cls(measures=measures, patients=finding.cohort.analysed, note=note)


class BundleProvenance(Part):
    """What the model was made from."""

    data_fingerprint: str
    patients: int
    created: str
    seed: int | None = None
    versions: dict[str, str]
    study: dict[str, Any] = Field({}, description="its settings, as in study.toml")

    @classmethod
    def of(cls, cohort: Cohort, finding: Finding | None) -> Self:
        """Return it from the study's, or from the cohort and what is installed."""
        if finding is None:
            from consilience.cohort import fingerprint

            return cls(
                data_fingerprint=fingerprint(cohort),
                patients=len(cohort),
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                versions=dict(versions()),
            )
        known = finding.provenance
        return cls(
            data_fingerprint=finding.cohort.fingerprint,
            patients=len(cohort),
            created=known.created,
            seed=known.seed,
            versions=known.versions,
            study=known.study,
        )


def candidate_in(finding: Finding, name: str) -> CandidateFinding | None:
    """Return a candidate of a finding, None if it has no such."""
    found: Mapping[str, CandidateFinding] = {one.name: one for one in finding.candidates}
    return found.get(name)
