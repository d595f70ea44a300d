"""The audit log: appended to, in order, by many at once, whatever the clock says."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from consilience.clinic.audit import Audit, verify
from consilience.clinic.store import Store, StoreUnavailable
from consilience.errors import InputError

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def test_an_entry_comes_back_as_it_was_written(store: Store) -> None:
    audit = Audit(store)
    detail = {"number": 0.1, "rules": ["a", "b"], "text": "ü \x00 \ud800"}
    written = audit.write(
        "dr", "shown", tenant="local", patient="p1", model="m1", detail=detail, at=AT
    )
    assert audit.entries("local") == [written]
    assert written.detail == detail and written.seq == 1
    assert written.at == "2026-01-31T08:00:00.000000Z"


def test_each_entry_follows_the_one_before(store: Store) -> None:
    audit = Audit(store)
    one, two = (audit.write("dr", "shown", tenant=t, at=AT) for t in ("here", "there"))
    assert two.previous == one.hash == one.computed() != two.hash
    assert (one.seq, two.seq) == (1, 2)
    assert str(audit.head()) == f"2:{two.hash}"
    assert verify(store).broken_at is None


def test_two_databases_have_two_chains(tmp_path: Path) -> None:
    """So that one log cannot be put in the place of another."""
    hashes = set()
    for name in ("a", "b"):
        with Store.open(f"sqlite:///{tmp_path}/{name}.db") as store:
            hashes.add(Audit(store).write("dr", "shown", tenant="t", at=AT).hash)
    assert len(hashes) == 2


def test_a_clock_that_jumps_changes_no_order(store: Store) -> None:
    audit = Audit(store)
    for days in (0, 400, -400, 1):
        audit.write("dr", f"{days}", tenant="local", at=AT + timedelta(days=days))
    assert [entry.action for entry in audit.entries("local")] == ["1", "-400", "400", "0"]
    assert verify(store).entries == 4 and verify(store).broken_at is None


def test_a_tenant_reads_its_own_entries_in_pages(store: Store) -> None:
    audit = Audit(store)
    for i in range(6):
        tenant = "here" if i % 2 else "there"
        audit.write(f"dr {i}", "shown", tenant=tenant, patient=f"p{i % 3}", at=AT)
    assert [entry.seq for entry in audit.entries("here")] == [6, 4, 2]
    assert [entry.seq for entry in audit.entries("here", newest=2)] == [6, 4]
    assert [entry.seq for entry in audit.entries("here", newest=2, before=4)] == [2]
    assert [entry.seq for entry in audit.entries("here", patient="p0")] == [4]
    assert [entry.seq for entry in audit.entries("there", who="dr 2")] == [3]
    assert audit.entries("nowhere") == []


def test_what_json_cannot_hold_fails_with_whoever_gave_it(store: Store) -> None:
    audit = Audit(store)
    with pytest.raises(ValueError, match="JSON"):
        audit.write("dr", "shown", tenant="t", detail={"number": float("nan")}, at=AT)
    with pytest.raises(InputError, match="no time zone"):
        audit.write("dr", "shown", tenant="t", at=datetime(2026, 1, 1))
    assert audit.head().seq == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET who = 'another'",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE seq = 2",
        "INSERT INTO audit SELECT 7, at, tenant, who, action, patient, model, detail, previous, "
        "hash FROM audit WHERE seq = 1",
        "INSERT OR REPLACE INTO audit SELECT seq, at, tenant, 'another', action, patient, model, "
        "detail, previous, hash FROM audit WHERE seq = 2",
        "TRUNCATE audit",
    ],
)
def test_the_database_itself_refuses_changes(store: Store, change: str) -> None:
    other = {"postgresql": "OR REPLACE", "sqlite": "TRUNCATE"}
    if other[store.access.engine.dialect.name] in change:
        pytest.skip("the other database's words")
    audit = Audit(store)
    for _ in range(2):
        audit.write("dr", "shown", tenant="t", at=AT)
    before = audit.entries("t")
    with pytest.raises(InputError):
        store.access.write(lambda connection: connection.execute(text(change)))
    assert audit.entries("t") == before


def test_threads_make_one_chain(store: Store) -> None:
    audit = Audit(store)
    found: list[int] = []

    def write(name: int) -> None:
        for _ in range(10):
            found.append(audit.write(f"dr {name}", "shown", tenant="t", at=AT).seq)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == list(range(1, 81))
    assert verify(store).entries == 80 and verify(store).broken_at is None


PROGRAM = """
import sys
from datetime import UTC, datetime
from consilience.clinic.audit import Audit
from consilience.clinic.store import Store, StoreUnavailable
with Store.open(sys.argv[1]) as store:
    audit = Audit(store)
    for i in range(int(sys.argv[2])):
        print(audit.write("dr", f"{i}", tenant="t", detail={"long": "x" * 400},
              at=datetime.now(UTC)), flush=True)
"""


def test_processes_make_one_chain(store: Store, url: str) -> None:
    """Two connections that write at once, one of them another process."""
    command = [sys.executable, "-c", PROGRAM, url, "60"]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    other.stdout.readline()  # it has begun
    audit = Audit(store)
    for _ in range(60):
        audit.write("dr", "shown", tenant="t", at=AT)
    other.communicate()
    assert other.returncode == 0
    assert verify(store).entries == 120 and verify(store).broken_at is None


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/records.db"
    command = [sys.executable, "-c", PROGRAM, url, "1000000"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = [running.stdout.readline() for _ in range(50)]
    running.kill()
    rest = running.stdout.read()
    told += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    running.wait()
    assert running.returncode == -9
    with Store.open(url, create=False) as store:
        found = verify(store)
        entries = Audit(store).entries("t", newest=10**6)
        assert found.broken_at is None
        assert len(told) >= 50 and found.entries - len(told) in (0, 1)  # one may not be told yet
        last = next(entry for entry in entries if entry.seq == len(told))
        assert last.hash in told[-1]
        assert Audit(store).write("dr", "after", tenant="t", at=AT).seq == found.entries + 1


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
exec(sys.argv[3].replace("for i in", "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, -1))\\n"
     "    for i in"))
"""


def test_a_file_that_may_not_grow_loses_nothing(tmp_path: Path) -> None:
    """The kernel refuses to write beyond 600 kB, as a full disk does."""
    url = f"sqlite:///{tmp_path}/records.db"
    command = [sys.executable, "-c", LIMITED, url, "1000000", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout.splitlines()
    assert "StoreUnavailable" in done.stderr
    assert "full" in done.stderr.splitlines()[-1]
    with Store.open(url, create=False) as store:
        assert verify(store).broken_at is None
        assert verify(store).entries == len(told) > 20
        assert Audit(store).write("dr", "room again", tenant="t", at=AT).seq == len(told) + 1


def test_the_writer_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
        audit, engine = Audit(store), store.access.engine
        audit.write("dr", "before", tenant="t", at=AT)
        size = store.access.read(lambda c: c.execute(text("PRAGMA page_count")).scalar())

        @event.listens_for(engine, "checkout")
        def limit(connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count={size + 6}")

        told: list[int] = []

        def fill() -> None:
            while len(told) < 1000:
                long = {"long": "x" * 900}
                told.append(audit.write("dr", "shown", tenant="t", detail=long, at=AT).seq)

        with pytest.raises(StoreUnavailable, match=r"^the database .* the disk is full") as said:
            fill()
        assert ". " not in str(said.value)
        assert 1 < told[-1] < 1000
        assert not [entry for entry in audit.entries("t", newest=2000) if entry.seq > told[-1]]
        event.remove(engine, "checkout", limit)
        engine.dispose()
        assert audit.write("dr", "after", tenant="t", at=AT).seq == told[-1] + 1
        assert verify(store).broken_at is None


def test_a_hundred_a_second_on_a_slow_disk(tmp_path: Path) -> None:
    """40 ms to a commit, as of a disk that turns; 40 requests wait at a time."""
    with Store.open(f"sqlite:///{tmp_path}/records.db") as store:
        event.listen(store.access.engine, "commit", lambda connection: time.sleep(0.04))
        audit = Audit(store)

        def work() -> None:
            for _ in range(5):
                audit.write("dr", "shown", tenant="t", at=AT)

        threads = [threading.Thread(target=work) for _ in range(40)]
        begun = time.perf_counter()
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        seconds = time.perf_counter() - begun
        assert audit.head().seq == 200
        assert 200 / seconds > 100
