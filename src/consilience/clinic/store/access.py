"""Reading and writing, for every kind of record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite

from consilience.clinic.store.errors import speaking
from consilience.clinic.store.place import Place
from consilience.clinic.store.writer import Writer

T = TypeVar("T")
Job = Callable[[Connection], Any]
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Access:
    """A way to the database; safe to share between threads.

    Parameters
    ----------
    engine : Engine
    place : Place
    database : str
        The database's own id.
    """

    def __init__(self, engine: Engine, place: Place, database: str) -> None:
        self.engine, self.place, self.database = engine, place, database
        self._writer = Writer(engine, place)

    def write(self, job: Callable[[Connection], T]) -> T:
        """Run a write; return only when it is on the disk. See `Writer.run`."""
        return self._writer.run(job)

    def write_all(self, jobs: Sequence[Job]) -> list[Any]:
        """Run writes that belong together, all or none, and return what each gives."""
        return self.write(lambda connection: [job(connection) for job in jobs])

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run a read, of one state of the database.

        Raises
        ------
        StoreUnavailable
            If it cannot be read.
        """
        with speaking(self.place.name):
            self.place.check()
            with self.engine.connect() as connection, connection.begin():
                return job(connection)

    def insert(self, table: Table) -> Any:
        """Return an INSERT that knows ``on_conflict_do_...``."""
        return _INSERTS[self.engine.dialect.name](table)

    def close(self) -> None:
        """Write what waits, and close all connections."""
        self._writer.close()
        self.engine.dispose()
