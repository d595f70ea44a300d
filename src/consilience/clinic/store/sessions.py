"""Sessions of the page: of a token only its hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from consilience.clinic.store.access import Access
from consilience.clinic.store.instant import stamp
from consilience.clinic.store.records import User
from consilience.clinic.store.tables import sessions, users


class Sessions:
    """Who is signed in.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def open(self, user: User, at: datetime, lifetime: timedelta) -> str:
        """Return a new token (256 random bits); it is kept nowhere but with the user."""
        token = secrets.token_urlsafe(32)
        row = {
            "token": _hash(token),
            "name": user.name,
            "role": user.role,
            "tenant": user.tenant,
            "local": user.name if user.local else None,
            "opened": stamp(at),
            "expires": stamp(at + lifetime),
        }

        def begin(connection: Connection) -> None:
            connection.execute(delete(sessions).where(sessions.c.expires <= stamp(at)))
            connection.execute(insert(sessions), row)

        self._access.write(begin)
        return token

    def get(self, token: str, at: datetime) -> User | None:
        """Return who holds a token, as he is now; None if it is unknown or expired.

        A session from the future is none: a clock set back does not lengthen it.
        """
        query = (
            select(sessions, users.c.role.label("now"), users.c.one_time_until)
            .outerjoin(users, sessions.c.local == users.c.name)
            .where(
                sessions.c.token == _hash(token),
                sessions.c.opened <= stamp(at),
                sessions.c.expires > stamp(at),
            )
        )
        row = self._access.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        must_change = row.one_time_until is not None
        local = row.local is not None
        return User(row.name, row.now or row.role, row.tenant, must_change, local)

    def close(self, token: str) -> None:
        """End a session; one that is unknown is ended already."""
        mine = delete(sessions).where(sessions.c.token == _hash(token))
        self._access.write(lambda connection: connection.execute(mine))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
