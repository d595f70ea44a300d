"""Cards say what the assessment says, in the form that the text asks for."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.clinic.hooks.cards import (
    Card,
    Setting,
    cards_of,
    late_card,
    suggestion_uuid,
    without_nothing,
)
from consilience.records import (
    Advice,
    Assessment,
    Citation,
    ClassProbability,
    Contribution,
    Explanation,
    MissingTest,
    Option,
    Prediction,
)
from consilience.trust.options import WARNING

SETTING = Setting("https://cds.example.org/patients/k", "Survival", "https://cds.example.org")
CITED = Citation(
    title="Guideline", organisation="Society", year=2024, url="https://g.example/x", strength="A"
)
SCRIPT = "<script>alert('x')</script>"


def advice(sentence: str = "Check the potassium.", **more: Any) -> Advice:
    return Advice(
        **{"patient": "p", "rule": "r 1.0.0", "urgency": "info", "sentence": sentence} | more
    )


def assessment(**more: Any) -> Assessment:
    told = {
        "patient": "p",
        "bundle": "Survival",
        "model": "ab12",
        "at": "2026-03-01T12:00:00Z",
        "outcome": "death",
        "number": 0.27,
        "says": "probability of death within 5 years",
        "level": "high",
    }
    return Assessment(**told | more)


def silent(**more: Any) -> Assessment:
    return assessment(number=None, level=None, silent=("the age is out of range.",), **more)


def checked(cards: tuple[Card, ...]) -> list[dict[str, Any]]:
    """Return cards as sent, each held against the text's requirements."""
    shown = json.loads(json.dumps([card.shown for card in cards]))
    for card in shown:
        uuid.UUID(card["uuid"])
        assert 0 < len(card["summary"].encode("utf-16-le")) // 2 < 140
        assert card["summary"].strip()
        assert card["indicator"] in ("info", "warning", "critical")
        assert card["source"]["label"].strip()
        assert ("selectionBehavior" in card) == ("suggestions" in card)
        assert card.get("selectionBehavior", "any") in ("any", "at-most-one")
        for link in card["links"]:
            assert link["type"] == "absolute"
            assert "appContext" not in link
            assert urlsplit(link["url"]).scheme == "https"
        for reason in card.get("overrideReasons", []):
            assert reason["code"]
            assert reason["display"].strip()
        for place, suggestion in enumerate(card.get("suggestions", [])):
            assert suggestion["label"]
            assert suggestion["uuid"] == suggestion_uuid(card["uuid"], place)
            for action in suggestion["actions"]:
                assert action["type"] in ("create", "update", "delete")
                assert action["description"]
                assert ("resourceId" if action["type"] == "delete" else "resource") in action
        assert without_nothing(card) == card, "null or empty"
    return shown


def test_the_number_is_the_assessments():
    (card,) = checked(cards_of(assessment(), SETTING))
    assert card["summary"] == "Probability of death within 5 years: 27 % (high risk)"
    assert card["indicator"] == "warning"
    assert card["links"][0]["url"] == SETTING.page


def test_why_is_told_in_the_words_of_the_page():
    sentence = "LDH 612 U/L, high for his group, raises the risk from 18 % to 27 %."
    part = Contribution(modality="labs", feature="ldh", effect=0.5, sentence=sentence)
    why = Explanation(
        patient="p",
        outcome="death",
        model="ab12",
        method="exact",
        scale="log odds",
        baseline=0.0,
        contributions=(part,),
    )
    (card,) = checked(cards_of(assessment(explanation=why), SETTING))
    assert sentence in card["detail"]


def test_nothing_to_say_is_an_empty_list():
    assert cards_of(silent(), SETTING) == ()
    assert cards_of(assessment(), replace(SETTING, tells_number=False)) == ()


def test_a_silent_model_leaves_the_word_to_the_rules():
    (card,) = checked(cards_of(silent(advice=(advice(),)), SETTING))
    assert card["summary"] == "Check the potassium."
    assert "the age is out of range" in card["detail"]
    assert "%" not in card["detail"]


def test_advice_names_its_guideline():
    said = (advice(source=CITED, reasons=("Why.",)),)
    (card,) = checked(cards_of(silent(advice=said), SETTING))
    assert card["source"]["label"] == "Society: Guideline"
    assert card["source"]["url"] == CITED.url
    assert card["source"]["topic"]["code"] == "model"
    for part in ("Why.", "Guideline, Society, 2024", "Strength"):
        assert part in card["detail"]


def test_the_most_urgent_comes_first():
    said = tuple(advice(u, urgency=u) for u in ("info", "critical", "warning"))
    order = [card["indicator"] for card in checked(cards_of(silent(advice=said), SETTING))]
    assert order == ["critical", "warning", "info"]


def test_what_is_missing_can_be_ordered():
    tests = tuple(
        MissingTest(modality="labs", feature=name, change=0.1, low=0.1, high=0.3, sentence=name)
        for name in ("ldh", "unknown")
    )
    codes = {("labs", "ldh"): ("http://loinc.org|14804-9", "nonsense")}
    (card,) = checked(cards_of(assessment(missing=tests), replace(SETTING, codes=codes)))
    (suggestion,) = card["suggestions"]
    resource = suggestion["actions"][0]["resource"]
    assert resource["code"]["coding"] == [{"system": "http://loinc.org", "code": "14804-9"}]
    assert resource["subject"] == {"reference": "Patient/p"}
    assert (resource["status"], resource["intent"]) == ("draft", "proposal")


def test_what_rules_suggest_is_offered():
    offered = [
        {"label": "Stop", "actions": [{"type": "delete", "description": "d", "resourceId": "M/1"}]}
    ]
    (card,) = checked(
        cards_of(silent(advice=(advice(),)), replace(SETTING, offers=lambda rule: offered))
    )
    assert card["suggestions"][0]["actions"] == offered[0]["actions"]


def test_script_is_shown_as_text():
    said = advice(SCRIPT, reasons=(SCRIPT,), source=CITED.model_copy(update={"title": SCRIPT}))
    for card in checked(cards_of(assessment(advice=(said,), warnings=(SCRIPT,)), SETTING)):
        assert "<" not in card["detail"]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "x"]
)
def test_a_source_is_never_a_script(url):
    said = advice(source=CITED.model_copy(update={"url": url}))
    (card,) = checked(cards_of(silent(advice=(said,)), SETTING))
    assert "url" not in card["source"]


def test_a_late_card_leads_to_the_page():
    (card,) = checked((late_card(SETTING),))
    assert card["links"][0]["url"] == SETTING.page
    assert "overrideReasons" not in card


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=3))
def test_any_text_gives_cards_that_are_in_order(sentence, reasons):
    said = advice(sentence, reasons=tuple(reasons))
    (card,) = checked(cards_of(silent(advice=(said,)), SETTING))
    assert "<" not in card["detail"]


def test_ids_are_new_each_time():
    cards = [cards_of(assessment(), SETTING)[0].uuid for _ in range(50)]
    assert len(set(cards)) == 50


def test_treatments_are_never_told_without_the_warning():
    told = {"modality": "base", "feature": "drug", "number": 0.2, "sentence": "Drug a: 20 %."}
    (card,) = checked(cards_of(assessment(options=(Option(treatment="a", **told),)), SETTING))
    assert "- Drug a: 20 %." in card["detail"]
    assert WARNING in card["detail"]
    (bare,) = checked(cards_of(assessment(), SETTING))
    assert WARNING not in bare["detail"]


def test_of_several_diagnoses_each_is_told_the_likeliest_first():
    shares = {"flu": 0.1, "sepsis": 0.7, "cold": 0.2}
    parts = [ClassProbability(label=one, probability=p) for one, p in shares.items()]
    said = Prediction(
        patient="p",
        outcome="diagnosis",
        kind="multiclass",
        probabilities=tuple(parts),
        informed=True,
        model="ab12",
    )
    (card,) = checked(cards_of(assessment(prediction=said, level=None), SETTING))
    assert "- sepsis: 70 %\n- cold: 20 %\n- flu: 10 %" in card["detail"]
