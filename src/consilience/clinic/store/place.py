"""Where the records are: a file that must stay the same file, or a server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from consilience.clinic.store.records import StoreUnavailable
from consilience.errors import InputError


class Place(Protocol):
    """What the store asks of the place of its records."""

    url: URL

    @property
    def name(self) -> str:
        """What errors call it."""

    def prepare(self, *, create: bool) -> None:
        """See that it can be opened, and make it if it is new."""

    def check(self) -> None:
        """Raise `StoreUnavailable` if it is no longer what was opened."""


@dataclass
class SqliteFile:
    """A file; one that is new may be read by its owner alone.

    A file that is deleted or replaced can still be written by whoever has it open, and all
    of it would be lost: so every commit looks whether the path still names it.
    """

    url: URL
    path: Path
    _opened: tuple[int, int] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"the database {self.path}"

    def prepare(self, *, create: bool) -> None:
        """Make the file if it is new, and remember which file it is."""
        if self.path.is_dir():
            raise InputError(f"{self.name} is a folder; name a file.")
        if not self.path.exists():
            if not create:
                raise InputError(f"{self.name} is not there; check the path after sqlite:///.")
            self._make()
        self._opened = self._file()

    def check(self) -> None:
        """Raise if the path no longer names the file that was opened."""
        if self._file() != self._opened:
            raise StoreUnavailable(
                f"{self.name} was moved, removed or replaced while it was open; nothing was "
                "kept, put it back or start again."
            )

    def _make(self) -> None:
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as reason:
            raise InputError(
                f"{self.name} cannot be made ({reason.strerror}); check that its folder is there "
                "and may be written."
            ) from None

    def _file(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


@dataclass
class Server:
    """A PostgreSQL server, by URL."""

    url: URL

    @property
    def name(self) -> str:
        """What errors call it; without the password."""
        return f"the database {self.url.set(password=None).render_as_string()}"

    def prepare(self, *, create: bool) -> None:
        """Do nothing: the server makes its databases itself."""

    def check(self) -> None:
        """Do nothing: a server that is gone says so itself."""


def place_of(url: str) -> Place:
    """Return the place that a URL names.

    Raises
    ------
    InputError
        If it is no URL of a SQLite file or a PostgreSQL server.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise InputError(
            "the database is given as a URL: sqlite:///records.db or postgresql://user@server/name."
        ) from None
    kind = found.get_backend_name()
    if kind not in _PLACES:
        raise InputError(f"records are kept in sqlite or postgresql, not in {kind!r}.")
    return _PLACES[kind](found)


def _file_of(url: URL) -> Place:
    if url.database in (None, "", ":memory:") or "mode=memory" in str(url.database):
        raise InputError("records need a file, such as sqlite:///records.db.")
    return SqliteFile(url.set(drivername="sqlite"), Path(str(url.database)))


def _server_of(url: URL) -> Place:
    return Server(url.set(drivername="postgresql+psycopg"))


_PLACES = {"sqlite": _file_of, "postgresql": _server_of}
