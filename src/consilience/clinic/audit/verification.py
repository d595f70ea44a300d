"""Whether the audit log is as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consilience.clinic.audit.entry import Head, canonical, genesis
from consilience.clinic.audit.reading import entry_of, rows_of

if TYPE_CHECKING:
    from sqlalchemy import Row

    from consilience.clinic.store import Store


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes
    ----------
    entries : int
        How many were read, up to the break.
    broken_at : int or None
        The first sequence number at which the log is not as it was written.
    sentence : str
        The same in words, and what could not be told.
    head : Head
        Of the entries that are in order; keep it elsewhere for the next time.
    """

    entries: int
    broken_at: int | None
    sentence: str
    head: Head


def verify(store: Store, known: Iterable[Head] = ()) -> Verification:
    """Read the whole log and compute every hash again.

    It finds an entry that was changed, removed, inserted or moved. Entries removed from the
    end, and a log whose hashes were all computed anew by somebody who may write to the
    database, are found only against a head that was kept elsewhere.

    Parameters
    ----------
    store : Store
    known : iterable of Head
        Heads that were noted before (`Audit.head`), each of this database.

    Returns
    -------
    Verification
    """
    anchors = {one.seq: one.hash for one in known}
    last = Head(0, genesis(store.database))
    if anchors.get(0, last.hash) != last.hash:
        return Verification(0, 1, "Broken: the noted head is of another database.", last)
    for row in rows_of(store):
        wrong = _wrong(row, last, anchors)
        if wrong:
            return Verification(last.seq, last.seq + 1, wrong, last)
        last = Head(row.seq, row.hash)
    if max(anchors, default=0) > last.seq:
        sentence = (
            f"Broken: the log ends at entry {last.seq}, but entry {max(anchors)} was noted: "
            "entries were removed from its end."
        )
        return Verification(last.seq, last.seq + 1, sentence, last)
    return Verification(last.seq, None, _whole(last, bool(anchors), _unguarded(store)), last)


def _wrong(row: Row[Any], last: Head, anchors: dict[int, str]) -> str:
    """Return what is wrong with an entry, empty if nothing."""
    due = last.seq + 1
    if row.seq != due:
        missing = f"entry {due} is" if row.seq == due + 1 else f"entries {due} to {row.seq - 1} are"
        return f"Broken at entry {due}: {missing} missing."
    if row.previous != last.hash:
        return f"Broken at entry {due}: it does not follow the one before (inserted or moved)."
    try:
        entry = entry_of(row)
    except (json.JSONDecodeError, TypeError):
        return f"Broken at entry {due}: its detail is no JSON."
    if entry.computed() != row.hash or canonical(entry.detail) != row.detail:
        return f"Broken at entry {due}: it was changed."
    if anchors.get(due, row.hash) != row.hash:
        return (
            f"Broken at or before entry {due}: it is not the one that was noted; the log was "
            "written anew."
        )
    return ""


def _whole(last: Head, anchored: bool, unguarded: list[str]) -> str:
    against = (
        "It agrees with what was noted before."
        if anchored
        else "Without a head noted before, entries removed from the end would not be seen."
    )
    guards = f" The database no longer has its guards {', '.join(unguarded)}." if unguarded else ""
    return f"{last.seq:,} entries, each follows the one before. {against}{guards}"


def _unguarded(store: Store) -> list[str]:
    """Return the triggers on the audit table that somebody has removed."""
    from sqlalchemy import text

    from consilience.clinic.store.tables import TRIGGERS

    queries = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'",
        "postgresql": (
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit'::regclass "
            "AND NOT tgisinternal AND tgenabled <> 'D'"
        ),
    }
    query = text(queries[store.access.engine.dialect.name])
    there = store.access.read(lambda connection: connection.execute(query).scalars().all())
    return [name for name in TRIGGERS if name not in set(there)]
