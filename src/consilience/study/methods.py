"""How a study was done, as the paragraph a paper would print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from consilience.study.finding import Finding

Splitting: TypeAlias = Literal["stratified", "grouped", "leave one site out"]


@dataclass(frozen=True)
class Design:
    """What the methods paragraph and the checklist need to know of the protocol.

    Attributes
    ----------
    splitting : {"stratified", "grouped", "leave one site out"}
        How patients were assigned to the outer folds.
    folds, repeats : int
        Outer folds, and how often they were drawn anew.
    inner_folds : int
        Folds in which settings were tuned inside a training set; 0 if nothing was tuned.
    by : str, optional
        The column that groups patients, or that names the site.
    resamples : int
        Bootstrap resamples behind each interval; 0 if none.
    level : float
        Level of the intervals.
    permutations : int
        How often each modality and feature was shuffled for its importance.
    """

    splitting: Splitting
    folds: int
    repeats: int
    inner_folds: int = 0
    by: str | None = None
    resamples: int = 2000
    level: float = 0.95
    permutations: int = 0

    @property
    def splits(self) -> str:
        """How patients were split, as a clause."""
        times = "once" if self.repeats == 1 else f"{self.repeats} times"
        if self.splitting == "leave one site out":
            return f"leaving out one {self.by or 'site'} at a time ({self.folds} in all)"
        kept = f", all patients of one {self.by} in the same fold" if self.by else ""
        return f"{self.folds}-fold cross-validation, stratified by the outcome{kept}, drawn {times}"


def methods_paragraph(finding: Finding, design: Design) -> str:
    """Return the methods as plain text, from the settings, the versions and the seed.

    Parameters
    ----------
    finding : Finding
        Its own `methods` is not read and may be empty.
    design : Design
    """
    return " ".join(
        sentence
        for sentence in (
            _population(finding),
            _candidates(finding),
            _validation(finding, design),
            _measures(finding, design),
            _missing(finding),
            _further(finding, design),
            _software(finding),
        )
        if sentence
    )


def enumerate_words(words: Iterable[str]) -> str:
    """Return 'a', 'a and b' or 'a, b and c'."""
    *before, last = list(words) or ["none"]
    return f"{', '.join(before)} and {last}" if before else last


def events_clause(finding: Finding) -> str:
    """Return how many had the outcome, as a clause that starts with a space, or nothing."""
    cohort = finding.cohort
    if finding.outcome.kind == "survival" and cohort.events is not None:
        return f" ({cohort.events:,} with the event during follow-up)"
    if finding.outcome.kind == "binary" and cohort.events is not None:
        return f" ({cohort.events:,} with the outcome)"
    if cohort.classes:
        each = ", ".join(f"{name}: {patients:,}" for name, patients in cohort.classes.items())
        return f" ({each})"
    return ""


_OUTCOMES = {
    "binary": "a yes-or-no outcome",
    "multiclass": "one of several classes",
    "continuous": "a number",
    "survival": "right-censored time to an event",
}


def _population(finding: Finding) -> str:
    cohort, outcome = finding.cohort, finding.outcome
    unit = f", in {outcome.unit}" if outcome.unit else ""
    sources = enumerate_words(
        f"{modality.name} ({modality.features:,} features, {modality.patients:,} patients)"
        for modality in cohort.modalities
    )
    return (
        f"We predicted {outcome.name} ({_OUTCOMES[outcome.kind]}{unit}) in {cohort.analysed:,} of "
        f"the {cohort.patients:,} patients of the cohort {cohort.name}{events_clause(finding)}. "
        f"Patients were measured by {sources}."
    )


def _candidates(finding: Finding) -> str:
    single = [c.name for c in finding.candidates if c.role == "single"]
    fused = [c.name for c in finding.candidates if c.role == "fused"]
    without = sum(c.role == "leave one out" for c in finding.candidates)
    parts = [f"Each source alone ({enumerate_words(single)})"] if single else []
    parts += [f"models of several sources ({enumerate_words(fused)})"] if fused else []
    parts += [f"{without} models with one source left out"] if without else []
    if not parts:
        return ""
    start = enumerate_words(parts)
    return f"{start[0].upper()}{start[1:]} were compared on the same patients and folds."


def _validation(finding: Finding, design: Design) -> str:
    tuned = (
        f"settings were tuned by {design.inner_folds}-fold cross-validation within the training "
        "patients of each fold"
        if design.inner_folds
        else "no setting was tuned"
    )
    return (
        f"Performance was estimated on held-out patients by {design.splits} "
        f"(seed {finding.provenance.seed}). Imputation, scaling, encoding, feature selection and "
        f"the models themselves were fitted on the training patients alone; {tuned}."
    )


def _measures(finding: Finding, design: Design) -> str:
    others = sorted({name for c in finding.candidates for name in c.others})
    also = f" Also reported: {enumerate_words(name.replace('_', ' ') for name in others)}."
    level = f"{100 * design.level:g}%"
    resampled = (
        f" {level} intervals come from {design.resamples:,} bootstrap resamples of the patients, "
        "stratified by the outcome, with the models held fixed."
        if design.resamples
        else ""
    )
    return (
        f"The primary measure was {finding.metric_label}.{also if others else ''}{resampled} "
        "Differences to the best single source are paired by fold, with the corrected resampled "
        "t-interval of Nadeau and Bengio (2003), which allows for training sets that overlap; "
        "p-values were adjusted over the models of several sources by Holm's method."
    )


def _missing(finding: Finding) -> str:
    return (
        f"Patients without a source stayed in the study: {len(finding.cohort.patterns)} "
        "combinations of sources occurred, each model used what a patient had, and a patient "
        "with none of a model's sources was given the average prediction of its training patients."
    )


def _further(finding: Finding, design: Design) -> str:
    parts = []
    if finding.importance and design.permutations:
        parts.append(
            f"Importance is the loss in {finding.metric_label} when a source or a feature was "
            f"shuffled among held-out patients ({design.permutations} times)."
        )
    if finding.subgroups:
        columns = dict.fromkeys(group.column for group in finding.subgroups)
        parts.append(f"Subgroups were formed by {enumerate_words(columns)}.")
    if finding.checks:
        names = enumerate_words(check.name for check in finding.checks)
        parts.append(f"Checks made: {names}.")
    return " ".join(parts)


def _software(finding: Finding) -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in finding.provenance.versions.items()
    )
    return (
        f"Software: {versions or 'versions not recorded'}. Data fingerprint "
        f"{finding.cohort.fingerprint}; the seed and the data give the same numbers again."
    )
