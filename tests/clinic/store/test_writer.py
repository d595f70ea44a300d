"""Group commit: together, each for itself, and nothing acknowledged before it is committed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event, text

from consilience.clinic.store import Store, StoreUnavailable

PUT = text("INSERT INTO about (name, value) VALUES (:name, 'x')")


def put(store: Store, name: str) -> None:
    store.access.write(lambda connection: connection.execute(PUT, {"name": name}))


def names(store: Store) -> set[str]:
    found = store.access.read(lambda c: c.execute(text("SELECT name FROM about")).scalars().all())
    return set(found) - {"schema_version", "database"}


def together(jobs: list) -> list[ValueError | None]:
    """Run jobs at once and return what each raised."""
    raised: list[ValueError | None] = [None] * len(jobs)

    def run(place: int) -> None:
        try:
            jobs[place]()
        except ValueError as reason:
            raised[place] = reason

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return raised


def test_what_arrives_together_shares_a_commit(tmp_path: Path) -> None:
    """On a disk that takes 50 ms, 60 writes at once are far faster than one after the other."""
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
        commits = []

        @event.listens_for(store.access.engine, "commit")
        def slow(connection: object) -> None:
            commits.append(connection)
            time.sleep(0.05)

        begun = time.perf_counter()
        raised = together([lambda i=i: put(store, f"n{i}") for i in range(60)])
        seconds = time.perf_counter() - begun
        assert raised == [None] * 60
        assert len(commits) <= 20
        assert 60 / seconds > 100
        assert len(names(store)) == 60


def test_one_that_fails_undoes_itself_alone(store: Store) -> None:
    started, go = threading.Event(), threading.Event()

    def hold(connection: object) -> None:
        started.set()
        go.wait(5)

    def refuse(connection) -> None:
        connection.execute(PUT, {"name": "undone"})
        raise ValueError("no")

    first = threading.Thread(target=lambda: store.access.write(hold))
    first.start()
    started.wait(5)
    jobs = [lambda: put(store, "a"), lambda: store.access.write(refuse), lambda: put(store, "b")]
    found: list = []
    rest = threading.Thread(target=lambda: found.extend(together(jobs)))
    rest.start()
    time.sleep(0.2)  # so that the three share a transaction
    go.set()
    first.join()
    rest.join()
    assert [type(one) for one in found] == [type(None), ValueError, type(None)]
    assert names(store) == {"a", "b"}


def test_a_commit_that_fails_is_told_to_all_of_it(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
        pages = text("PRAGMA max_page_count")
        size = store.access.read(lambda c: c.execute(text("PRAGMA page_count")).scalar())

        @event.listens_for(store.access.engine, "checkout")
        def full(connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count={size + 4}")

        big = text("INSERT INTO about (name, value) VALUES (:name, :value)")

        def fill(name: str) -> None:
            row = {"name": name, "value": "x" * 3000}
            store.access.write(lambda connection: connection.execute(big, row))

        raised = together([lambda i=i: fill(f"n{i}") for i in range(40)])
        told = {f"n{i}" for i, one in enumerate(raised) if one is None}
        assert all(one is None or isinstance(one, StoreUnavailable) for one in raised)
        assert any(raised)
        assert "the disk is full" in str(next(one for one in raised if one))
        assert names(store) == told
        event.remove(store.access.engine, "checkout", full)
        store.access.engine.dispose()
        assert store.access.read(lambda c: c.execute(pages).scalar()) > size + 4
        fill("later")
        assert names(store) == told | {"later"}


def test_a_defect_is_raised_and_the_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda told: seen.append(told.exc_type))
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:

        def defect(connection: object) -> None:
            raise KeyError("ours")

        with pytest.raises(KeyError, match="ours"):
            store.access.write(defect)
        put(store, "after")
        assert names(store) == {"after"}
    assert seen == [KeyError]


def test_a_write_within_a_write_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda told: None)
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
        with pytest.raises(RuntimeError, match="within a write"):
            store.access.write(lambda connection: put(store, "a"))
        assert names(store) == set()
