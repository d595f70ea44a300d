"""Patients, assessments, answers, cards: what is kept comes back, to its own tenant alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from consilience.clinic.store import Answer, Card, Store, UnknownPatient
from consilience.clinic.store.instant import stamp
from consilience.errors import InputError
from consilience.records import Assessment

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
FHIR = {"resourceType": "Bundle", "entry": [{"resource": {"text": "ü \x00 \ud800 <script>"}}]}


def said(patient: str, number: float, model: str = "m1") -> Assessment:
    own = {"bundle": "b", "outcome": "y", "at": "2026-01-31T08:00:00Z"}
    return Assessment(patient=patient, model=model, number=number, says="risk", **own)


def test_a_patient_comes_back_whole(store: Store) -> None:
    kept = store.patients.keep("local", "p/1 ü", "Ada <b>", FHIR, AT)
    found = store.patients.get("local", "p/1 ü")
    assert (found.name, found.fhir, found.key) == ("Ada <b>", FHIR, kept.key)
    assert found.at == "2026-01-31T08:00:00.000000Z"
    assert store.patients.by_key("local", kept.key) == found


def test_his_key_stays_and_says_nothing_of_him(store: Store) -> None:
    first = store.patients.keep("local", "p1", "Ada", {}, AT)
    again = store.patients.keep("local", "p1", "Ada Lovelace", FHIR, AT + timedelta(days=1))
    other = store.patients.keep("other", "p1", "Ada", {}, AT)
    assert again.key == first.key != other.key
    assert len(first.key) >= 20 and "p1" not in first.key
    assert store.patients.get("local", "p1").name == "Ada Lovelace"
    assert len(store.patients.all("local")) == 1


def test_another_tenants_patient_is_unknown(store: Store) -> None:
    kept = store.patients.keep("here", "p1", "Ada", {}, AT)
    for ask in (
        lambda: store.patients.get("there", "p1"),
        lambda: store.patients.by_key("there", kept.key),
        lambda: store.patients.forget("there", "p1"),
    ):
        with pytest.raises(UnknownPatient) as told:
            ask()
        assert "p1" not in str(told.value)
    assert store.patients.all("there") == []
    store.assessments.keep("here", said("p1", 0.5))
    assert store.assessments.latest("there") == {}
    assert store.assessments.history("there", "p1") == []
    store.cards.keep("here", "u1", "p1", "rule", "m1", AT)
    assert store.cards.get("there", "u1") is None


def test_a_name_that_is_no_text_is_kept_and_an_id_is_refused(store: Store) -> None:
    store.patients.keep("local", "p1", "Ad\ud800a\x00", {}, AT)
    assert store.patients.get("local", "p1").name == "Ad\ufffda\ufffd"
    with pytest.raises(InputError):
        store.patients.keep("local", "p\ud800", "Ada", {}, AT)
    assert len(store.patients.brief("local")) == 1


def test_repr_shows_nobody(store: Store) -> None:
    """What lands in a log by accident must not name anyone."""
    store.patients.keep("local", "id-7", "Ada", FHIR, AT)
    store.cards.keep("local", "u", "id-7", "r", "m", AT)
    shown = repr(store.patients.get("local", "id-7")) + repr(store.cards.get("local", "u"))
    assert "Ada" not in shown and "id-7" not in shown and "script" not in shown


def test_a_forgotten_patient_leaves_nothing(store: Store) -> None:
    for patient in ("p1", "p2"):
        store.patients.keep("local", patient, "Ada", {}, AT)
        store.assessments.keep("local", said(patient, 0.5))
        store.cards.keep("local", f"card of {patient}", patient, "r", "m", AT)
        store.answers.keep(
            Answer("local", patient, "c", "r", "overridden", "because", "dr", stamp(AT))
        )
    store.patients.forget("local", "p1")
    assert [one.patient for one in store.patients.all("local")] == ["p2"]
    assert store.assessments.history("local", "p1") == store.answers.of("local", "p1") == []
    assert store.cards.get("local", "card of p1") is None
    assert len(store.answers.of("local", "p2")) == len(store.assessments.latest("local")) == 1


def test_assessments_in_the_order_in_which_they_were_kept(store: Store) -> None:
    """A clock that jumps back does not change which is the latest."""
    first = said("p1", 0.1).model_copy(update={"at": "2026-03-01T08:00:00Z"})
    second, third = said("p1", 0.2), said("p2", 0.3)
    for one in (first, second, third):
        store.assessments.keep("local", one)
    assert store.assessments.history("local", "p1") == [first, second]
    assert store.assessments.history("local", "p1", newest=1) == [second]
    assert store.assessments.latest("local") == {"p1": second, "p2": third}
    assert store.assessments.newest("local", "p2") == third
    assert store.assessments.newest("local", "p9") is None


def test_answers_are_added_never_changed(store: Store) -> None:
    one = Answer("local", "p1", "c1", "r", "accepted", "", "dr a", stamp(AT), "m1")
    two = Answer("local", "p1", "c1", "r", "overridden", "too old", "dr b", stamp(AT), "m1")
    store.answers.keep(one)
    store.answers.keep(two)
    assert store.answers.of("local", "p1") == [one, two]
    assert store.answers.all("local") == [two, one]


def test_cards_are_remembered_all_or_none(store: Store) -> None:
    store.cards.keep("local", "u1", "p1", "r", "m", AT)
    assert store.cards.get("local", "u1") == Card("local", "u1", "p1", "r", "m", stamp(AT))
    with pytest.raises(InputError):
        store.cards.keep_all([Card("local", u, "p1", "r", "m", stamp(AT)) for u in ("u2", "u1")])
    assert store.cards.get("local", "u2") is None
    store.cards.keep_all([])


def test_times_sort_as_text() -> None:
    rome = timezone(timedelta(hours=1))
    assert stamp(datetime(2026, 1, 31, 9, tzinfo=rome)) == stamp(AT) == stamp("2026-01-31T08:00Z")
    assert stamp(AT) < stamp(AT + timedelta(microseconds=1)) < stamp(AT + timedelta(seconds=1))
    for wrong in (datetime(2026, 1, 31), "2026-01-31T08:00:00", "yesterday"):
        with pytest.raises(InputError):
            stamp(wrong)
