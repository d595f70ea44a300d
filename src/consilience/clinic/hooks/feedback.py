"""What a clinician answered to a card, as the record system passes it on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from consilience.clinic.hooks.cards import suggestion_uuid
from consilience.clinic.hooks.refusal import Refusal
from consilience.clinic.hooks.requests import Sent, Text, Uuid
from consilience.clinic.store.records import Answer, Card

MOST = 200  # answers in one call
MOST_SUGGESTIONS = 50


def _in_utc(at: datetime) -> datetime:
    """Return it in UTC; at the ends of the calendar some moments are no time there."""
    try:
        return at.astimezone(UTC)
    except OverflowError as reason:
        raise ValueError("no time in UTC") from reason


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Comment = Annotated[str, StringConstraints(max_length=4000)]


class Coding(Sent):
    """A code."""

    code: Text
    system: Annotated[str, StringConstraints(max_length=512)] | None = None
    display: Annotated[str, StringConstraints(max_length=512)] | None = None


class OverrideReason(Sent):
    """Why a card was not followed."""

    reason: Coding | None = None
    user_comment: Comment | None = None

    def words(self) -> str:
        """Return it as it is kept: the code, and what was written beside it."""
        code = "" if self.reason is None else (self.reason.display or self.reason.code)
        return ": ".join(part for part in (code, self.user_comment) if part)


class AcceptedSuggestion(Sent):
    """One suggestion that was taken."""

    id: Uuid


class Feedback(Sent):
    """The answer to one card."""

    card: Uuid
    outcome: Literal["accepted", "overridden"]
    accepted_suggestions: tuple[AcceptedSuggestion, ...] = Field((), max_length=MOST_SUGGESTIONS)
    override_reason: OverrideReason | None = None
    outcome_timestamp: Moment

    @model_validator(mode="after")
    def _says_what_was_accepted(self) -> Self:
        if self.outcome == "accepted" and not self.accepted_suggestions:
            raise ValueError("accepted, but no suggestion is named")
        return self


class FeedbackCall(Sent):
    """The answers to some cards."""

    feedback: tuple[Feedback, ...] = Field(min_length=1, max_length=MOST)


def answer_of(given: Feedback, card: Card | None, tenant: str, who: str) -> Answer:
    """Return an answer as it is kept.

    Parameters
    ----------
    given : Feedback
    card : Card, optional
        What this tenant was shown under that uuid.
    tenant, who : str

    Raises
    ------
    Refusal
        404 if the tenant was shown no such card, or the card had no such suggestion.
    """
    if card is None:
        raise Refusal(404, "there is no such card; nothing of this call was kept.")
    known = {suggestion_uuid(card.uuid, place) for place in range(MOST_SUGGESTIONS)}
    if not {str(one.id) for one in given.accepted_suggestions} <= known:
        raise Refusal(404, "the card has no such suggestion; nothing of this call was kept.")
    reason = "" if given.override_reason is None else given.override_reason.words()
    return Answer(
        tenant=tenant,
        patient=card.patient,
        card=card.uuid,
        rule=card.rule,
        outcome=given.outcome,
        reason=reason,
        by=who,
        at=_stamp(given.outcome_timestamp),
        model=card.model,
    )


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
