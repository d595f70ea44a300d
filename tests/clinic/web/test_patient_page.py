"""The patient's page: who, how high, how sure, why, what to do; and what is answered."""

from __future__ import annotations

import json
import re
from datetime import date

from tests.clinic.web.clinic_example import SICK, key_of, record

from consilience.clinic.web.patient_page import MODEL_RULE, card_of, identity
from consilience.records import Option
from consilience.trust.options import WARNING


def cards(html: str) -> list[str]:
    return re.findall(r'name="card" value="([^"]+)"', html)


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_it_shows_who_how_high_how_sure_and_why(seeded, visitor) -> None:
    said = seeded.store.assessments.newest("local", "p1")
    page = visitor("clinician").get(f"/patients/{key_of(seeded, 'p1')}")
    seen = text(page.text)
    assert "Ada Example" in seen and "female, 76 years" in seen
    assert f"{100 * said.number:.0f} %" in seen and "High risk" in seen
    assert "How sure:" in seen and "“death”" in seen
    assert "LDH" in seen and "412 U/L" in seen
    for part in said.explanation.contributions[:3]:
        assert f"{part.effect:+.2f}".replace("-", "−") in seen
        assert part.sentence in seen.replace("&#39;", "'")
    assert page.headers["cache-control"] == "no-store"


def test_a_silent_model_tells_why_and_no_number(clinic, visitor) -> None:
    clinic.consult("local", "clinician", record("p9", "Nina Nothing", born=""))
    said = clinic.store.assessments.newest("local", "p9")
    assert said.silent
    seen = text(visitor("clinician").get(f"/patients/{key_of(clinic, 'p9')}").text)
    assert "The model says nothing of this patient" in seen
    assert all(reason in seen for reason in said.silent)
    assert "Probability of death –" not in seen and "How sure" not in seen


def test_what_could_not_be_read_is_listed(clinic, visitor) -> None:
    fhir = record(**SICK)
    fhir["entry"][1]["resource"]["valueQuantity"]["unit"] = "furlong"
    clinic.consult("local", "clinician", fhir)
    seen = text(visitor("clinician").get(f"/patients/{key_of(clinic, 'p1')}").text)
    unmapped = clinic.store.assessments.newest("local", "p1").unmapped
    assert unmapped and all(one.reason in seen.replace("&#39;", "'") for one in unmapped)


def test_what_the_model_does_not_use_is_folded_away(clinic, visitor) -> None:
    fhir = record(**SICK)
    strange = json.loads(json.dumps(fhir["entry"][1]))
    strange["resource"] |= {"id": "strange", "code": {"coding": [{"code": "2345-7"}]}}
    fhir["entry"].append(strange)
    clinic.consult("local", "clinician", fhir)
    page = visitor("clinician").get(f"/patients/{key_of(clinic, 'p1')}").text
    assert "Everything in the record that the model asks for was read." in page
    folded = page.partition("1 kind of entry that the model does not use</summary>")[2]
    assert "nothing that is read has this code." in folded.partition("</details>")[0]


def test_treatments_stand_side_by_side_under_their_warning(clinic, visitor) -> None:
    clinic.consult("local", "clinician", record(**SICK))
    said = clinic.store.assessments.newest("local", "p1")
    page = f"/patients/{key_of(clinic, 'p1')}"
    assert WARNING not in visitor("clinician").get(page).text
    options = tuple(
        Option(modality="clinical", feature="stage", treatment=name, number=n, given=name == "b")
        for name, n in (("a", 0.21), ("b", 0.64))
    )
    later = said.model_copy(update={"options": options, "at": "2026-03-02T10:00:00Z"})
    clinic.store.assessments.keep("local", later)
    seen = text(visitor("clinician").get(page).text)
    assert seen.index(WARNING) < seen.index("a 21 %") < seen.index("b (on record) 64 %")


def test_the_trend_is_drawn_and_told(clinic, visitor, clock) -> None:
    for ldh in (200.0, 300.0, 412.0):
        clinic.consult("local", "clinician", record(at=clock(), **{**SICK, "labs__LDH": ldh}))
        clock.on(days=30)
    history = clinic.store.assessments.history("local", "p1")
    page = visitor("clinician").get(f"/patients/{key_of(clinic, 'p1')}").text
    assert page.count('<circle class="dot') == 3
    first, last = (f"{100 * one.number:.0f} %" for one in (history[0], history[-1]))
    assert f"{first} on 2 Mar 2026, {last} on 1 May 2026, 1 in between." in text(page)


def test_every_showing_is_in_the_audit_trail_before_it_is_shown(seeded, visitor) -> None:
    someone = visitor("clinician")
    someone.get(f"/patients/{key_of(seeded, 'p1')}")
    entry = seeded.audit.entries("local", patient="p1")[0]
    said = seeded.store.assessments.newest("local", "p1")
    assert (entry.who, entry.action, entry.model) == ("clinician", "patient shown", said.model)
    assert entry.detail["assessed"] == said.at
    assert "Ada" not in str(entry)


def test_if_the_trail_cannot_be_written_nothing_is_shown(seeded, visitor, monkeypatch) -> None:
    from consilience.clinic.store import StoreUnavailable

    someone = visitor("clinician")
    key = key_of(seeded, "p1")

    def full(*_: object, **__: object) -> None:
        raise StoreUnavailable("the disk is full; nothing was kept, make room.")

    monkeypatch.setattr(seeded.audit, "write", full)
    answer = someone.get(f"/patients/{key}")
    assert answer.status_code == 503 and "Ada" not in answer.text and "%" not in answer.text


def test_overriding_needs_a_reason_and_is_kept(seeded, visitor) -> None:
    someone = visitor("clinician")
    page = f"/patients/{key_of(seeded, 'p1')}"
    card = cards(someone.get(page).text)[0]
    send = f"{page}/answers"
    bare = someone.post(send, {"card": card, "outcome": "overridden"}, page=page)
    other = {"card": card, "outcome": "overridden", "reason": "Another reason"}
    wordless = someone.post(send, other, page=page)
    assert bare.status_code == wordless.status_code == 400
    assert seeded.store.answers.of("local", "p1") == []

    kept = someone.post(send, {**other, "words": "He is <b>dying</b> at home."}, page=page)
    assert (kept.status_code, kept.headers["location"]) == (303, page)
    answer = seeded.store.answers.of("local", "p1")[0]
    assert (answer.outcome, answer.by, answer.card) == ("overridden", "clinician", card)
    assert answer.reason == "Another reason: He is <b>dying</b> at home."
    seen = someone.get(page).text
    assert "He is &lt;b&gt;dying&lt;/b&gt; at home." in seen and "<b>dying" not in seen
    entry = next(e for e in seeded.audit.entries("local") if e.action == "advice overridden")
    assert entry.patient == "p1" and entry.detail["reason"] == answer.reason


def test_the_number_itself_can_be_agreed_with(seeded, visitor) -> None:
    someone = visitor("clinician")
    page = f"/patients/{key_of(seeded, 'p1')}"
    said = seeded.store.assessments.newest("local", "p1")
    card = card_of("local", said, MODEL_RULE)
    assert card in cards(someone.get(page).text)
    someone.post(f"{page}/answers", {"card": card, "outcome": "accepted"}, page=page)
    answer = seeded.store.answers.of("local", "p1")[0]
    assert (answer.rule, answer.outcome, answer.model) == (MODEL_RULE, "accepted", said.model)


def test_an_answer_to_what_is_no_longer_said_is_refused(seeded, visitor, clock) -> None:
    someone = visitor("clinician")
    page = f"/patients/{key_of(seeded, 'p1')}"
    card = cards(someone.get(page).text)[0]
    clock.on(minutes=5)
    seeded.consult("local", "clinician", record(**{**SICK, "labs__LDH": 300.0}))
    late = someone.post(f"{page}/answers", {"card": card, "outcome": "accepted"}, page=page)
    forged = someone.post(f"{page}/answers", {"card": "x", "outcome": "accepted"}, page=page)
    assert late.status_code == forged.status_code == 409
    assert seeded.store.answers.of("local", "p1") == []


def test_a_record_that_changed_is_told_and_assessed_again(seeded, visitor, clock) -> None:
    someone = visitor("clinician")
    page = f"/patients/{key_of(seeded, 'p1')}"
    assert "has changed since" not in someone.get(page).text
    clock.on(minutes=5)
    changed = record(**{**SICK, "labs__LDH": 300.0})
    seeded.store.patients.keep("local", "p1", "Ada Example", changed, clock())
    assert "has changed since" in someone.get(page).text
    someone.post(f"{page}/assess", {}, page=page)
    before, after = seeded.store.assessments.history("local", "p1")
    assert after.at > before.at and after.number < before.number
    assert "has changed since" not in someone.get(page).text


def test_another_tenants_patient_is_not_told_from_none(seeded, visitor) -> None:
    someone = visitor("clinician")
    theirs, none = key_of(seeded, "p3", "other"), "A" * 22
    answers = [someone.get(f"/patients/{key}") for key in (theirs, none, "p1", "%2e%2e")]
    assert {a.status_code for a in answers} == {404}
    assert answers[0].text == answers[1].text
    for path in ("assess", "answers"):
        sent = someone.post(f"/patients/{theirs}/{path}", {"outcome": "accepted"}, page="/worklist")
        assert sent.status_code == 404
    assert len(seeded.store.assessments.history("other", "p3")) == 1
    assert seeded.audit.entries("other", patient="p3")[0].action == "assessed"


def test_identity_says_what_the_record_says() -> None:
    today = date(2026, 3, 2)
    assert identity(record(), today) == "female, 76 years, born 20 May 1949"
    assert identity(record(born="1949-03-02"), today) == "female, 77 years, born 2 Mar 1949"
    assert identity(record(born="1949"), today) == "female"
    assert identity({}, today) == ""
