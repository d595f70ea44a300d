"""Opening, healthy, threads, processes, and databases that cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from consilience.clinic.store import Store, StoreUnavailable
from consilience.errors import InputError

AT = "2026-01-31T08:00:00Z"


def keep(store: Store, patient: str) -> None:
    store.patients.keep("local", patient, "Ada", {"resourceType": "Bundle"}, AT)


def test_what_was_kept_is_there_after_opening_again(url: str) -> None:
    with Store.open(url) as store:
        keep(store, "p1")
        database = store.database
    with Store.open(url) as store:
        assert store.database == database
        assert store.patients.get("local", "p1").name == "Ada"
        assert store.healthy()


def test_two_databases_have_two_ids(tmp_path: Path) -> None:
    with (
        Store.open(f"sqlite:///{tmp_path}/a.db") as a,
        Store.open(f"sqlite:///{tmp_path}/b.db") as b,
    ):
        assert a.database != b.database


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
            keep(store, "p1")
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("records.db", "records.db-wal", "records.db-shm"), 0o600)


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
        found = {
            name: store.access.read(lambda c, name=name: c.execute(text(f"PRAGMA {name}")).scalar())
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("records.db", "given as a URL"),
        ("mysql://server/name", "not in 'mysql'"),
        ("postgresql://u:secret@[::/name", "given as a URL"),
        ("sqlite://", "need a file"),
        ("sqlite:///{folder}", "is a folder"),
        ("sqlite:///{folder}/absent/records.db", "cannot be made"),
        ("sqlite:///{folder}/text.db", "no SQLite database"),
        ("postgresql://u:secret@127.0.0.1:1/name", "cannot be reached"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path: Path, url: str, says: str) -> None:
    (tmp_path / "text.db").write_text("this is no database, but a text that is long enough" * 9)
    with pytest.raises(InputError) as told:
        Store.open(url.format(folder=tmp_path))
    assert says in str(told.value)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_database_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        Store.open(f"sqlite:///{tmp_path}/records.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_tables_that_must_be_there_are_not_made(url: str, tmp_path: Path) -> None:
    (tmp_path / "records.db").touch()
    with pytest.raises(InputError, match="holds no records"):
        Store.open(url, create=False)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    with pytest.raises(InputError, match="holds something else"):
        Store.open(f"sqlite:///{path}")


def test_a_newer_version_is_named(url: str) -> None:
    with Store.open(url) as store:
        newer = text("UPDATE about SET value = '7' WHERE name = 'schema_version'")
        store.access.write(lambda connection: connection.execute(newer))
    with pytest.raises(InputError, match="newer version of consilience"):
        Store.open(url)


def test_a_locked_database_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from consilience.clinic.store import engine

    quick = tuple(p.replace("5000", "50") for p in engine._PRAGMAS)
    monkeypatch.setattr(engine, "_PRAGMAS", quick)
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
        other = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked too long"):
            keep(store, "p1")
        assert not store.healthy()
        other.execute("ROLLBACK")
        other.close()
        assert store.healthy()
        keep(store, "p1")


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_is_gone_is_not_written_to(tmp_path: Path, how: str) -> None:
    path = tmp_path / "records.db"
    with Store.open(f"sqlite:///{path}") as store:
        keep(store, "p1")
        path.rename(tmp_path / "elsewhere.db")
        if how == "replaced":
            path.touch()
        with pytest.raises(StoreUnavailable, match="moved, removed or replaced"):
            keep(store, "p2")
        with pytest.raises(StoreUnavailable):
            store.patients.get("local", "p1")
        assert not store.healthy()
        path.unlink(missing_ok=True)
        (tmp_path / "elsewhere.db").rename(path)
        keep(store, "p3")
        assert [one.patient for one in store.patients.brief("local")] == ["p1", "p3"]


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/records.db")
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        keep(store, "p1")


def test_threads_write_and_read_together(store: Store) -> None:
    def work(name: int) -> None:
        for i in range(10):
            keep(store, f"{name}-{i}")
            assert store.patients.get("local", f"{name}-{i}").patient == f"{name}-{i}"

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(store.patients.brief("local")) == 80


def test_several_may_open_one_new_database_at_once(url: str) -> None:
    """Each with connections of its own, as processes have."""
    ended = []

    def work(name: int) -> None:
        with Store.open(url) as store:
            for i in range(10):
                keep(store, f"{name}-{i}")
            ended.append(store.database)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(ended) == 5 and len(set(ended)) == 1
    with Store.open(url) as store:
        assert len(store.patients.brief("local")) == 50


def test_errors_quote_no_patient(store: Store) -> None:
    """The database's own message would hold the values of the statement."""
    from sqlalchemy import insert

    from consilience.clinic.store.tables import cards

    row = {"tenant": "t", "uuid": "u", "patient": "Secret", "rule": "r", "model": "m", "at": AT}
    store.access.write(lambda connection: connection.execute(insert(cards), row))
    with pytest.raises(InputError) as told:
        store.access.write(lambda connection: connection.execute(insert(cards), row))
    assert "Secret" not in str(told.value)
    broken = text("SELECT * FROM absent WHERE patient = :patient")
    with pytest.raises(StoreUnavailable) as told:
        store.access.read(lambda connection: connection.execute(broken, {"patient": "Secret"}))
    assert "Secret" not in str(told.value) and told.value.__cause__ is None


def test_a_server_that_goes_away_and_comes_back(url: str) -> None:
    """Connections that the server ended are made anew."""
    if not url.startswith("postgresql"):
        pytest.skip("a file has no server")
    with Store.open(url) as store:
        keep(store, "p1")
        import psycopg

        with psycopg.connect(url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        keep(store, "p2")
        assert len(store.patients.brief("local")) == 2
