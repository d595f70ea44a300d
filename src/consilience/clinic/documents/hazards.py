"""What may go wrong with decision support by a model, and what the run knows of each.

The list follows ISO 14971:2019, clauses 5.4 (hazards and hazardous situations) and 7.1
(control), as far as a program can: how severe and how probable a harm is, and whether it
is acceptable, only persons can judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consilience.clinic.documents.facts import Facts, interval


@dataclass(frozen=True)
class Hazard:
    """A row of the table.

    Attributes
    ----------
    what : str
        What may go wrong, and how it comes to that.
    harm : str
        To whom it may lead.
    known : str
        What the run knows of it.
    control : str
        What the software does against it.
    """

    what: str
    harm: str
    known: str
    control: str


def hazards(facts: Facts) -> tuple[Hazard, ...]:
    """Return the hazards that a program can name; persons add those of their own place."""
    return tuple(Hazard(what, harm, known(facts), control) for what, harm, known, control in _ROWS)


def _performance(facts: Facts) -> str:
    if facts.found is None or facts.finding is None:
        return "Not known: the model was not judged in a study, or finding.json was not given."
    label, analysed = facts.finding.metric_label, facts.finding.cohort.analysed
    return (
        f"{label} {interval(facts.found)} on {analysed:,} held-out patients of the same source "
        "(internal validation)."
    )


def _calibration(facts: Facts) -> str:
    measures = facts.bundle.calibration.measures
    if not measures:
        return "Not known: calibration was not measured."
    told = (f"{one.name.replace('_', ' ')} {interval(one)}" for one in measures)
    return f"{'; '.join(told)}. {facts.bundle.calibration.note}"


def _subgroups(facts: Facts) -> str:
    groups = [] if facts.finding is None else facts.finding.subgroups
    if not groups:
        return "Not known: no subgroups were looked at."
    apart = [
        f"{one.column} = {one.group} ({one.patients} patients): {interval(one.score)}"
        for one in groups
        if one.difference_to_rest is not None and _apart(one.difference_to_rest)
    ]
    small = sum(one.small for one in groups)
    told = f"{len(groups)} groups were looked at, {small} of them too small to tell much. "
    none = "None is clearly different from the rest; a difference may be too small to be seen."
    return told + (f"Different from the rest: {'; '.join(apart)}." if apart else none)


def _apart(difference: object) -> bool:
    low, high = getattr(difference, "low", None), getattr(difference, "high", None)
    return low is not None and high is not None and (low > 0 or high < 0)


def _unlike(facts: Facts) -> str:
    known = facts.bundle.reliability
    if not known.patients:
        return (
            "The bundle did not learn when to be silent: such patients get a number with a notice."
        )
    return (
        f"Ranges of {len(known.ranges)} features and the spread of {len(known.supports)} "
        f"modalities were learned from {known.patients:,} held-out patients."
    )


def _uncertain(facts: Facts) -> str:
    found = None if facts.finding is None else facts.finding.reliability
    if found is None:
        return "Not known: coverage and silence were not measured, or finding.json was not given."
    shares = [
        f"{one.coverage:.1%} where {one.level:.0%} was promised"
        for one in found.coverage
        if not one.column
    ]
    share = found.too_uncertain
    silent = "" if share is None else f" {share:.1%} of the patients are too uncertain to be told."
    return f"Measured coverage: {', '.join(shares) or 'not known'}.{silent}"


def _missing(facts: Facts) -> str:
    optional = [m.name for m in facts.bundle.schema.modalities if not m.always_measured]
    told = f"Not measured in every training patient: {', '.join(optional) or 'none'}."
    points = [] if facts.finding is None else facts.finding.robustness
    worst = [
        f"{one.candidate} with {last.removed:.0%} removed: {interval(last.score)}"
        for one in points
        if one.points
        for last in [one.points[-1]]
    ]
    if not worst:
        return f"{told} Scores with measurements taken away were not looked at."
    return f"{told} With measurements taken away: {'; '.join(worst)}."


def _drift(facts: Facts) -> str:
    known = facts.bundle.reliability.distributions
    if known is None or not known.each:
        return "Drift cannot be watched: the bundle holds no distributions of its study."
    return f"{len(known.each)} distributions are watched, {known.unwatched} features are not."


def _mapping(facts: Facts) -> str:
    features = [one for modality in facts.bundle.schema.modalities for one in modality.features]
    coded = sum(bool(one.codes) for one in features)
    unitless = sum(not one.unit and one.levels is None for one in features)
    return (
        f"Of {len(features):,} features {coded} have codes of their own in the schema (others are "
        f"found by a list of common names, or by their own address), and {unitless} numbers have "
        "no unit."
    )


def _rules(facts: Facts) -> str:
    if facts.rules is None:
        return "No rules were given to this document."
    mark = facts.rules.fingerprint[:16]
    return f"{len(facts.rules)} rules, fingerprint `{mark}`, each with a source."


def _checks(facts: Facts) -> str:
    if facts.finding is None:
        return "Not known: finding.json was not given."
    wrong = [one.sentence for one in facts.finding.checks if one.status in ("warning", "failed")]
    skipped = sum(one.status == "not run" for one in facts.finding.checks)
    told = " ".join(wrong) or "No check of the study called for care."
    return f"{told} {skipped} checks were not run."


def _kept(facts: Facts) -> str:
    if facts.bundle.manifest.keeps_patients:
        return "The model holds measurements of training patients: it is patient data itself."
    return "The model holds no training patient's measurements as such."


def _nothing(facts: Facts) -> str:
    return "The run knows nothing of it."


Known = Callable[[Facts], str]
_ROWS: tuple[tuple[str, str, Known, str], ...] = (
    (
        "A number that is too low is told of a patient at high risk.",
        "Treatment, a test or a referral is left out or comes late.",
        _performance,
        "The number comes with its uncertainty and its reasons; the card says that it does not "
        "decide.",
    ),
    (
        "A number that is too high is told of a patient at low risk.",
        "Needless tests or treatment, with their harms; worry.",
        _performance,
        "The same; every card can be overridden with a reason, and overrides are counted.",
    ),
    (
        "Probabilities do not mean what they say.",
        "Decisions by a threshold are wrong for many patients.",
        _calibration,
        "Calibration stands in the model card and on the model page.",
    ),
    (
        "The model is worse for one group of patients.",
        "One group is harmed more often than others.",
        _subgroups,
        "Subgroups stand in the model card; uncertainty is judged within groups where there are "
        "enough patients.",
    ),
    (
        "A patient is unlike those of the study, or a value is out of range.",
        "A number that rests on nothing is acted on.",
        _unlike,
        "No number but the reason, where the bundle learned it; otherwise a notice.",
    ),
    (
        "The model is too uncertain, or silent, and that is read as reassurance.",
        "A patient at risk is not looked at.",
        _uncertain,
        "Silence is said in words with its reason, and never shown as a low number.",
    ),
    (
        "Measurements are missing.",
        "A number that rests on little is acted on.",
        _missing,
        "The page names what it rests on, what is missing, and what is worth measuring.",
    ),
    (
        "Patients, devices or practice change, and the model does not.",
        "The model becomes worse without anybody noticing.",
        _drift,
        "Inputs and answers are compared with the study's each month; administrators get a card.",
    ),
    (
        "A value is taken from the record wrongly: code, unit, time, or patient.",
        "A number of another patient, or of another measurement, is acted on.",
        _mapping,
        "Units are converted by UCUM; what cannot be mapped is listed and never guessed; one "
        "answer is of one patient.",
    ),
    (
        "A rule is wrong, out of date, or not meant for this patient.",
        "Advice against today's guideline is followed.",
        _rules,
        "Every rule has a source, a version, a population and vignettes that are run.",
    ),
    (
        "The study fooled itself: leakage, duplicates, chance.",
        "The model is worse in use than its figures say.",
        _checks,
        "The checks of the study, and their outcome in its report.",
    ),
    (
        "An explanation or a counterfactual is read as a cause, or as a treatment's effect.",
        "A treatment is given because the model would answer otherwise.",
        _nothing,
        "Texts say what the model would answer and never what a treatment would do.",
    ),
    (
        "Users trust the answer more than their own judgement, or are tired of cards.",
        "A wrong answer is followed, or a right one is clicked away.",
        _nothing,
        "No card where there is nothing to say; reasons for every answer; overrides are kept.",
    ),
    (
        "The service is slow or cannot be reached.",
        "Care waits, or goes on without advice that was relied on.",
        _nothing,
        "Answers within a time limit; health endpoints; nothing is told that was not kept.",
    ),
    (
        "Somebody sees or changes what he may not.",
        "Harm from disclosure; decisions on changed data.",
        _kept,
        "Sign-in, roles, tenants, signed tokens; an audit log that is append-only and chained by "
        "hashes.",
    ),
)
