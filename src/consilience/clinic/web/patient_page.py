"""One patient: who, how high, how sure, why, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid5

from starlette.responses import Response

from consilience.clinic.hooks.cards import MODEL_RULE, OVERRIDE_REASONS
from consilience.clinic.store import Answer, PatientRecord
from consilience.clinic.web.drawing import Bar, Trend, bars, trend
from consilience.clinic.web.refusals import Refused
from consilience.clinic.web.roles import Permission
from consilience.clinic.web.visit import Page, Visit
from consilience.clinic.web.wording import Labels, feature, number
from consilience.clinic.web.worklist import most_urgent
from consilience.records import Advice, Assessment, MissingTest, Option, Unmapped
from consilience.trust.options import WARNING

SHOWN_IN_SHORT = 3
SHOWN_AT_ONCE = 3
WORTH = 0.01  # expected change of a probability that is worth a test
REASONS = (*OVERRIDE_REASONS.values(), "Another reason")
_CARDS = UUID("4c1e9a3a-6f0e-4f57-9f2f-0f6b5a1f8b3d")


@dataclass(frozen=True)
class AdviceShown:
    """One piece of advice with what was answered to it.

    Attributes
    ----------
    advice : Advice
    card : str
        What an answer names.
    answers : tuple of Answer
        To this rule, the newest last.
    answered : bool
        Whether one is to this very card.
    """

    advice: Advice
    card: str
    answers: tuple[Answer, ...]
    answered: bool


@dataclass(frozen=True)
class PatientShown:
    """What the page of a patient shows."""

    identity: str
    assessment: Assessment | None
    notices: tuple[str, ...]
    history: tuple[Assessment, ...]
    advice: tuple[AdviceShown, ...]
    own_card: str
    own_answers: tuple[Answer, ...]
    labels: Labels
    reasons: tuple[str, ...] = REASONS
    warning_of_options: str = WARNING

    @property
    def first(self) -> int:
        """How many pieces of advice are open to the eye: what is urgent, and three at least."""
        urgent = sum(one.advice.urgency != "info" for one in self.advice)
        return max(urgent, SHOWN_AT_ONCE)

    @property
    def bars(self) -> tuple[Bar, ...]:
        """What moved the number, the longest bar first."""
        return self._bars(of_features=True)

    @property
    def modality_bars(self) -> tuple[Bar, ...]:
        """The same of each modality as a whole."""
        return self._bars(of_features=False)

    def _bars(self, *, of_features: bool) -> tuple[Bar, ...]:
        why = None if self.assessment is None else self.assessment.explanation
        parts = [
            p for p in (why.contributions if why else ()) if (p.feature is None) != of_features
        ]
        moving = [part for part in parts if f"{part.effect:.2f}" not in ("0.00", "-0.00")]
        return bars(sorted(moving, key=lambda part: -abs(part.effect)))

    @property
    def still(self) -> list[str]:
        """What is looked at and hardly moves the number, the first ten."""
        why = None if self.assessment is None else self.assessment.explanation
        moving = {bar.part for bar in self.bars}
        parts = [p for p in (why.contributions if why else ()) if p.feature is not None]
        rest = [
            f"{feature(p, self.labels)} {p.value or ''}".strip() for p in parts if p not in moving
        ]
        return [*rest[:10], f"{len(rest) - 10} more"] if len(rest) > 10 else rest

    @property
    def summary(self) -> str:
        """What raises and what lowers the number most, in one line."""
        said = []
        for raises, verb in ((True, "Raised by"), (False, "Lowered by")):
            names = [feature(bar.part, self.labels) for bar in self.bars if bar.raises is raises]
            if names:
                said.append(f"{verb} {', '.join(names[:SHOWN_IN_SHORT])}.")
        return " ".join(said)

    @property
    def probability(self) -> bool:
        """Whether the number is a probability, which can be drawn from 0 to 100 %."""
        said = None if self.assessment is None else self.assessment.prediction
        return said is None or said.kind != "continuous"

    @property
    def trend(self) -> Trend | None:
        """How the number went."""
        return trend(self.history) if self.history else None

    @property
    def options(self) -> dict[str, list[Option]]:
        """What the model answers under each treatment, by what is chosen."""
        found: dict[str, list[Option]] = {}
        for one in () if self.assessment is None else self.assessment.options:
            found.setdefault(feature(one, self.labels), []).append(one)
        return found

    @property
    def lacking(self) -> list[Unmapped]:
        """What the model asks for and could not read."""
        return [one for one in self._unmapped if one.asked]

    @property
    def unasked(self) -> list[Unmapped]:
        """What the model has no use for, which must not bury what it lacks."""
        return [one for one in self._unmapped if not one.asked]

    @property
    def _unmapped(self) -> tuple[Unmapped, ...]:
        return () if self.assessment is None else self.assessment.unmapped

    @property
    def costs(self) -> bool:
        """Whether the cost of any missing test is known."""
        return self.assessment is not None and any(
            t.cost is not None for t in self.assessment.missing
        )

    @property
    def worth(self) -> bool:
        """Whether any missing test is expected to move the number; of values, nobody can say."""
        tests = () if self.assessment is None else self.assessment.missing
        return not self.probability or any(test.change >= WORTH for test in tests)

    def change(self, test: MissingTest) -> str:
        """Return by how much a result is expected to move the number."""
        if self.assessment is None:
            return ""
        if self.probability:
            return f"± {100 * test.change:.1f} points"
        return f"± {number(test.change, self.assessment)}"


def card_of(tenant: str, assessment: Assessment, rule: str) -> str:
    """Return what an answer to one thing said in one assessment names, always the same."""
    said = (tenant, assessment.patient, assessment.model, assessment.at, rule)
    return str(uuid5(_CARDS, "\x1f".join(said)))


def identity(fhir: dict[str, Any], today: date) -> str:
    """Return sex, age and birth date as the record has them."""
    entries = (entry.get("resource", {}) for entry in fhir.get("entry", ()))
    person: dict[str, Any] = next(
        (one for one in entries if one.get("resourceType") == "Patient"), {}
    )
    said = [str(person["gender"])] if person.get("gender") else []
    try:
        born = date.fromisoformat(str(person.get("birthDate", "")))
    except ValueError:
        return ", ".join(said)
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return ", ".join([*said, f"{years} years", f"born {born.day} {born:%b %Y}"])


def shown(visit: Visit, record: PatientRecord) -> PatientShown:
    """Return all that is known of a patient, from what is kept."""
    store = visit.clinic.store
    history = store.assessments.history(visit.tenant, record.patient)
    answers = store.answers.of(visit.tenant, record.patient)
    newest = history[-1] if history else None
    advice: list[AdviceShown] = []
    own_card, own_answers = "", tuple[Answer, ...]()
    if newest is not None:
        for one in most_urgent(newest.advice):
            card = card_of(visit.tenant, newest, one.rule)
            mine = _to(answers, one.rule)
            advice.append(AdviceShown(one, card, mine, any(a.card == card for a in mine)))
        own_card = card_of(visit.tenant, newest, MODEL_RULE)
        own_answers = _to(answers, MODEL_RULE)
    return PatientShown(
        identity=identity(record.fhir, visit.now.date()),
        assessment=newest,
        notices=_notices(visit, record, newest),
        history=tuple(history),
        advice=tuple(advice),
        own_card=own_card,
        own_answers=own_answers,
        labels=visit.labels,
    )


def _to(answers: Sequence[Answer], rule: str) -> tuple[Answer, ...]:
    """Return the answers to a rule, whatever its version, the last three."""
    name = rule.partition(" ")[0]
    return tuple(one for one in answers if one.rule.partition(" ")[0] == name)[-3:]


def _notices(visit: Visit, record: PatientRecord, newest: Assessment | None) -> tuple[str, ...]:
    """Return why what is shown may be out of date."""
    if newest is None:
        return ()
    said = []
    if newest.model != visit.clinic.served().fingerprint:
        said.append("This was said by an earlier model than the one now served. Assess again.")
    if datetime.fromisoformat(record.at) > datetime.fromisoformat(newest.at):
        said.append("The record has changed since. Assess again.")
    return tuple(said)


def patient(visit: Visit) -> Response:
    """Show a patient; that he was shown is written down before."""
    record = visit.patient()
    found = shown(visit, record)
    said = found.assessment
    visit.note(
        "patient shown",
        record,
        model=None if said is None else said.model,
        assessed=None if said is None else said.at,
        number=None if said is None else said.number,
        rules=[one.advice.rule for one in found.advice],
    )
    return visit.page("patient", record=record, found=found)


def assess(visit: Visit) -> Response:
    """Assess a patient from the record that is kept, with the model now served."""
    record = visit.patient()
    visit.clinic.consult(visit.tenant, visit.who.name, record.fhir)
    return visit.go(f"/patients/{record.key}")


def answer(visit: Visit) -> Response:
    """Keep what a clinician answers to a piece of advice, or to the number itself.

    Raises
    ------
    Refused
        If it is not said to what, how, or why.
    """
    record = visit.patient()
    newest = visit.clinic.store.assessments.newest(visit.tenant, record.patient)
    rule = _rule(visit, newest, visit.form.text("card"))
    outcome = visit.form.text("outcome")
    if outcome not in ("accepted", "overridden"):
        raise Refused("Say whether you accept the advice or override it.")
    reason = _reason(visit) if outcome == "overridden" else ""
    model = "" if newest is None else newest.model
    kept = Answer(
        tenant=visit.tenant,
        patient=record.patient,
        card=visit.form.text("card"),
        rule=rule,
        outcome="accepted" if outcome == "accepted" else "overridden",
        reason=reason,
        by=visit.who.name,
        at=visit.clinic.now(),
        model=model,
    )
    visit.clinic.store.answers.keep(kept)
    visit.note(f"advice {outcome}", record, model=model, rule=rule, reason=reason, card=kept.card)
    return visit.go(f"/patients/{record.key}")


def _rule(visit: Visit, newest: Assessment | None, card: str) -> str:
    """Return the rule that a card of the newest assessment shows."""
    if newest is not None:
        rules = [*(one.rule for one in newest.advice), MODEL_RULE]
        for rule in rules:
            if card_of(visit.tenant, newest, rule) == card:
                return rule
    raise Refused(
        "The patient was assessed again since this page was opened, and the advice may be "
        "another. Open the patient again and answer what is said now.",
        status=409,
        title="Look again",
    )


def _reason(visit: Visit) -> str:
    """Return why advice is overridden."""
    reason, words = visit.form.text("reason"), visit.form.text("words", longest=400)
    if reason not in REASONS:
        raise Refused("Choose why you override the advice.")
    if reason == REASONS[-1] and not words:
        raise Refused("Say in your words why you override the advice.")
    return f"{reason}: {words}" if words else reason


PAGES = (
    Page("GET", "/patients/{key}", patient, Permission.PATIENTS),
    Page("POST", "/patients/{key}/assess", assess, Permission.PATIENTS),
    Page("POST", "/patients/{key}/answers", answer, Permission.PATIENTS),
)
