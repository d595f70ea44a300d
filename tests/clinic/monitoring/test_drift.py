"""Drift: counted once a patient, kept over restarts, found where it was put in."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from consilience.clinic.monitoring.drift import AT_ONCE, Drift, DriftCounter, drift_advice
from consilience.clinic.monitoring.monitor import Monitor
from consilience.clinic.store import Store, StoreUnavailable
from consilience.cohort import Cohort, Table, synthetic_cohort
from consilience.records import Assessment
from consilience.trust.drift import Distributions


@pytest.fixture
def reference() -> Distributions:
    """Of 300 patients, with a number told of each."""
    cohort, _ = synthetic_cohort(300, modalities=1, features=3, seed=0)
    return Distributions.of(cohort, np.linspace(0, 1, 300))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A new database."""
    return f"sqlite:///{tmp_path}/records.db"


def said(patient: str, number: float | None, at: str = "2026-01-31T08:00:00Z") -> Assessment:
    own = {"bundle": "b", "model": "m", "outcome": "y", "at": at}
    silent = () if number is not None else ("nothing that the model reads was measured.",)
    return Assessment(patient=patient, number=number, silent=silent, **own)


def people(n: int, shift: float = 0.0) -> Cohort:
    cohort = synthetic_cohort(300, modalities=1, features=3, seed=0)[0][:n]
    name, table = next(iter(cohort.modalities.items()))
    frame = table.frame.copy()
    frame[frame.columns[0]] += shift
    return Cohort(cohort.patients, {name: Table(frame, kinds=dict(table.kinds))})


def count(counter: DriftCounter, reference: Distributions, cohort: Cohort, **own: str) -> None:
    for row, number in enumerate(np.linspace(0, 1, len(cohort))):
        counter.count(reference, cohort[[row]], said(str(cohort.index[row]), number, **own))


def test_the_same_patients_have_not_drifted(url: str, reference: Distributions) -> None:
    with Store.open(url) as store:
        counter = DriftCounter(store)
        count(counter, reference, people(300))
        found = counter.drift(reference)
    assert found.patients == 300 and found.since == "2026-01"
    assert found.alerts == () and drift_advice(found, "2026-01-31") == ()
    assert max(one.psi for one in found.each) < 1e-9


def test_a_feature_that_moved_is_named(url: str, reference: Distributions) -> None:
    with Store.open(url) as store:
        monitor = Monitor(store)
        cohort = people(300, shift=2.0)
        for row, number in enumerate(np.linspace(0, 1, 300)):
            one = said(str(cohort.index[row]), number)
            monitor.seen(one, 0.1, "page", patient=cohort[[row]], reference=reference)
        found = monitor.drift(reference)
        card = monitor.alerts(reference, "2026-01-31T09:00:00Z")[0]
    feature = next(iter(cohort.modalities.values())).features[0]
    assert [one.feature for one in found.alerts] == [feature]
    assert card.urgency == "critical" and "300 patients seen since 2026-01" in card.sentence
    assert feature in card.reasons[0] and card.patient == ""


def test_counts_go_on_after_a_restart(url: str, reference: Distributions) -> None:
    cohort = people(60)
    for part in (cohort[:25], cohort[25:60]):
        with Store.open(url) as store:
            monitor = Monitor(store)
            for row in range(len(part)):
                one = said(str(part.index[row]), 0.5)
                monitor.seen(one, 0.1, "page", patient=part[[row]], reference=reference)
            monitor.close()
    with Store.open(url) as store:
        found = DriftCounter(store).drift(reference)
    whole = reference.counts(cohort, np.full(60, 0.5))
    assert found.patients == 60
    with Store.open(url) as store:
        (body,) = store.counts.newest(_only(store), 3).values()
    assert type(whole).model_validate_json(body) == whole


def _only(store: Store) -> str:
    from sqlalchemy import text

    return store.access.read(lambda c: c.execute(text("SELECT reference FROM counts")).scalar())


def test_a_killed_process_loses_less_than_a_handful(url: str, reference: Distributions) -> None:
    with Store.open(url) as store:
        count(DriftCounter(store), reference, people(AT_ONCE + 5))  # and is never told to keep
        assert DriftCounter(store).drift(reference).patients == AT_ONCE


def test_a_patient_counts_once_a_month(url: str, reference: Distributions) -> None:
    with Store.open(url) as store:
        counter, cohort = DriftCounter(store), people(10)
        for day in ("30", "31"):
            count(counter, reference, cohort, at=f"2026-01-{day}T08:00:00Z")
        assert counter.drift(reference).patients == 10
        count(counter, reference, cohort, at="2026-02-01T08:00:00Z")
        assert counter.drift(reference).patients == 20


def test_one_id_in_two_tenants_is_two_patients(url: str, reference: Distributions) -> None:
    with Store.open(url) as store:
        monitor, cohort = Monitor(store), people(1)
        for tenant in ("here", "there", "here"):
            own = {"patient": cohort, "reference": reference, "tenant": tenant}
            monitor.seen(said("1", 0.5), 0.1, "page", **own)
        assert monitor.drift(reference).patients == 2


def test_only_the_last_months_are_recent(url: str, reference: Distributions) -> None:
    with Store.open(url) as store:
        counter, cohort = DriftCounter(store), people(10)
        for month in ("01", "02", "03", "04"):
            count(counter, reference, cohort, at=f"2026-{month}-01T08:00:00Z")
        found = counter.drift(reference)
    assert (found.patients, found.since) == (30, "2026-02")


def test_counts_of_another_reference_are_not_mixed_in(url: str, reference: Distributions) -> None:
    cohort, _ = synthetic_cohort(200, modalities=1, features=2, seed=3)
    other = Distributions.of(cohort, np.linspace(0, 1, 200))
    with Store.open(url) as store:
        counter = DriftCounter(store)
        count(counter, reference, people(10))
        count(counter, other, cohort[:7])
        assert counter.drift(reference).patients == 10
        assert counter.drift(other).patients == 7


def test_two_services_count_together(url: str, reference: Distributions) -> None:
    """Each in its own threads, on one database: no count is lost."""
    cohort = people(120)
    with Store.open(url) as one, Store.open(url) as two:
        counters = [DriftCounter(one), DriftCounter(two)] * 2
        parts = [cohort[i * 30 : (i + 1) * 30] for i in range(4)]
        threads = [
            threading.Thread(target=count, args=(c, reference, p))
            for c, p in zip(counters, parts, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for counter in counters:
            counter.keep()
        assert counters[0].drift(reference).patients == 120


def test_what_could_not_be_kept_waits(tmp_path: Path, url: str, reference: Distributions) -> None:
    path = tmp_path / "records.db"
    with Store.open(url) as store:
        counter = DriftCounter(store)
        count(counter, reference, people(5))
        path.rename(tmp_path / "away.db")
        with pytest.raises(StoreUnavailable):
            counter.keep()
        (tmp_path / "away.db").rename(path)
        count(counter, reference, people(8))  # three more
        assert counter.drift(reference).patients == 8


def test_a_silent_patient_counts_with_what_was_measured(url: str, reference: Distributions) -> None:
    with Store.open(url) as store:
        counter = DriftCounter(store)
        counter.count(reference, people(1), said("p", None))
        assert counter.drift(reference).patients == 1


def test_without_a_reference_nothing_is_said(url: str) -> None:
    with Store.open(url) as store:
        assert Monitor(store).drift(None) == Drift(0, "", ())
        assert Monitor(store).alerts(None, "2026-01-31") == ()
