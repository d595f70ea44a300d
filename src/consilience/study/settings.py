"""A study as a file: `study.toml`, checked key by key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consilience.cohort import (
    Binary,
    Cohort,
    Continuous,
    EventBy,
    Multiclass,
    Outcome,
    Survival,
    Table,
    open_cohort,
)
from consilience.errors import InputError, listing, suggestion
from consilience.study.bundle.annotation import SECTION, FeatureNotes, Notes, mistake_in_notes
from consilience.study.candidates import Candidate
from consilience.study.declaring import declared
from consilience.study.protocol import Protocol
from consilience.study.study import Study

Value: TypeAlias = str | int | float | bool


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)  # as in TOML, so here


class BinarySettings(_Section):
    """Yes or no."""

    kind: Literal["binary"]
    column: str
    label: str = ""
    positive: Value | None = None

    def outcome(self) -> Outcome:
        return Binary(self.column, self.positive, label=self.label)


class MulticlassSettings(_Section):
    """One of several classes."""

    kind: Literal["multiclass"]
    column: str
    label: str = ""

    def outcome(self) -> Outcome:
        return Multiclass(self.column, label=self.label)


class ContinuousSettings(_Section):
    """A number."""

    kind: Literal["continuous"]
    column: str
    label: str = ""

    def outcome(self) -> Outcome:
        return Continuous(self.column, label=self.label)


class SurvivalSettings(_Section):
    """Time to an event."""

    kind: Literal["survival"]
    column: str
    label: str = ""
    time: str
    positive: Value | None = None
    unit: str = "days"

    def outcome(self) -> Outcome:
        return Survival(self.column, self.time, self.positive, self.unit, label=self.label)


class EventBySettings(_Section):
    """Whether the event came by a time."""

    kind: Literal["event by"]
    column: str
    label: str = ""
    time: str
    by: float = Field(gt=0, allow_inf_nan=False)
    positive: Value | None = None
    unit: str = "days"

    def outcome(self) -> Outcome:
        return EventBy(self.column, self.time, self.by, self.positive, self.unit, label=self.label)


OutcomeSettings: TypeAlias = (
    BinarySettings | MulticlassSettings | ContinuousSettings | SurvivalSettings | EventBySettings
)


class SourceSettings(_Section):
    """Which modalities take part, and which columns of the patients make one more."""

    modalities: list[str] | None = None
    patient_columns: list[str] = []


class ProtocolSettings(_Section):
    """As `Protocol`, whose defaults it has."""

    folds: int = Protocol.folds
    repeats: int = Protocol.repeats
    inner_folds: int = Protocol.inner_folds
    seed: int = Protocol.seed
    group: str | None = None
    leave_out: str | None = None
    subgroups: list[str] | None = None
    horizon: float | None = Field(None, gt=0, allow_inf_nan=False)
    primary: str | None = None
    level: float = Protocol.level
    bootstrap: int = Protocol.bootstrap
    permutations: int = Protocol.permutations
    leave_one_out: bool = Protocol.leave_one_out
    importance: bool = Protocol.importance
    discoveries: bool = Protocol.discoveries
    robustness: bool | list[float] = True

    def protocol(self) -> Protocol:
        values = self.model_dump()
        for key in ("subgroups", "robustness"):
            if isinstance(values[key], list):
                values[key] = tuple(values[key])
        return Protocol(**values)


class CandidateSettings(_Section):
    """A fusion method, the learner in it, and what each of them tries on inner folds."""

    name: str = Field(min_length=1)
    method: str
    learner: str | None = None
    options: dict[str, Any] = {}
    tune: dict[str, list[Any]] | None = None  # the learner's settings
    grid: dict[str, list[Any]] | None = None  # the method's own


class BundleSettings(_Section):
    """What goes into the bundle beside the model."""

    background: bool = True  # condensed training patients, to explain against


class StudySettings(_Section):
    """All of `study.toml`."""

    cohort: str
    title: str = ""
    outcome: OutcomeSettings = Field(discriminator="kind")
    sources: SourceSettings = SourceSettings()
    protocol: ProtocolSettings = ProtocolSettings()
    candidates: list[CandidateSettings] | None = None
    bundle: BundleSettings = BundleSettings()
    features: FeatureNotes = {}


def load_study(path: Path) -> Study:
    """Return the study of a file; a cohort's relative path is taken from the file's folder.

    Raises
    ------
    InputError
        Naming the file, the key, and what is allowed there.
    """
    settings = read_settings(path)
    cohort = _with_sources(_open(settings.cohort, path.parent), settings.sources, path)
    outcome, protocol = settings.outcome.outcome(), settings.protocol.protocol()
    own = settings.candidates
    return Study(
        cohort,
        outcome,
        None if own is None else [_candidate(s, outcome, protocol, path) for s in own],
        protocol,
        title=settings.title,
        settings=settings.model_dump(exclude_none=True),
        notes=Notes(settings.features, str(path)),
        background=settings.bundle.background,
    )


def read_settings(path: Path) -> StudySettings:
    """Read and check `study.toml`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as reason:
        raise InputError(
            f"{path}: there is no such file; `consilience study init` makes one."
        ) from reason
    except (OSError, UnicodeDecodeError) as reason:
        raise InputError(f"{path}: cannot be read ({reason}).") from reason
    except tomllib.TOMLDecodeError as reason:
        raise InputError(f"{path}: not valid TOML: {reason}.") from reason
    except RecursionError as reason:
        raise InputError(f"{path}: lists or tables in it are nested too deep.") from reason
    try:
        return StudySettings.model_validate(content)
    except ValidationError as reason:
        raise InputError(f"{path}: {_first_error(reason)}") from reason


def _first_error(reason: ValidationError) -> str:
    """Return the first error as a sentence that names the key and the allowed values."""
    error = reason.errors()[0]
    place = [str(step) for step in error["loc"]]
    if place[:1] == [SECTION]:
        return mistake_in_notes(reason)
    if place[:1] == ["outcome"] and len(place) > 1 and place[1] in _OUTCOMES:
        place.pop(1)  # which form of outcome it is read as, not a key of the file
    key = ".".join(place)
    if error["type"] == "extra_forbidden":
        known = _keys_beside(place)
        hint = suggestion(place[-1], known)
        return f"{key}: there is no such key; allowed: {listing(known, most=30)}.{hint}"
    if error["type"] == "missing":
        return f"{key}: this key is needed."
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{key}.kind: must be one of {listing(_OUTCOMES, most=9)}.{_given(error)}"
    return f"{key}: {error['msg'].lower()}.{_given(error)}"


def _given(error: Any) -> str:
    given = error["input"]
    if isinstance(given, dict):
        given = given.get("kind", "nothing")
    return f" It is {given!r}."


_OUTCOMES: dict[str, type[BaseModel]] = {
    "binary": BinarySettings,
    "multiclass": MulticlassSettings,
    "continuous": ContinuousSettings,
    "survival": SurvivalSettings,
    "event by": EventBySettings,
}
_SECTIONS: dict[str, type[BaseModel]] = {
    "sources": SourceSettings,
    "protocol": ProtocolSettings,
    "candidates": CandidateSettings,
    "bundle": BundleSettings,
}


def _keys_beside(place: list[str]) -> list[str]:
    if len(place) == 1:
        return list(StudySettings.model_fields)
    if place[0] == "outcome":
        return sorted({key for form in _OUTCOMES.values() for key in form.model_fields})
    return list(_SECTIONS[place[0]].model_fields)


def _open(name: str, beside: Path) -> Cohort:
    folder = beside / name
    return open_cohort(str(folder) if folder.is_dir() else name)


def _with_sources(cohort: Cohort, sources: SourceSettings, path: Path) -> Cohort:
    """Return the cohort with the modalities asked for, and one made of patient columns."""
    chosen = cohort if sources.modalities is None else cohort.only(sources.modalities)
    if not sources.patient_columns:
        return chosen
    patients = cohort.patients
    for column in sources.patient_columns:
        if column not in patients.columns:
            raise InputError(
                f"{path}: sources.patient_columns: the patients have no column {column!r}."
                f"{suggestion(column, patients.columns)}"
            )
        if patients[column].dtype.kind in "mM":
            raise InputError(
                f"{path}: sources.patient_columns: {column!r} holds dates or spans of time, from "
                "which nothing is learned; make a number of days of it."
            )
    name = "patients" if "clinical" in chosen.modalities else "clinical"
    known = patients[sources.patient_columns].dropna(how="all")  # the others were not measured
    if not len(known):
        raise InputError(f"{path}: sources.patient_columns: no patient has a value in any of them.")
    return chosen.with_modality(name, Table(known))


def _candidate(
    settings: CandidateSettings, outcome: Outcome, protocol: Protocol, path: Path
) -> Candidate:
    try:
        return declared(settings, outcome.kind, protocol)
    except InputError as reason:
        raise InputError(f"{path}: candidate {settings.name!r}: {reason}") from reason
