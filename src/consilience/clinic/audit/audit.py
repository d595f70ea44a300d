"""The audit log: written to its end, never changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from consilience.clinic.audit.entry import Entry
from consilience.clinic.audit.reading import head, newest_entries
from consilience.clinic.store.instant import stamp

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from consilience.clinic.audit.entry import Head
    from consilience.clinic.store import Store
    from consilience.clinic.store.access import Job


class Audit:
    """Who was shown what, on which model, and what was answered.

    An entry is on the disk when `write` returns: show something only then.

    Parameters
    ----------
    store : Store

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC, datetime
    >>> from consilience.clinic.audit import Audit, verify
    >>> from consilience.clinic.store import Store
    >>> now = datetime(2026, 1, 31, 8, tzinfo=UTC)
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with Store.open(f"sqlite:///{place}/records.db") as store:
    ...         entry = Audit(store).write("dr", "shown", tenant="local", patient="p1", at=now)
    ...         print(entry.seq, verify(store).broken_at)
    1 None
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(
        self,
        who: str,
        action: str,
        *,
        tenant: str,
        patient: str | None = None,
        model: str | None = None,
        detail: dict[str, Any] | None = None,
        at: datetime | str,
    ) -> Entry:
        """Append an entry; return when it is on the disk.

        Parameters
        ----------
        who, action : str
            Somebody, and what he did or was shown.
        tenant : str
        patient, model : str, optional
            A patient's id; the fingerprint of a model.
        detail : dict, optional
            Further facts; what JSON can hold, and no name of a patient.
        at : datetime or str
            Now. The order of entries does not depend on it.

        Raises
        ------
        StoreUnavailable
            If it could not be committed: then it is not in the log.
        """
        job = self.writing(
            who, action, tenant=tenant, patient=patient, model=model, detail=detail, at=at
        )
        entry: Entry = self._store.access.write(job)
        return entry

    def writing(
        self,
        who: str,
        action: str,
        *,
        tenant: str,
        patient: str | None = None,
        model: str | None = None,
        detail: dict[str, Any] | None = None,
        at: datetime | str,
    ) -> Job:
        """Return what `write` writes, to be written together with what belongs to it."""
        draft = Entry(
            0, stamp(at), tenant, who, action, patient, model, dict(detail or {}), previous=""
        )
        draft.computed()  # what JSON cannot hold fails here, with whoever gave it
        return lambda connection: self._append(connection, draft)

    def entries(
        self,
        tenant: str,
        *,
        patient: str | None = None,
        who: str | None = None,
        newest: int = 100,
        before: int | None = None,
    ) -> list[Entry]:
        """Return the newest entries of a tenant, the newest first.

        Parameters
        ----------
        tenant : str
        patient, who : str, optional
            Only those about him, or by him.
        newest : int
            How many.
        before : int, optional
            Only those before this sequence number: the next page of a list.
        """
        return newest_entries(
            self._store, tenant, patient=patient, who=who, most=newest, before=before
        )

    def head(self) -> Head:
        """Return the newest entry's number and hash, to be kept outside the database."""
        return self._store.access.read(lambda connection: head(connection, self._store.database))

    def _append(self, connection: Connection, draft: Entry) -> Entry:
        from sqlalchemy import insert

        from consilience.clinic.audit.entry import canonical
        from consilience.clinic.store.engine import lock
        from consilience.clinic.store.tables import audit

        lock(connection)  # the head that is read stays the head until the commit
        last = head(connection, self._store.database)
        chained = replace(draft, seq=last.seq + 1, previous=last.hash)
        entry = replace(chained, hash=chained.computed())
        row = vars(entry) | {"detail": canonical(entry.detail)}
        connection.execute(insert(audit), row)
        return entry
