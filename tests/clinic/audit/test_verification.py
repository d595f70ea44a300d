"""What somebody who can write to the database may do, and whether it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update

from consilience.clinic.audit import Audit, Head, lines, verify
from consilience.clinic.audit.entry import canonical, genesis
from consilience.clinic.audit.reading import entry_of
from consilience.clinic.store import Store
from consilience.clinic.store.tables import audit as table
from consilience.errors import InputError

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
N = 7


@pytest.fixture
def audit(store: Store) -> Audit:
    """A log of some entries."""
    audit = Audit(store)
    for i in range(N):
        audit.write("dr", f"{i}", tenant="t", patient="p", detail={"number": i / 10}, at=AT)
    return audit


def unguard(connection: Connection) -> None:
    """Do what an attacker with the right to change tables does first."""
    on = {"sqlite": "", "postgresql": " ON audit"}[connection.dialect.name]
    for trigger in ("audit_no_change", "audit_no_removal", "audit_in_order"):
        connection.execute(text(f"DROP TRIGGER {trigger}{on}"))


def rechained(connection: Connection, database: str) -> None:
    """Compute every hash anew, as somebody who has read our source would."""
    rows = connection.execute(select(table).order_by(table.c.seq)).all()
    connection.execute(delete(table))
    last = genesis(database)
    for seq, row in enumerate(rows, start=1):
        fresh = replace(entry_of(row), seq=seq, previous=last)
        fresh = replace(fresh, hash=fresh.computed())
        connection.execute(insert(table), vars(fresh) | {"detail": canonical(fresh.detail)})
        last = fresh.hash


def move(connection: Connection) -> None:
    for old, new in ((3, 100), (4, 3), (100, 4)):
        connection.execute(update(table).where(table.c.seq == old).values(seq=new))


def put_in(connection: Connection) -> None:
    for seq in range(N, 3, -1):
        connection.execute(update(table).where(table.c.seq == seq).values(seq=seq + 1))
    row = connection.execute(select(table).where(table.c.seq == 3)).one()
    connection.execute(insert(table), dict(row._mapping) | {"seq": 4, "who": "another"})


def take_out(connection: Connection) -> None:
    connection.execute(delete(table).where(table.c.seq == 3))
    for seq in range(4, N + 1):
        connection.execute(update(table).where(table.c.seq == seq).values(seq=seq - 1))


def values(**changed: object) -> Callable[[Connection], object]:
    return lambda c: c.execute(update(table).where(table.c.seq == 3).values(**changed))


FOUND = {
    "who": (values(who="another"), 3),
    "patient": (values(patient="q"), 3),
    "patient removed": (values(patient=None), 3),
    "time": (values(at="2025-01-31T08:00:00.000000Z"), 3),
    "detail": (values(detail='{"number":0.9}'), 3),
    "detail is no JSON": (values(detail="{"), 3),
    "detail is no object": (values(detail="[]"), 3),
    "detail written otherwise": (values(detail='{"number": 0.2}'), 3),
    "detail with a key twice": (values(detail='{"number":0.9,"number":0.2}'), 3),
    "hash": (values(hash="0" * 64), 3),
    "previous": (values(previous="0" * 64), 3),
    "removed": (lambda c: c.execute(delete(table).where(table.c.seq == 3)), 3),
    "removed at the start": (lambda c: c.execute(delete(table).where(table.c.seq == 1)), 1),
    "two removed": (lambda c: c.execute(delete(table).where(table.c.seq.in_([3, 4]))), 3),
    "taken out and numbered anew": (take_out, 3),
    "moved": (move, 3),
    "put in": (put_in, 4),
}


@pytest.mark.parametrize("what", FOUND)
def test_every_change_is_found_where_it_is(store: Store, audit: Audit, what: str) -> None:
    assert verify(store).broken_at is None
    tamper, place = FOUND[what]

    def do(connection: Connection) -> None:
        unguard(connection)
        tamper(connection)

    store.access.write(do)
    found = verify(store)
    assert found.broken_at == place
    assert found.entries == place - 1
    assert f"{place}" in found.sentence and "Broken" in found.sentence


def test_removal_from_the_end_is_found_by_a_head_kept_elsewhere(store: Store, audit: Audit) -> None:
    noted = Head.read(str(audit.head()))

    def do(connection: Connection) -> None:
        unguard(connection)
        connection.execute(delete(table).where(table.c.seq > N - 2))

    store.access.write(do)
    without = verify(store)
    assert without.broken_at is None
    assert "would not be seen" in without.sentence
    assert verify(store, [noted]).broken_at == N - 1
    assert "removed from its end" in verify(store, [noted]).sentence


def test_removal_of_everything_is_found_by_a_head(store: Store, audit: Audit) -> None:
    noted = audit.head()

    def do(connection: Connection) -> None:
        unguard(connection)
        connection.execute(delete(table))

    store.access.write(do)
    assert verify(store, [noted]).broken_at == 1


def test_a_log_written_anew_is_found_by_a_head_kept_elsewhere(store: Store, audit: Audit) -> None:
    early = audit.entries("t")[-2]
    heads = [Head(early.seq, early.hash), audit.head()]

    def do(connection: Connection) -> None:
        unguard(connection)
        connection.execute(update(table).where(table.c.seq == 3).values(who="another"))
        rechained(connection, store.database)

    store.access.write(do)
    assert verify(store).broken_at is None  # nothing inside the database can tell
    assert verify(store, heads[:1]).broken_at is None  # entry 2 is as it was
    assert verify(store, heads).broken_at == N
    assert "written anew" in verify(store, heads).sentence


def test_entries_after_a_noted_head_are_welcome(store: Store, audit: Audit) -> None:
    empty, noted = Head(0, genesis(store.database)), audit.head()
    audit.write("dr", "later", tenant="t", at=AT)
    found = verify(store, [empty, noted])
    assert found.broken_at is None and found.entries == N + 1
    assert "agrees with what was noted" in found.sentence
    assert found.head == audit.head()


def test_another_databases_head_is_refused(store: Store, audit: Audit) -> None:
    assert verify(store, [Head(0, genesis("another"))]).broken_at == 1
    assert verify(store, [Head(N, "0" * 64)]).broken_at == N


def test_missing_guards_are_told(store: Store, audit: Audit) -> None:
    assert "guard" not in verify(store).sentence
    store.access.write(unguard)
    assert verify(store).broken_at is None
    assert "no longer has its guards audit_no_change" in verify(store).sentence


def test_an_empty_log_is_whole(store: Store) -> None:
    found = verify(store)
    assert (found.entries, found.broken_at, found.head.seq) == (0, None, 0)


@pytest.mark.parametrize("wrong", ["", "7", "7:abc", "x:" + "0" * 64, "-1:" + "0" * 64])
def test_a_head_is_read_or_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="no head of an audit log"):
        Head.read(wrong)


def test_the_export_can_be_checked_without_us(store: Store, audit: Audit) -> None:
    """With SHA-256 and JSON alone, as the docs say."""
    import hashlib

    before = genesis(store.database)
    exported = list(lines(store))
    for line in exported:
        entry = json.loads(line)
        own = entry.pop("hash")
        text_of = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text_of.encode()).hexdigest() == own
        assert entry["previous"] == before
        before = own
    assert len(exported) == N


def test_a_long_log_is_read_some_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from consilience.clinic.audit import reading

    monkeypatch.setattr(reading, "AT_ONCE", 3)
    log = Audit(store)
    for i in range(9):
        log.write("dr", f"{i}", tenant="t", at=AT)
    assert verify(store).entries == 9
    assert [json.loads(line)["action"] for line in lines(store)] == [f"{i}" for i in range(9)]
