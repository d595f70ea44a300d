"""Answers to cards are kept for cards that this caller was shown, and for no others."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from tests.clinic.hooks.calls import ISSUER, OTHER, VIEW, House

PATH = VIEW + "/feedback"


def shown(house: House) -> dict[str, Any]:
    """Return a card with a suggestion."""
    cards = house.view().json()["cards"]
    return next(card for card in cards if "suggestions" in card)


def overridden(card: str, **more: Any) -> dict[str, Any]:
    return {
        "card": card,
        "outcome": "overridden",
        "outcomeTimestamp": "2026-03-01T12:01:00Z",
        **more,
    }


def accepted(card: dict[str, Any]) -> dict[str, Any]:
    ids = [{"id": one["uuid"]} for one in card["suggestions"]]
    return overridden(card["uuid"], outcome="accepted", acceptedSuggestions=ids)


def send(house: House, *feedback: dict[str, Any], ehr: Any = None) -> Any:
    return house.post(PATH, {"feedback": list(feedback)}, ehr)


def kept(house: House, tenant: str = ISSUER) -> list[Any]:
    return house.clinic.store.answers.of(tenant, "pat-1")


def test_a_reason_is_kept_with_its_card(house: House):
    card = shown(house)
    reason = {
        "reason": {"code": "patient-refuses", "system": "http://x", "display": "Declines"},
        "userComment": "asked twice",
    }
    assert send(house, overridden(card["uuid"], overrideReason=reason)).status_code == 200
    (answer,) = kept(house)
    assert (answer.card, answer.outcome) == (card["uuid"], "overridden")
    assert answer.reason == "Declines: asked twice"
    assert answer.at.startswith("2026-03-01T12:01:00")
    entry = house.clinic.audit.entries(ISSUER)[0]
    assert entry.action == "answered: overridden"
    assert entry.detail["card"] == card["uuid"]


def test_no_reason_is_needed(house: House):
    assert send(house, overridden(shown(house)["uuid"])).status_code == 200
    assert kept(house)[0].reason == ""


def test_suggestions_that_were_accepted(house: House):
    card = shown(house)
    assert send(house, accepted(card)).status_code == 200
    assert kept(house)[0].outcome == "accepted"


def test_the_same_card_may_be_answered_again(house: House):
    card = shown(house)
    assert send(house, accepted(card), overridden(card["uuid"])).status_code == 200
    assert send(house, accepted(card)).status_code == 200
    assert len(kept(house)) == 3


def test_a_card_that_was_never_shown(house: House):
    card = shown(house)
    for unknown in (str(uuid.uuid4()), card["suggestions"][0]["uuid"]):
        answer = send(house, accepted(card), overridden(unknown))
        assert answer.status_code == 404
        assert unknown not in answer.text
    assert kept(house) == []  # all or nothing


def test_a_suggestion_that_was_never_made(house: House):
    card = shown(house)
    wrong = accepted(card) | {"acceptedSuggestions": [{"id": str(uuid.uuid4())}]}
    assert send(house, wrong).status_code == 404
    assert kept(house) == []


def test_another_tenants_card_is_unknown(house: House):
    card = shown(house)
    assert send(house, accepted(card), ehr=house.other).status_code == 404
    assert kept(house, OTHER) == kept(house) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"card": "x"},
        {"outcome": "ignored"},
        {"outcomeTimestamp": "yesterday"},
        {"outcomeTimestamp": "0001-01-01T00:00:00+14:00"},
        {"outcomeTimestamp": "9999-12-31T23:59:59-14:00"},
        {"outcomeTimestamp": "2026-03-01T12:00:00"},
        {"outcome": "accepted"},
        {"outcome": "accepted", "acceptedSuggestions": []},
        {"overrideReason": {"reason": {}}},
        {"overrideReason": {"userComment": "x" * 5000}},
    ],
)
def test_what_is_no_feedback_is_refused(house: House, wrong):
    assert send(house, overridden(shown(house)["uuid"]) | wrong).status_code == 400
    assert kept(house) == []


def test_no_feedback_at_all_is_refused(house: House):
    for content in ({}, {"feedback": []}, {"feedback": None}, {"feedback": [{}] * 300}):
        assert house.post(PATH, content).status_code == 400
