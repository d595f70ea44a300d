"""What a study found, as one document: `finding.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, ValidationError

from consilience.errors import InputError
from consilience.metrics import Interval
from consilience.study.discovered import DiscoveryFound
from consilience.study.part import Part, finite
from consilience.study.reliability_found import ReliabilityFound

SCHEMA_VERSION = 1

Role: TypeAlias = Literal["single", "fused", "leave one out"]
Answer: TypeAlias = Literal["together more", "no gain shown", "together less", "cannot tell"]


class Estimate(Part):
    """A number with its interval; None where it is not defined."""

    estimate: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """Return an interval, None where it is not a number."""
        return cls(
            estimate=finite(interval.estimate),
            low=finite(interval.low),
            high=finite(interval.high),
        )


class Difference(Estimate):
    """A paired difference; positive means better, whichever way the metric points."""

    p_value: float | None = None
    p_adjusted: float | None = Field(
        None,
        description="Holm, over all that were looked at; times the single modalities where worse "
        "than the best of them",
    )
    bootstrap_low: float | None = Field(None, description="patients resampled, models held")
    bootstrap_high: float | None = None


class ModalitySummary(Part):
    """Who was measured by one modality."""

    name: str
    kind: str
    patients: int
    features: int


class Pattern(Part):
    """A combination of modalities and how many patients have exactly it."""

    modalities: list[str]
    patients: int


class Flow(Part):
    """One step from the files to the analysis."""

    step: str
    patients: int
    left_out: int = 0
    reason: str = ""


class CohortSummary(Part):
    """Who was studied."""

    name: str
    fingerprint: str
    patients: int
    analysed: int
    events: int | None = Field(None, description="events or positives among the analysed")
    classes: dict[str, int] | None = None
    modalities: list[ModalitySummary]
    patterns: list[Pattern]
    flow: list[Flow]


class OutcomeSummary(Part):
    """What was predicted."""

    name: str
    kind: Literal["binary", "multiclass", "continuous", "survival"]
    columns: list[str]
    unit: str = ""
    horizon: float | None = Field(None, description="time at which calibration is shown")
    event: str = Field("", description="the column's value that counts: died = 1")


class CandidateFinding(Part):
    """How one candidate did."""

    name: str
    role: Role
    modalities: list[str]
    metric: str
    estimate: float | None
    low: float | None
    high: float | None
    difference_to_best_single: Difference | None
    others: dict[str, Estimate] = Field({}, description="further metrics by name")
    informed: int = Field(description="patients for whom it says more than the prior")
    among_informed: Estimate | None = Field(None, description="the metric on those alone")
    failed: str | None = Field(None, description="why it has no estimate")
    settings: dict[str, Any] = Field({}, description="what was chosen, by fold")
    method: str = Field("", description="the class that brings the modalities together")


class Contribution(Part):
    """What a modality adds when all the others are there."""

    modality: str
    difference: Difference
    hurts: bool


class CheckFinding(Part):
    """One way a study can fool itself, looked into."""

    name: str
    status: Literal["passed", "warning", "failed", "not run"]
    sentence: str
    details: list[dict[str, Any]] = Field([], description="what was looked at")


class SubgroupFinding(Part):
    """Score and calibration in one group of patients, of the candidate the verdict is about."""

    column: str
    group: str
    patients: int
    events: int | None
    score: Estimate
    calibration: Estimate = Field(description="observed over expected, or their difference")
    calibration_of: str = Field("", description="what is compared, and of what")
    difference_to_rest: Difference | None = None
    small: bool


class Importance(Part):
    """How much the metric drops when something is shuffled on held-out patients."""

    modality: str
    feature: str | None
    drop: Estimate


class RobustnessPoint(Part):
    """The score with some of the test patients' measurements removed at random."""

    asked: float = Field(description="share of the measurements that was to be removed")
    removed: float = Field(description="share that was: every patient keeps one")
    score: Estimate
    difference: Estimate | None = Field(
        None, description="to imputation before early fusion, paired; positive is better"
    )


class RobustnessFinding(Part):
    """How one candidate does as measurements go missing; nothing is fitted again."""

    candidate: str
    comparator: bool = Field(description="whether it is imputation before early fusion")
    points: list[RobustnessPoint]
    failed: str | None = None


class ChecklistItem(Part):
    """One item of TRIPOD+AI."""

    item: str
    topic: str
    status: Literal["filled", "for the authors", "not applicable"]
    answer: str


class Verdict(Part):
    """The answer in two sentences, and what it rests on."""

    answer: Answer
    sentence: str
    reliance: str = Field(description="can it be relied on: checks, size, calibration")
    best_single: str | None
    best_fused: str | None
    difference: Difference | None
    for_whom: str = Field(description="subgroups where it differs, in one sentence")


class Provenance(Part):
    """What it takes to get the same numbers again."""

    created: str
    seconds: float
    seed: int
    versions: dict[str, str]
    study: dict[str, Any] = Field(description="the study's settings, as in study.toml")
    fit_seconds: dict[str, float] = Field(
        {}, description="by candidate: mean time of a fold, to fit and to predict"
    )


class Finding(Part):
    """All that a study found.

    `candidates` lists every single modality, the late mean and every other candidate;
    `contributions` what each modality adds to the candidate the verdict is about.
    """

    schema_version: int = SCHEMA_VERSION
    title: str
    metric: str
    metric_label: str
    higher_is_better: bool
    chance: float | None
    outcome: OutcomeSummary
    cohort: CohortSummary
    verdict: Verdict
    candidates: list[CandidateFinding]
    contributions: list[Contribution]
    checks: list[CheckFinding]
    subgroups: list[SubgroupFinding]
    importance: list[Importance]
    discoveries: list[DiscoveryFound] = Field(
        [], description="what the fused candidates found, each fitted on all patients"
    )
    robustness: list[RobustnessFinding] = Field(
        [], description="scores with measurements of the test patients removed"
    )
    reliability: ReliabilityFound | None = Field(
        None, description="when the model in `bundle/` knows; None: too few patients to say"
    )
    bundle: str = Field("", description="the candidate fitted again on all, in `bundle/`")
    methods: str
    checklist: list[ChecklistItem]
    provenance: Provenance

    def candidate(self, name: str) -> CandidateFinding:
        """Return a candidate by name."""
        return next(candidate for candidate in self.candidates if candidate.name == name)

    def to_json(self) -> bytes:
        """Return it as `finding.json` holds it."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it back.

        Raises
        ------
        InputError
            If the file is no finding.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as reason:
            raise InputError(f"{path}: cannot be read ({reason}).") from reason
        except ValidationError as reason:
            first = reason.errors()[0]
            place = ".".join(str(step) for step in first["loc"])
            raise InputError(f"{path}: not a finding: {place}: {first['msg']}.") from reason
