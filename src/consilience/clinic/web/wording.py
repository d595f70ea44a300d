"""Numbers, times and levels as pages say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeAlias

from markupsafe import Markup, escape

from consilience.records import (
    Assessment,
    Change,
    ClassProbability,
    Contribution,
    MissingTest,
    Option,
)

Labels: TypeAlias = Mapping[tuple[str, str], str]
"""What clinicians call features, by modality and feature."""


@dataclass(frozen=True)
class Badge:
    """A word with a sign and a tone, so that colour is never alone."""

    sign: str
    word: str
    tone: str


LEVELS: Mapping[str | None, Badge] = MappingProxyType(
    {
        "high": Badge("▲", "High risk", "bad"),
        "middle": Badge("◆", "Middle risk", "warning"),
        "low": Badge("▼", "Low risk", "good"),
        None: Badge("○", "Level not known", "neutral"),
    }
)
SILENT = Badge("∅", "No number told", "neutral")
URGENCIES: Mapping[str, Badge] = MappingProxyType(
    {
        "critical": Badge("▲", "Critical", "bad"),
        "warning": Badge("◆", "Warning", "warning"),
        "info": Badge("i", "For information", "neutral"),
    }
)
DOMAINS: Mapping[str, str] = MappingProxyType(
    {
        "management": "Clinical management",
        "prescribing": "Prescribing",
        "prevention": "Prevention",
        "stewardship": "Whole list",
        "model": "Model",
    }
)


def level(assessment: Assessment) -> Badge:
    """Return how high the risk is, or that none is told."""
    return SILENT if assessment.silent else LEVELS[assessment.level]


def urgency(name: str) -> Badge:
    """Return how urgent a piece of advice is."""
    return URGENCIES[name]


def domain(name: str) -> str:
    """Return what kind of rule it is, in words."""
    return DOMAINS[name]


def percent(share: float) -> str:
    """Return a share as a whole percentage; one that rounds to none or all says so."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def number(value: float, assessment: Assessment) -> str:
    """Return a number of an assessment: a percentage, or a value with its unit."""
    said = assessment.prediction
    if said is None or said.kind != "continuous":
        return percent(value)
    return f"{value:.3g} {said.unit}".strip()


def figure(assessment: Assessment) -> str:
    """Return the number that is told; a dash where none is."""
    return "–" if assessment.number is None else number(assessment.number, assessment)


def sure(assessment: Assessment) -> str:
    """Return how sure the number is, in a sentence; empty where nothing is known of it."""
    if assessment.silent:
        return ""
    interval, said = assessment.interval, assessment.prediction
    kind = "" if said is None else said.kind
    if interval is not None:
        share = percent(interval.level)
        unit = f" {said.unit}" if said is not None and said.unit else ""
        event = assessment.outcome if kind == "survival" else ""
        return _range(interval.low, interval.high, share, unit, event)
    named = [f"“{_class(one, assessment)}”" for one in assessment.classes]
    if len(named) == 1:
        return f"Only {named[0]} is likely enough to count with."
    if named:
        return f"Not decided: {', '.join(named[:-1])} and {named[-1]} must be counted with."
    return ""


def differential(assessment: Assessment) -> tuple[ClassProbability, ...]:
    """Return several outcomes by how likely they are; of yes or no the number says it all."""
    said = assessment.prediction
    if assessment.silent or said is None or said.kind != "multiclass":
        return ()
    return tuple(sorted(said.probabilities, key=lambda one: -one.probability))


def _class(label: str, assessment: Assessment) -> str:
    """Return what a class is called: 0 and 1 are an event that does not come, or does."""
    said = assessment.prediction
    if said is None or {part.label for part in said.probabilities} != {"0", "1"}:
        return label
    return assessment.outcome if label == "1" else f"no {assessment.outcome}"


def _range(low: float | None, high: float | None, share: str, unit: str, event: str) -> str:
    """Return a range in words; of a time, until which event."""
    if event and low is not None:
        beyond = "" if high is None else f", no later than {high:,.4g}{unit}"
        return f"In {share} of such patients {event} comes no sooner than {low:,.4g}{unit}{beyond}."
    if low is not None and high is not None:
        return f"{share} of such patients lie between {low:.3g} and {high:.3g}{unit}."
    if low is not None:
        return f"{share} of such patients lie above {low:.3g}{unit}."
    return f"{share} of such patients lie below {high:.3g}{unit}." if high is not None else ""


def effect(value: float) -> str:
    """Return an effect with its sign, a true minus before those that lower."""
    return f"{value:+.2f}".replace("-", "−")


def measured(part: Contribution) -> str:
    """Return what was measured, and what is usual."""
    value = part.value or ("" if part.feature is None else "not measured")
    return f"{value} (usual: {part.usual})" if value and part.usual else value


def feature(
    part: Contribution | MissingTest | Change | Option, labels: Labels | None = None
) -> str:
    """Return what is meant: a feature as clinicians call it, or a modality as a whole."""
    if part.feature is None:
        return part.modality
    return (labels or {}).get((part.modality, part.feature), part.feature)


def sentence(text: str) -> str:
    """Return a text that begins with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def moment(text: str | datetime) -> datetime:
    """Return a time in UTC."""
    at = datetime.fromisoformat(text) if isinstance(text, str) else text
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def when(text: str | datetime) -> Markup:
    """Return a time that people and browsers can read, in UTC."""
    at = moment(text)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    words = f"{at.day} {at:%b %Y}, {at:%H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(stamp, words)


def day(text: str | datetime) -> Markup:
    """Return a time's day alone, for narrow places."""
    at = moment(text)
    return Markup('<span class="nowrap">{}</span>').format(escape(f"{at.day} {at:%b %Y}"))


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "level": level,
        "urgency": urgency,
        "domain": domain,
        "percent": percent,
        "number": number,
        "figure": figure,
        "differential": differential,
        "sure": sure,
        "effect": effect,
        "measured": measured,
        "feature": feature,
        "when": when,
        "day": day,
        "sentence": sentence,
    }
)
"""What templates may call."""
