"""Reading the audit log: its head, a page of it, all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from consilience.clinic.audit.entry import Entry, Head, canonical, genesis

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from consilience.clinic.store import Store

AT_ONCE = 1000


def head(connection: Connection, database: str) -> Head:
    """Return the newest entry's number and hash; of an empty log 0 and the genesis."""
    from sqlalchemy import select

    from consilience.clinic.store.tables import audit

    query = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Head(0, genesis(database)) if row is None else Head(row.seq, row.hash)


def newest_entries(
    store: Store,
    tenant: str,
    *,
    patient: str | None,
    who: str | None,
    most: int,
    before: int | None,
) -> list[Entry]:
    """Return the newest entries of a tenant, the newest first; see `Audit.entries`."""
    from sqlalchemy import select

    from consilience.clinic.store.tables import audit

    query = select(audit).where(audit.c.tenant == tenant)
    if patient is not None:
        query = query.where(audit.c.patient == patient)
    if who is not None:
        query = query.where(audit.c.who == who)
    if before is not None:
        query = query.where(audit.c.seq < before)
    query = query.order_by(audit.c.seq.desc()).limit(most)
    rows = store.access.read(lambda connection: connection.execute(query).all())
    return [entry_of(row) for row in rows]


def rows_of(store: Store, after: int = 0) -> Iterator[Row[Any]]:
    """Yield the rows of the log as they stand, in order, some at a time."""
    from sqlalchemy import select

    from consilience.clinic.store.tables import audit

    while True:
        query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(AT_ONCE)
        rows = store.access.read(partial(_rows, query))
        yield from rows
        if len(rows) < AT_ONCE:
            return
        after = rows[-1].seq


def _rows(query: Any, connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(query))


def entry_of(row: Row[Any]) -> Entry:
    """Return a row as an entry."""
    return Entry(**dict(row._mapping) | {"detail": json.loads(row.detail)})


def lines(store: Store) -> Iterator[str]:
    """Yield every entry as a line of JSON, in order, with its hash."""
    for row in rows_of(store):
        yield canonical(vars(entry_of(row)))
