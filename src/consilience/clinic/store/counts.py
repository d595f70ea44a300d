"""Counts of patients, which grow: of drift, by reference and period."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, select

from consilience.clinic.store.access import Access
from consilience.clinic.store.engine import lock
from consilience.clinic.store.tables import counts

PERIODS = 24  # kept of each reference


class CountsKept:
    """Counts by what they are compared with and by period; nothing of any single patient.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def change(self, reference: str, period: str, grown: Callable[[str | None], str]) -> None:
        """Replace a count by what it grows to; several processes count one after the other.

        Parameters
        ----------
        reference, period : str
        grown : callable
            Given what is kept (None: nothing yet), returns what is to be kept.
        """
        mine = (counts.c.reference == reference) & (counts.c.period == period)
        old = (
            select(counts.c.period)
            .where(counts.c.reference == reference)
            .order_by(counts.c.period.desc())
            .offset(PERIODS)
        )

        def grow(connection: Connection) -> None:
            lock(connection)
            kept = connection.execute(select(counts.c.body).where(mine)).scalar_one_or_none()
            body = grown(kept)
            row = {"reference": reference, "period": period, "body": body}
            keep = self._access.insert(counts).values(**row)
            keep = keep.on_conflict_do_update(
                index_elements=["reference", "period"], set_={"body": body}
            )
            connection.execute(keep)
            for gone in connection.execute(old).scalars().all():
                forget = (counts.c.reference == reference) & (counts.c.period == gone)
                connection.execute(delete(counts).where(forget))

        self._access.write(grow)

    def newest(self, reference: str, periods: int) -> dict[str, str]:
        """Return the newest counts of a reference, by period."""
        query = (
            select(counts)
            .where(counts.c.reference == reference)
            .order_by(counts.c.period.desc())
            .limit(periods)
        )
        rows = self._access.read(lambda connection: connection.execute(query).all())
        return {row.period: row.body for row in rows}
