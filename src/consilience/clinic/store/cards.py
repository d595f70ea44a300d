"""Cards that were shown, remembered so that an answer finds its patient."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from consilience.clinic.store.access import Access, Job
from consilience.clinic.store.instant import stamp
from consilience.clinic.store.records import Card
from consilience.clinic.store.tables import cards


class Cards:
    """Cards of every tenant.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def keep(
        self, tenant: str, uuid: str, patient: str, rule: str, model: str, at: datetime | str
    ) -> None:
        """Remember a card.

        Raises
        ------
        InputError
            If the tenant has a card with this uuid.
        """
        self.keep_all([Card(tenant, uuid, patient, rule, model, stamp(at))])

    def keep_all(self, shown: list[Card]) -> None:
        """Remember the cards of one answer, all or none.

        Raises
        ------
        InputError
            If a tenant has a card with such a uuid.
        """
        self._access.write(self.keeping(shown))

    def keeping(self, shown: list[Card]) -> Job:
        """Return what `keep_all` writes, to be written together with what belongs to it."""
        rows = [vars(card) | {"at": stamp(card.at)} for card in shown]
        return lambda connection: connection.execute(insert(cards), rows) if rows else None

    def get(self, tenant: str, uuid: str) -> Card | None:
        """Return a card; None if the tenant was shown no such card."""
        query = select(cards).where(cards.c.tenant == tenant, cards.c.uuid == uuid)
        row = self._access.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else Card(**row._mapping)
