"""What the database cannot do, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from consilience.clinic.store.records import StoreUnavailable

_SQLITE = {
    "SQLITE_FULL": "the disk is full; nothing was kept, make room",
    "SQLITE_BUSY": "another program has held it locked too long; close that program",
    "SQLITE_LOCKED": "another program has held it locked too long; close that program",
    "SQLITE_READONLY": "it cannot be written; check who owns the file and its folder",
    "SQLITE_CANTOPEN": "it cannot be opened; check that the folder is there and may be written",
    "SQLITE_PERM": "it cannot be opened; check who owns the file and its folder",
    "SQLITE_AUTH": "it cannot be opened; check who owns the file and its folder",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
    "SQLITE_NOTADB": "the file is no SQLite database; name another",
    "SQLITE_IOERR": "the disk cannot be read or written (full, or failing); nothing was kept",
    "SQLITE_TOOBIG": "one record is too large to be kept",
}
_POSTGRES = {
    "53100": "its disk is full; nothing was kept, make room",
    "53": "it has no resources left; nothing was kept",
    "28": "it refuses the user or the password; check the URL",
    "3D": "it has no database of that name; create it or check the URL",
    "42501": "the user may not write there; grant it",
    "25006": "it is read-only; name the primary server",
    "55P03": "another program has held it locked too long; close that program",
    "57": "it was shut down or cancelled the request; nothing was kept",
    "08": "the connection to it was lost; nothing was kept",
}


@contextmanager
def speaking(where: str) -> Iterator[None]:
    """Turn errors of the database into one sentence without values of any patient.

    Raises
    ------
    StoreUnavailable
        In place of every error of the database.
    """
    try:
        yield
    except SQLAlchemyError as reason:
        raise StoreUnavailable(f"{where}: {said(reason)}.") from None


def said(reason: SQLAlchemyError) -> str:
    """Return what an error of the database means, without the statement and its values.

    An error can hide the one before it: SQLite undoes a whole transaction when the disk is
    full, and then there is no savepoint to return to.
    """
    found: BaseException | None = reason
    while found is not None:
        sentence = _known(found)
        if sentence:
            return sentence
        found = found.__context__
    origin = reason.orig if isinstance(reason, DBAPIError) else reason
    kind = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    kind = kind or type(origin).__name__
    return f"it cannot be reached or used ({kind}); check that it runs and the URL"


def _known(reason: BaseException) -> str:
    if isinstance(reason, NoConnectionFree):
        return "too many requests wait for it; try again in a moment"
    origin = reason.orig if isinstance(reason, DBAPIError) else None
    name = str(getattr(origin, "sqlite_errorname", ""))
    state = str(getattr(origin, "sqlstate", None) or "")
    sentences = [s for code, s in _SQLITE.items() if name.startswith(code)]
    sentences += [s for code, s in _POSTGRES.items() if state.startswith(code)]
    return sentences[0] if sentences else ""
