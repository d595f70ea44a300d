"""Tokens that were used: each may be used once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete

from consilience.clinic.store.access import Access
from consilience.clinic.store.instant import stamp
from consilience.clinic.store.tables import tokens


class Tokens:
    """The ids of tokens that were seen, until they expire.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def first_use(self, jti: str, issuer: str, expires: datetime, now: datetime) -> bool:
        """Note a token, and say whether this is the first time.

        Expired ones are forgotten on the way: they are refused for being expired. One that is
        expired already is never first, so that a clock that jumps opens no door.

        Parameters
        ----------
        jti, issuer : str
            As in the token.
        expires, now : datetime
            With time zones.
        """
        if expires <= now:
            return False
        row = {"jti": jti, "issuer": issuer, "expires": stamp(expires)}
        note = (
            self._access.insert(tokens)
            .values(**row)
            .on_conflict_do_nothing()
            .returning(tokens.c.jti)
        )

        def use(connection: Connection) -> bool:
            connection.execute(delete(tokens).where(tokens.c.expires <= stamp(now)))
            return connection.execute(note).one_or_none() is not None

        return self._access.write(use)
