"""How a study was done, as the paragraphs a paper would print."""

from __future__ import annotations

from collections.abc import Iterable

from consilience.metrics import metrics_for
from consilience.study.described import described
from consilience.study.finding import Finding
from consilience.study.protocol import Protocol
from consilience.study.robustness import NEIGHBOURS


def methods_paragraph(finding: Finding, protocol: Protocol) -> str:
    """Return the methods as plain text, from the settings, the versions and the seed.

    Paragraphs are parted by an empty line.

    Parameters
    ----------
    finding : Finding
        Its own `methods` is not read and may be empty.
    protocol : Protocol
    """
    parts = (
        (_population(finding), _candidates(finding)),
        (described(finding.candidates),),
        (_validation(finding, protocol), _measures(finding, protocol)),
        (_missing(finding), _further(finding), _software(finding)),
    )
    paragraphs = [" ".join(filter(None, sentences)) for sentences in parts]
    return "\n\n".join(filter(None, paragraphs))


def splits(protocol: Protocol) -> str:
    """Return how patients were split, as a clause."""
    if protocol.leave_out:
        return f"leaving out one {protocol.leave_out} at a time"
    kept = f", all patients of one {protocol.group} in the same fold" if protocol.group else ""
    times = "once" if protocol.repeats == 1 else f"{protocol.repeats} times"
    return f"{protocol.folds}-fold cross-validation, stratified by the outcome{kept}, drawn {times}"


def further_measures(finding: Finding) -> list[str]:
    """Return the measures reported beside the primary one, by their labels."""
    reported = {name for candidate in finding.candidates for name in candidate.others}
    return [metric.label for metric in metrics_for(finding.outcome.kind) if metric.name in reported]


def enumerate_words(words: Iterable[str]) -> str:
    """Return 'a', 'a and b' or 'a, b and c'."""
    *before, last = list(words) or ["none"]
    return f"{', '.join(before)} and {last}" if before else last


def events_clause(finding: Finding) -> str:
    """Return how many had the outcome, as a clause that starts with a space, or nothing."""
    cohort = finding.cohort
    which = f": {finding.outcome.event}" if finding.outcome.event else ""
    if finding.outcome.kind == "survival" and cohort.events is not None:
        return f" ({cohort.events:,} with the event during follow-up{which})"
    if finding.outcome.kind == "binary" and cohort.events is not None:
        return f" ({cohort.events:,} with the outcome{which})"
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


def _validation(finding: Finding, protocol: Protocol) -> str:
    return (
        f"Performance was estimated on held-out patients by {splits(protocol)} "
        f"(seed {finding.provenance.seed}). Imputation, scaling, encoding and the models "
        "themselves were fitted on the training patients alone; settings, where a learner has any "
        f"to choose, were chosen by {protocol.inner_folds}-fold cross-validation within those."
    )


def _measures(finding: Finding, protocol: Protocol) -> str:
    others = further_measures(finding)
    also = f" Also reported: {enumerate_words(others)}." if others else ""
    compared = (
        f"The comparison that counts, of {protocol.primary}, was declared beforehand."
        if protocol.primary
        else "Holm's method adjusted the p-values over the models of several sources."
    )
    compared += (
        " Where a model did worse than the best single source, its p-value was also multiplied by "
        "the number of single sources that the best was chosen from."
    )
    return (
        f"The primary measure was {finding.metric_label}.{also} Measures that rank patients "
        "(concordance, area under a curve, rank correlation) were taken within each test fold and "
        "averaged over folds where a fold is large enough, others over all patients. "
        f"{100 * protocol.level:g}% intervals come from {protocol.bootstrap:,} bootstrap resamples "
        "of the patients, stratified by the outcome, with the models held fixed. Differences to "
        "the best single source are paired; their intervals use the corrected variance over folds "
        "of Nadeau and Bengio (2003), which counts that training sets overlap, and the patient "
        f"bootstrap where most folds have no value. {compared}"
    )


def _missing(finding: Finding) -> str:
    return (
        f"Patients without a source stayed in the study: {len(finding.cohort.patterns)} "
        "combinations of sources occurred, each model used what a patient had, and a patient "
        "with none of a model's sources was given the average prediction of its training patients."
    )


def _further(finding: Finding) -> str:
    parts = []
    if finding.importance:
        parts.append(
            f"Importance is the loss in {finding.metric_label} when a source or a feature was "
            "shuffled among held-out patients."
        )
    parts += _robustness(finding)
    if finding.subgroups:
        columns = dict.fromkeys(group.column for group in finding.subgroups)
        parts.append(f"Subgroups were formed by {enumerate_words(columns)}.")
    made = [check.name for check in finding.checks if check.status != "not run"]
    if made:
        parts.append(f"Checks made: {enumerate_words(made)}.")
    if finding.bundle:
        parts.append(
            f"The candidate {finding.bundle} was fitted again on all patients for use on others."
        )
    return " ".join(parts)


def _robustness(finding: Finding) -> list[str]:
    """Return how it was told what a candidate can do without."""
    removed = next((r.points[1:] for r in finding.robustness if len(r.points) > 1), [])
    if not removed:
        return []
    shares = enumerate_words(f"{100 * point.removed:.0f}%" for point in removed)
    return [
        f"Robustness is the score with {shares} of the measurements (one source of one patient) of "
        "the held-out patients removed at random, the same for all candidates, each patient "
        "keeping at least one; it is compared with early fusion after each missing feature was "
        f"filled with the mean of the {NEIGHBOURS} nearest training patients (k-NN imputation)."
    ]


def _software(finding: Finding) -> str:
    versions = ", ".join(
        f"{name} {version}" for name, version in finding.provenance.versions.items()
    )
    return (
        f"Software: {versions or 'versions not recorded'}. Data fingerprint "
        f"{finding.cohort.fingerprint}; the seed and the data give the same numbers again."
    )
