"""Who may sign in, and with what."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from consilience.clinic.store.access import Access
from consilience.clinic.store.instant import moment, stamp
from consilience.clinic.store.passwords import Passwords
from consilience.clinic.store.records import ROLES, Role, User
from consilience.clinic.store.tables import sessions, users
from consilience.errors import InputError, suggestion

FREE = 5  # failures before a name is locked
SHORTEST_LOCK, LONGEST_LOCK = 30, 15 * 60  # seconds
ONE_TIME = timedelta(hours=72)


class Users:
    """Users of every tenant; a name is one user's in the whole database.

    Parameters
    ----------
    access : Access
    passwords : Passwords, optional
        With other parameters than the usual ones.
    """

    def __init__(self, access: Access, passwords: Passwords | None = None) -> None:
        self._access = access
        self._passwords = passwords or Passwords()

    def add(self, name: str, password: str, role: Role, tenant: str) -> User:
        """Add a user who has chosen his password.

        Raises
        ------
        InputError
            If the name is taken, the role unknown, or the password weak.
        """
        Passwords.check(password)
        return self._add(name, password, role, tenant, until=None)

    def add_one_time(
        self, name: str, role: Role, tenant: str, at: datetime | None = None
    ) -> tuple[User, str]:
        """Add a user with a random password, which he must change at his first sign-in.

        It ends after `ONE_TIME`, changed or not.

        Returns
        -------
        tuple of User and str
            The password is told here and nowhere else.

        Raises
        ------
        InputError
            As `add`.
        """
        password = secrets.token_urlsafe(15)
        until = stamp(_now(at) + ONE_TIME)
        return self._add(name, password, role, tenant, until=until), password

    def reset(self, name: str, at: datetime | None = None) -> str:
        """Return a new one-time password for a user; his lock and his sessions end.

        Raises
        ------
        InputError
            If there is no such user.
        """
        password = secrets.token_urlsafe(15)
        self._set(name, password, until=stamp(_now(at) + ONE_TIME))
        return password

    def set_password(self, name: str, password: str) -> None:
        """Set the password that a user has chosen; his sessions end.

        Raises
        ------
        InputError
            If there is no such user, or the password is weak or the one he has.
        """
        Passwords.check(password)
        row = self._row(name)
        if row is not None and self._passwords.fits(row.password, password):
            raise InputError("the new password is the old one; choose another.")
        self._set(name, password, until=None)

    def check(self, name: str, password: str, at: datetime | None = None) -> User | None:
        """Return who signs in; None if name or password is wrong, or the name is locked.

        It takes as long for a name that is unknown. After `FREE` failures in a row a name is
        locked for `SHORTEST_LOCK` seconds, for twice as long after each further one, at most
        `LONGEST_LOCK`.

        Parameters
        ----------
        name, password : str
        at : datetime, optional
            Now.
        """
        row, now = self._row(name), _now(at)
        kept = self._passwords.nobody if row is None else row.password
        fits = self._passwords.fits(kept, password)
        if row is None or _locked(row, now):
            return None
        if not fits or (row.one_time_until is not None and row.one_time_until <= stamp(now)):
            self._access.write(lambda connection: _count_failure(connection, name, now))
            return None
        outdated = self._passwords.outdated(kept)
        fresh = self._passwords.hashed(password) if outdated else kept
        if outdated or row.failures:
            good = {"failures": 0, "locked_until": None, "password": fresh}
            statement = update(users).where(users.c.name == name).values(**good)
            self._access.write(lambda connection: connection.execute(statement))
        return _user(row)

    def get(self, name: str) -> User | None:
        """Return a user; None if there is none of that name."""
        row = self._row(name)
        return None if row is None else _user(row)

    def all(self, tenant: str) -> list[User]:
        """Return the users of a tenant, by name."""
        return self._found(select(users).where(users.c.tenant == tenant))

    def everyone(self) -> list[User]:
        """Return all users of all tenants, for whoever runs the service."""
        query = select(users).order_by(users.c.tenant, users.c.name)
        return [_user(row) for row in self._access.read(lambda c: c.execute(query).all())]

    def remove(self, name: str) -> None:
        """Remove a user; his sessions end at once, what he did stays in the audit log.

        Raises
        ------
        InputError
            If there is no such user.
        """

        def gone(connection: Connection) -> None:
            if not connection.execute(delete(users).where(users.c.name == name)).rowcount:
                raise InputError(f"there is no user {name!r}.")

        self._access.write(gone)

    def _add(self, name: str, password: str, role: Role, tenant: str, *, until: Any) -> User:
        if role not in ROLES:
            raise InputError(f"{role!r} is no role: {', '.join(ROLES)}.{suggestion(role, ROLES)}")
        if not name.strip() or len(name) > 200 or not name.isprintable():
            raise InputError("a user's name has 1 to 200 printable characters.")
        if self._row(name) is not None:
            raise InputError(f"there is a user {name!r} already.")
        row = {
            "name": name,
            "tenant": tenant,
            "role": role,
            "password": self._passwords.hashed(password),
            "one_time_until": until,
        }
        self._access.write(lambda connection: connection.execute(insert(users), row))
        return User(name, role, tenant, must_change=until is not None)

    def _set(self, name: str, password: str, *, until: str | None) -> None:
        fresh = {
            "password": self._passwords.hashed(password),
            "one_time_until": until,
            "failures": 0,
            "locked_until": None,
        }
        statement = update(users).where(users.c.name == name).values(**fresh)

        def change(connection: Connection) -> None:
            if not connection.execute(statement).rowcount:
                raise InputError(f"there is no user {name!r}.")
            connection.execute(delete(sessions).where(sessions.c.local == name))

        self._access.write(change)

    def _found(self, query: Select[Any]) -> list[User]:
        ordered = query.order_by(users.c.tenant, users.c.name)
        rows = self._access.read(lambda connection: connection.execute(ordered).all())
        return [_user(row) for row in rows]

    def _row(self, name: str) -> Row[Any] | None:
        query = select(users).where(users.c.name == name)
        return self._access.read(lambda connection: connection.execute(query).one_or_none())


def _count_failure(connection: Connection, name: str, now: datetime) -> None:
    """Count in the database, where several processes count together."""
    mine = users.c.name == name
    add = update(users).where(mine).values(failures=users.c.failures + 1)
    failures = connection.execute(add.returning(users.c.failures)).scalar_one_or_none()
    if failures is not None and failures >= FREE:
        seconds = min(SHORTEST_LOCK * 2 ** min(failures - FREE, 10), LONGEST_LOCK)
        until = stamp(now + timedelta(seconds=seconds))
        connection.execute(update(users).where(mine).values(locked_until=until))


def _locked(row: Row[Any], now: datetime) -> bool:
    """Say whether a name is locked; a clock that jumped back does not lock it for ever."""
    if row.locked_until is None:
        return False
    left = (moment(row.locked_until) - now).total_seconds()
    return 0 < left <= LONGEST_LOCK


def _user(row: Row[Any]) -> User:
    return User(row.name, row.role, row.tenant, row.one_time_until is not None)


def _now(at: datetime | None) -> datetime:
    return datetime.now(UTC) if at is None else at
