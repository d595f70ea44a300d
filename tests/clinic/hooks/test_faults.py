"""What breaks while a call is answered: nothing is acknowledged that is not kept."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.clinic.hooks.calls import ISSUER, VIEW, House, diabetic, labs_bundle, request

from consilience.clinic.audit import verify
from consilience.clinic.served import Served
from consilience.study.bundle import Bundle


def gone(house: House) -> None:
    """Take the database away, as a disk that is unmounted."""
    for path in Path(house.clinic.settings.database.removeprefix("sqlite:///")).parent.glob(
        "clinic.db*"
    ):
        path.unlink()


@pytest.mark.parametrize(
    "moment", ["cards.keeping", "assessments.keeping", "patients.keeping", "tokens.first_use"]
)
def test_the_database_goes_while_a_call_is_answered(opened, moment):
    house = opened()
    part, name = moment.split(".")
    kept = getattr(house.clinic.store, part)
    original = getattr(kept, name)

    def going(*given: Any, **named: Any) -> Any:
        gone(house)
        return original(*given, **named)

    setattr(kept, name, going)
    if moment == "tokens.first_use":  # whose checker holds the method that it was given
        gone(house)
    answer = house.view()
    assert answer.status_code == 503
    assert list(answer.json()) == ["error"]
    assert "cards" not in answer.json()
    assert "pat-1" not in answer.text


def test_feedback_is_not_acknowledged_without_a_database(house: House):
    card = house.view().json()["cards"][0]["uuid"]
    gone(house)
    told = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-03-01T12:00:00Z"}
    answer = house.post(VIEW + "/feedback", {"feedback": [told]})
    assert answer.status_code == 503


def test_a_database_that_is_locked_is_waited_for(house: House):
    path = house.clinic.settings.database.removeprefix("sqlite:///")
    other = sqlite3.connect(path, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.5, other.rollback)
    timer.start()
    assert house.view().status_code == 200
    timer.join()
    other.close()


def test_versions_never_mix_within_an_answer(house: House, tmp_path, bundle):
    """A bundle is replaced again and again while calls are answered."""
    other = labs_bundle(tmp_path / "other", "relapsed", seed=1)
    seen = {}
    for folder in (bundle, other):
        served = house.clinic.replace(folder)
        (card,) = [c for c in house.view().json()["cards"] if c["summary"].startswith("Prob")]
        seen[served.fingerprint] = (card["summary"], card["source"]["label"])
    assert len(set(seen.values())) == 2
    stop = threading.Event()

    def replacing() -> None:
        while not stop.is_set():
            house.clinic.replace(bundle)
            house.clinic.replace(other)

    thread = threading.Thread(target=replacing)
    thread.start()
    try:
        answers = [house.view(request()).json()["cards"] for _ in range(25)]
    finally:
        stop.set()
        thread.join()
    told = []
    for cards in answers:
        (card,) = [c for c in cards if c["summary"].startswith("Prob")]
        told.append((card["summary"], card["source"]["label"]))
    assert set(told) <= set(seen.values())
    shown = [e for e in house.clinic.audit.entries(ISSUER, newest=200) if e.action == "shown"]
    by_card = {one["card"]: entry.model for entry in shown for one in entry.detail["cards"]}
    for cards in answers:
        (card,) = [c for c in cards if c["summary"].startswith("Prob")]
        assert seen[by_card[card["uuid"]]] == (card["summary"], card["source"]["label"])


def test_the_trail_holds_after_many_callers(house: House):
    threads = [threading.Thread(target=house.view) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert verify(house.clinic.store).broken_at is None
    shown = [e for e in house.clinic.audit.entries(ISSUER) if e.action == "shown"]
    assert len(shown) == 8


def test_a_bundle_that_is_copied_file_by_file_is_served_once_it_is_whole(opened, tmp_path, bundle):
    """Its manifest may come first: what was read half there is read again."""
    live, other = tmp_path / "live", labs_bundle(tmp_path / "other", "relapsed", seed=1)
    shutil.copytree(bundle, live)
    clinic = opened(bundle=live).clinic
    before = clinic.served().fingerprint
    shutil.copy(other / "manifest.json", live)
    clinic.refresh()
    assert clinic.served().fingerprint == before
    shutil.copytree(other, live, dirs_exist_ok=True)
    clinic.refresh()
    assert clinic.served().fingerprint == Served.load(other).fingerprint != before


def test_a_bundle_that_comes_while_the_database_is_locked_is_served_later(opened, tmp_path, bundle):
    live, other = tmp_path / "live", labs_bundle(tmp_path / "other", "relapsed", seed=1)
    shutil.copytree(bundle, live)
    clinic = opened(bundle=live).clinic
    before = clinic.served().fingerprint
    shutil.copytree(other, live, dirs_exist_ok=True)
    database = Path(clinic.settings.database.removeprefix("sqlite:///"))
    away = database.rename(tmp_path / "away.db")
    clinic.refresh()
    assert clinic.served().fingerprint == before
    away.rename(database)
    clinic.refresh()
    assert clinic.served().fingerprint != before


def test_two_bundles_of_one_model_give_each_its_own_answer(house: House, tmp_path, bundle):
    """They have one fingerprint: what the first one said must not be taken for the second's."""
    fhir = {"entry": [{"resource": one} for one in diabetic()], "resourceType": "Bundle"}
    first = house.clinic.look(fhir)
    known = Bundle.load(bundle)
    renamed = replace(known, manifest=known.manifest.model_copy(update={"name": "Second"}))
    renamed.save(tmp_path / "renamed")
    second = house.clinic.replace(tmp_path / "renamed")
    assert second.fingerprint == first.served.fingerprint
    assert house.clinic.look(fhir).served is second
    assert house.clinic.look(fhir).assessment.bundle == "Second"
