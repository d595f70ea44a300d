"""What a click on a card would order or stop."""

from __future__ import annotations

from consilience.clinic.rules import suggested


def advice_of(rules, made, name: str, now, hook=None):
    (one,) = [a for a in rules.advise(made, "p", now=now, hook=hook) if a.rule.startswith(name)]
    return one


def test_an_order(rules, bundle, now) -> None:
    made = bundle(patient={"age": 60}, conditions=[{"of": "diabetes"}])
    found = suggested(rules, advice_of(rules, made, "hba1c-due", now), made, now=now)
    assert found.label == "Order HbA1c"
    (action,) = found.actions
    assert action["type"] == "create"
    assert action["resource"]["resourceType"] == "ServiceRequest"
    assert action["resource"]["status"] == "draft"
    assert action["resource"]["subject"] == {"reference": "Patient/vignette"}
    assert action["resource"]["code"]["coding"][0]["code"] == "4548-4"


def test_stopping_changes_the_status_and_nothing_else(rules, bundle, now) -> None:
    made = bundle(patient={"age": 60}, medications=[{"of": "warfarin"}, {"of": "ibuprofen"}])
    advice = advice_of(rules, made, "nsaid-with", now)
    (action,) = suggested(rules, advice, made, now=now).actions
    before = made["entry"][2]["resource"]
    assert action["type"] == "update"
    assert action["resource"] == {**before, "status": "stopped"}
    assert before["status"] == "active"


def test_a_draft_is_taken_off_the_order(rules, bundle, now) -> None:
    drugs = [{"of": "warfarin"}, {"of": "ibuprofen", "status": "draft"}]
    made = bundle(patient={"age": 60}, medications=drugs)
    advice = advice_of(rules, made, "nsaid-with", now, hook="order-sign")
    (action,) = suggested(rules, advice, made, now=now).actions
    assert (action["type"], action["resourceId"]) == ("delete", ["MedicationRequest/r2"])


def test_advice_without_anything_to_click(rules, bundle, now) -> None:
    made = bundle(patient={"age": 70}, medications=[{"of": "lorazepam"}])
    assert suggested(rules, advice_of(rules, made, "benzo", now), made, now=now) is None


def test_every_suggestion_can_be_written(rules) -> None:
    for rule in rules:
        if rule.suggestion is not None:
            assert rules.sets[rule.suggestion.order or rule.suggestion.stop].codes
            assert len(rule.suggestion.label) <= 80
