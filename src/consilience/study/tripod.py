"""The TRIPOD+AI checklist, filled as far as a run knows.

The topics are in our own words.

References
----------
Collins, G. S. et al. (2024). TRIPOD+AI statement: updated guidance for reporting
clinical prediction models that use regression or machine learning methods.
BMJ 385, e078378.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from consilience.study.finding import ChecklistItem, Finding
from consilience.study.methods import enumerate_words, events_clause, further_measures, splits
from consilience.study.protocol import Protocol


@dataclass(frozen=True)
class NotApplicable:
    """Why an item does not apply."""

    reason: str


Answer: TypeAlias = str | NotApplicable | None
"""What the run knows; None where only the authors can say."""


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes
    ----------
    number, topic : str
    hint : str
        What the authors have to write where the run does not know.
    answer : callable, optional
        What the run knows.
    """

    number: str
    topic: str
    hint: str
    answer: Callable[[Finding, Protocol], Answer] | None = None


def checklist(finding: Finding, protocol: Protocol) -> list[ChecklistItem]:
    """Return all items of TRIPOD+AI: what the run knows is filled in, the rest is marked.

    Parameters
    ----------
    finding : Finding
        Its own `checklist` is not read and may be empty.
    protocol : Protocol
    """
    return [_filled(item, finding, protocol) for item in ITEMS]


def _filled(item: Item, finding: Finding, protocol: Protocol) -> ChecklistItem:
    answer = None if item.answer is None else item.answer(finding, protocol)
    if isinstance(answer, NotApplicable):
        return ChecklistItem(
            item=item.number, topic=item.topic, status="not applicable", answer=answer.reason
        )
    if not answer:
        return ChecklistItem(
            item=item.number, topic=item.topic, status="for the authors", answer=item.hint
        )
    return ChecklistItem(item=item.number, topic=item.topic, status="filled", answer=answer)


def _title(finding: Finding, _: Protocol) -> Answer:
    return (
        f"{finding.title}: development and internal validation of models that predict "
        f"{finding.outcome.name}. The authors should add the target population."
    )


def _objectives(finding: Finding, _: Protocol) -> Answer:
    names = enumerate_words(modality.name for modality in finding.cohort.modalities)
    return (
        f"Development and internal validation: to find whether {names} together predict "
        f"{finding.outcome.name} better than the best of them alone."
    )


def _preparation(_: Finding, protocol: Protocol) -> Answer:
    return (
        "Values are imputed, scaled and encoded inside each training set, the same way for all "
        f"patients; what reading left out is counted in the flow of patients. "
        f"Folds: {splits(protocol)}."
    )


def _outcome(finding: Finding, _: Protocol) -> Answer:
    outcome = finding.outcome
    columns = enumerate_words(outcome.columns)
    horizon = "" if outcome.horizon is None else f", shown at {outcome.horizon:g} {outcome.unit}"
    return (
        f"{outcome.name} ({outcome.kind}), read from {columns}{horizon}. The authors should say "
        "how and when it was assessed."
    )


def _candidate_predictors(finding: Finding, _: Protocol) -> Answer:
    features = sum(modality.features for modality in finding.cohort.modalities)
    return (
        f"All {features:,} features of the {len(finding.cohort.modalities)} sources entered; none "
        "was chosen by looking at held-out patients. The authors should say how the features in "
        "the files were chosen."
    )


def _missing_data(finding: Finding, _: Protocol) -> Answer:
    complete = sum(
        pattern.patients
        for pattern in finding.cohort.patterns
        if len(pattern.modalities) == len(finding.cohort.modalities)
    )
    return (
        f"{complete:,} of {finding.cohort.analysed:,} analysed patients have every source. "
        "Patients without a source stayed in; missing values inside a source were imputed within "
        "the training patients."
    )


def _partition(finding: Finding, protocol: Protocol) -> Answer:
    return (
        f"{finding.cohort.analysed:,} patients; {splits(protocol)}; "
        f"seed {finding.provenance.seed}. Each patient is scored by models that never saw "
        "that patient."
    )


def _handling(_: Finding, __: Protocol) -> Answer:
    return (
        "Numbers are standardised and categories one-hot encoded within the training patients, "
        "unless a candidate's settings say otherwise (table of candidates)."
    )


def _models(finding: Finding, protocol: Protocol) -> Answer:
    names = enumerate_words(c.name for c in finding.candidates if c.role != "leave one out")
    return (
        f"Candidates: {names}; settings chosen in {protocol.inner_folds} inner folds; "
        f"internal validation by {splits(protocol)}. Their settings are in finding.json. "
        "The authors should give the rationale."
    )


def _clusters(_: Finding, protocol: Protocol) -> Answer:
    if protocol.leave_out:
        return f"Performance was estimated on one {protocol.leave_out} left out at a time."
    return None


def _performance_measures(finding: Finding, protocol: Protocol) -> Answer:
    measures = enumerate_words([finding.metric_label, *further_measures(finding)])
    return (
        f"{measures}; {100 * protocol.level:g}% intervals from "
        f"{protocol.bootstrap:,} bootstrap resamples of patients; paired differences with the "
        "correction of Nadeau and Bengio; calibration and, for risks, decision curves."
    )


def _no_updating(_: Finding, __: Protocol) -> Answer:
    return NotApplicable("No model was updated after its evaluation.")


def _calculation(_: Finding, __: Protocol) -> Answer:
    return "By the fitted models themselves, on held-out patients (scores.parquet)."


def _imbalance(finding: Finding, _: Protocol) -> Answer:
    if finding.outcome.kind in ("continuous", "survival"):
        return NotApplicable("The outcome has no classes.")
    settings = " ".join(repr(candidate.settings) for candidate in finding.candidates)
    weights = re.findall(r"class_weight\W+(\w+)", settings)
    if set(weights) - {"None"}:
        return None
    return "Patients were neither resampled nor weighted by class."


def _fairness(finding: Finding, _: Protocol) -> Answer:
    if not finding.subgroups:
        return None
    columns = enumerate_words(dict.fromkeys(group.column for group in finding.subgroups))
    return (
        f"Performance and calibration were compared between groups by {columns}; no model was "
        "altered for fairness. The authors should say why these groups."
    )


def _output(finding: Finding, _: Protocol) -> Answer:
    said = {
        "binary": "The probability of the outcome",
        "multiclass": "The probability of each class",
        "continuous": f"A number{f' in {finding.outcome.unit}' if finding.outcome.unit else ''}",
        "survival": "The probability of staying event-free beyond each time, and a risk",
    }[finding.outcome.kind]
    return f"{said}; no threshold was chosen."


def _same_data(_: Finding, __: Protocol) -> Answer:
    return NotApplicable("Development and evaluation use the same cohort, split into folds.")


def _code(finding: Finding, _: Protocol) -> Answer:
    version = finding.provenance.versions.get("consilience")
    if version is None:
        return None
    return (
        f"The analysis is consilience {version} with the settings in study.toml. The authors "
        "should say where these are available."
    )


def _flow(finding: Finding, _: Protocol) -> Answer:
    cohort = finding.cohort
    return (
        f"{cohort.patients:,} patients in the files, {cohort.analysed:,} analysed"
        f"{events_clause(finding)}; see the flow of patients."
    )


def _numbers(finding: Finding, protocol: Protocol) -> Answer:
    return (
        f"{finding.cohort.analysed:,} patients{events_clause(finding)} in the evaluation of every "
        f"candidate; per training set, what is left of them after {splits(protocol)}."
    )


def _specification(_: Finding, __: Protocol) -> Answer:
    return "The refitted model is in the folder bundle, with the schema of its inputs."


def _performance(finding: Finding, _: Protocol) -> Answer:
    groups = f", with {len(finding.subgroups)} subgroups" if finding.subgroups else ""
    return f"All candidates with intervals in this report and in finding.json{groups}."


def _heterogeneity(finding: Finding, protocol: Protocol) -> Answer:
    site = protocol.leave_out or protocol.group
    if site is None or not any(group.column == site for group in finding.subgroups):
        return None
    return f"Performance for each {site} is in the table of subgroups."


def _interpretation(finding: Finding, _: Protocol) -> Answer:
    return (
        f"{finding.verdict.sentence} The authors should set this in the context of earlier studies."
    )


def _limitations(finding: Finding, _: Protocol) -> Answer:
    wrong = [c.name for c in finding.checks if c.status in ("warning", "failed")]
    checks = f" Checks that call for care: {enumerate_words(wrong)}." if wrong else ""
    return (
        f"{finding.verdict.reliance}{checks} Validation was internal. The authors should add what "
        "they know of selection and measurement."
    )


def _poor_input(finding: Finding, __: Protocol) -> Answer:
    shown = " How the score falls as sources go missing is under robustness."
    return (
        "Names, units and ranges of the inputs are checked against the bundle's schema and refused "
        "or warned of; a patient without a source is predicted from the others."
        f"{shown if finding.robustness else ''}"
    )


ITEMS: tuple[Item, ...] = (
    Item("1", "Title: model, population and outcome", "Name them in the title.", _title),
    Item("2", "Abstract", "Write it by the TRIPOD+AI checklist for abstracts."),
    Item(
        "3a", "Clinical context and existing models", "Why a model, and which ones exist already?"
    ),
    Item(
        "3b", "Target population, purpose and users", "For whom, when in their care, used by whom?"
    ),
    Item("3c", "Known health inequalities", "Say which groups are known to fare differently."),
    Item("4", "Objectives", "Say what the study set out to do.", _objectives),
    Item("5a", "Sources of data", "Where the data come from, why, and whom they represent."),
    Item("5b", "Dates of the data", "Start and end of recruitment and of follow-up."),
    Item("6a", "Setting and centres", "Kind, number and places of the centres."),
    Item("6b", "Eligibility", "Who could take part and who could not."),
    Item("6c", "Treatments", "Which treatments were given, and how the analysis handled them."),
    Item("7", "Preparing and checking data", "How data were cleaned and checked.", _preparation),
    Item("8a", "Outcome: definition and time", "How and when it was assessed.", _outcome),
    Item("8b", "Who assessed the outcome", "Their training, if the assessment needs judgement."),
    Item("8c", "Blinding of the outcome", "Whether assessors knew the predictors."),
    Item("9a", "Choice of predictors", "Why these predictors.", _candidate_predictors),
    Item(
        "9b", "Predictors: definition and timing", "How and when each was measured, blinded or not."
    ),
    Item("9c", "Who assessed the predictors", "Their training, if a measurement needs judgement."),
    Item("10", "Sample size", "How it was arrived at, and whether it is enough."),
    Item("11", "Missing data", "How missing data were handled, and why.", _missing_data),
    Item("12a", "How data were split and used", "How data were partitioned.", _partition),
    Item("12b", "How predictors entered the models", "Scaling and transformation.", _handling),
    Item(
        "12c", "Models, tuning and validation", "Kinds of model and how they were built.", _models
    ),
    Item(
        "12d",
        "Differences between clusters",
        "How differences between sites were looked at.",
        _clusters,
    ),
    Item("12e", "Measures of performance", "Measures and plots, and why.", _performance_measures),
    Item("12f", "Updating the model", "Any recalibration after evaluation.", _no_updating),
    Item("12g", "How predictions were calculated", "Formula, code or object.", _calculation),
    Item(
        "13",
        "Class imbalance",
        "What was done about it, why, and how risks were put right.",
        _imbalance,
    ),
    Item("14", "Fairness", "What was done for it, and why.", _fairness),
    Item("15", "What the model puts out", "Probabilities, classes, thresholds.", _output),
    Item("16", "Development against evaluation data", "How they differ.", _same_data),
    Item("17", "Ethical approval", "Which committee approved; consent or waiver."),
    Item("18a", "Funding", "Who paid, and what part they had in the study."),
    Item("18b", "Conflicts of interest", "Declare them for all authors."),
    Item("18c", "Protocol", "Where it can be read, or that there is none."),
    Item("18d", "Registration", "Registry and number, or that it was not registered."),
    Item("18e", "Sharing of data", "Where and how the data can be had."),
    Item("18f", "Sharing of code", "Where the code can be had.", _code),
    Item("19", "Patients and the public", "How they took part, or that they did not."),
    Item("20a", "Flow of participants", "Numbers with and without the outcome; follow-up.", _flow),
    Item("20b", "Characteristics of participants", "A table of them, overall and by centre."),
    Item("20c", "Comparison with development data", "Compare the main predictors.", _same_data),
    Item("21", "Numbers in each analysis", "Participants and events in each.", _numbers),
    Item(
        "22", "Full specification of the model", "All that others need to use it.", _specification
    ),
    Item("23a", "Performance with intervals", "Overall and in key subgroups.", _performance),
    Item("23b", "Performance by cluster", "How it differs between sites.", _heterogeneity),
    Item("24", "Results of updating", "The updated model and how it does.", _no_updating),
    Item("25", "Interpretation", "What it means, fairness included.", _interpretation),
    Item("26", "Limitations", "What limits the study.", _limitations),
    Item(
        "27a", "Poor or missing inputs in use", "How they are recognised and handled.", _poor_input
    ),
    Item("27b", "What users must do and know", "What they handle, and the skill it takes."),
    Item("27c", "Next steps", "What is to be studied next, and where it may apply."),
)
