"""From what is said of a patient to cards: nothing is said here that was not said there."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from consilience.clinic.hooks.markdown import escaped
from consilience.clinic.hooks.summary import shortened
from consilience.clinic.web import wording
from consilience.records import Advice, Assessment, MissingTest
from consilience.trust.options import WARNING

TOPICS = "urn:consilience:topic"
URGENCY = MappingProxyType({"critical": 0, "warning": 1, "info": 2})
MOST_CONTRIBUTIONS = 5
MOST_TESTS = 3
MODEL_RULE = "model"

# HL7's codes for why advice is not followed (CDSiC taxonomy of override reasons, 2025).
REASONS_SYSTEM = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OVERRIDE_REASONS = MappingProxyType(
    {
        "patient-ineligible": "Does not apply to this patient",
        "action-completed": "Already done",
        "patient-contraindication": "Contraindicated for this patient",
        "risk-benefit-ratio": "Risks outweigh benefits for this patient",
        "patient-refuses": "Patient declines",
        "prefers-alternative": "Patient prefers an alternative",
        "does-not-align-latest-evidence": "Not in line with the latest evidence",
        "need-more-info": "More information is needed first",
        "recipient-does-not-trust": "I do not agree",
    }
)

# Codes of a feature, "system|code", by modality and feature (None: the modality).
Codes = Mapping[tuple[str, str | None], Sequence[str]]


@dataclass(frozen=True)
class Card:
    """A card, and what must be remembered of it for its answer.

    Attributes
    ----------
    uuid : str
    rule : str
        By name and version; "model" where the model's number is shown.
    shown : dict
        As it is sent.
    """

    uuid: str
    rule: str
    shown: dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What cards need beside what is said.

    Attributes
    ----------
    page : str
        Absolute address of the patient's page.
    source : str
        The bundle's name, as people read it.
    base : str
        The service's own address.
    tells_number : bool
        Whether the model's number is a card.
    codes : mapping
        How what is missing is ordered.
    offers : callable
        Suggestions of a rule, by its name and version.
    unread : tuple of str
        Parts of the record that were not given.
    new_uuid : callable
        Unguessable ids.
    """

    page: str
    source: str
    base: str
    tells_number: bool = True
    codes: Codes = field(default_factory=dict)
    offers: Callable[[str], list[dict[str, Any]]] = lambda rule: []
    unread: tuple[str, ...] = ()
    new_uuid: Callable[[], str] = lambda: str(uuid.uuid4())


def cards_of(assessment: Assessment, setting: Setting) -> tuple[Card, ...]:
    """Return the cards of an assessment, the most urgent first; none if there is nothing to say.

    A model that is silent has no card: what rules advise stands by itself, and their link
    leads to the page that says why there is no number.

    Parameters
    ----------
    assessment : Assessment
    setting : Setting
    """
    found = [_of_advice(advice, assessment, setting) for advice in assessment.advice]
    if setting.tells_number and assessment.number is not None:
        found.append(_of_model(assessment, setting))
    return tuple(sorted(found, key=lambda card: URGENCY[card.shown["indicator"]]))


def late_card(setting: Setting) -> Card:
    """Return the card that says where an answer will be that takes longer than a hook may."""
    shown = _card(
        setting,
        "The answer for this patient takes longer than usual; open the page to read it.",
        "info",
        detail="It is being computed, and will be on the page in a moment.",
    )
    del shown["overrideReasons"]  # there is nothing yet to agree or disagree with
    return Card(shown["uuid"], "late", shown)


def suggestion_uuid(card: str, position: int) -> str:
    """Return the id of a card's suggestion; it follows from the card's, and need not be kept."""
    return str(uuid.uuid5(uuid.UUID(card), f"suggestion {position}"))


def without_nothing(value: Any) -> Any:
    """Return it without what is empty: the text forbids null, and empty objects and arrays."""
    if isinstance(value, dict):
        kept = {key: without_nothing(part) for key, part in value.items()}
        return {key: part for key, part in kept.items() if part not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [without_nothing(part) for part in value]
    return value


def _of_model(assessment: Assessment, setting: Setting) -> Card:
    says = assessment.says[:1].upper() + assessment.says[1:]
    level = "" if assessment.level is None else f" ({assessment.level} risk)"
    suggestions = [
        _order(test, setting, assessment.patient) for test in assessment.missing[:MOST_TESTS]
    ]
    shown = _card(
        setting,
        f"{says or assessment.outcome}: {wording.figure(assessment)}{level}",
        "warning" if assessment.level == "high" else "info",
        detail=_model_detail(assessment, setting),
        topic=("model", wording.domain("model")),
        suggestions=[one for one in suggestions if one is not None],
    )
    return Card(shown["uuid"], MODEL_RULE, shown)


def _model_detail(assessment: Assessment, setting: Setting) -> str:
    explained = assessment.explanation
    effects = () if explained is None else explained.contributions[:MOST_CONTRIBUTIONS]
    likely = (
        f"{one.label}: {wording.percent(one.probability)}"
        for one in wording.differential(assessment)
    )
    parts = [
        _paragraph(wording.sure(assessment)),
        _listed("How likely each is", likely),
        _listed("What it rests on", (part.sentence for part in effects)),
        _listed("What would change it", (one.sentence for one in assessment.counterfactuals)),
        _listed("Worth measuring", (one.sentence for one in assessment.missing[:MOST_TESTS])),
        _options(assessment),
        _listed("Mind", assessment.warnings),
        _unread(setting),
        _paragraph(
            "A model's number about patients like this one; it does not replace clinical judgement."
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _options(assessment: Assessment) -> str:
    """Return the treatments side by side, never without what must be known of them."""
    told = _listed("Treatments side by side", (one.sentence for one in assessment.options))
    return f"{told}\n\n{_paragraph(WARNING)}" if told else ""


def _of_advice(advice: Advice, assessment: Assessment, setting: Setting) -> Card:
    cited = advice.source
    evidence = () if cited is None else (f"{cited.title}, {cited.organisation}, {cited.year}",)
    strength = () if cited is None or not cited.strength else (cited.strength,)
    parts = [
        _paragraph(advice.sentence),
        _listed("Why", advice.reasons),
        _listed("Evidence", evidence),
        _listed("Strength of the recommendation", strength),
        _listed("No number of the model", assessment.silent),
        _unread(setting),
    ]
    shown = _card(
        setting,
        advice.sentence,
        advice.urgency,
        detail="\n\n".join(part for part in parts if part),
        topic=(advice.domain, wording.domain(advice.domain)),
        label=setting.source if cited is None else f"{cited.organisation}: {cited.title}",
        url=None if cited is None else cited.url,
        suggestions=setting.offers(advice.rule),
    )
    return Card(shown["uuid"], advice.rule, shown)


def _card(
    setting: Setting,
    summary: str,
    indicator: str,
    *,
    detail: str,
    topic: tuple[str, str] = ("model", "Model"),
    **more: Any,
) -> dict[str, Any]:
    """Return a card with all that every card has."""
    own = setting.new_uuid()
    suggestions = [
        {"label": one["label"], "uuid": suggestion_uuid(own, place), "actions": one["actions"]}
        for place, one in enumerate(more.get("suggestions", ()))
    ]
    url = more.get("url") or setting.base
    card = {
        "uuid": own,
        "summary": shortened(summary)
        or "There is advice on this patient; open the page to read it.",
        "indicator": indicator,
        "detail": detail,
        "source": {
            "label": shortened(more.get("label") or setting.source),
            "url": url if urlsplit(url).scheme in ("http", "https") else None,
            "topic": {"system": TOPICS, "code": topic[0], "display": topic[1]},
        },
        "suggestions": suggestions,
        "selectionBehavior": "any" if suggestions else None,
        "overrideReasons": [
            {"system": REASONS_SYSTEM, "code": code, "display": words}
            for code, words in OVERRIDE_REASONS.items()
        ],
        "links": [{"label": "Open in Consilience", "url": setting.page, "type": "absolute"}],
    }
    cleaned: dict[str, Any] = without_nothing(card)
    return cleaned


def _paragraph(text: str) -> str:
    return escaped(text)


def _listed(heading: str, sentences: Iterable[str]) -> str:
    lines = [f"- {escaped(sentence)}" for sentence in sentences if sentence.strip()]
    return "\n".join([f"**{heading}**", "", *lines]) if lines else ""


def _unread(setting: Setting) -> str:
    return _listed("Not given by the record system, and so not considered", setting.unread)


def _order(test: MissingTest, setting: Setting, patient: str) -> dict[str, Any] | None:
    """Return the suggestion to order what is missing, where its code is known."""
    codings = [
        {"system": system, "code": code}
        for system, bar, code in (
            one.partition("|") for one in setting.codes.get((test.modality, test.feature), ())
        )
        if bar and urlsplit(system).scheme in ("http", "https")
    ]
    if not codings:
        return None
    name = test.feature or test.modality
    order = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": codings, "text": name},
    }
    words = f"Order: {name}"
    action = {"type": "create", "description": shortened(words), "resource": order}
    return {"label": shortened(words, 80), "actions": [action]}
