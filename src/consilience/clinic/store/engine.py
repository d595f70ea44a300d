"""Connections that lose nothing that was committed, and the tables at first opening."""

from __future__ import annotations

import secrets
from importlib.util import find_spec
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text

from consilience.clinic.store import tables
from consilience.clinic.store.errors import speaking
from consilience.clinic.store.place import Place
from consilience.errors import InputError

WAIT = 5  # seconds for another process' lock
LOCK = 0x434F4E53  # the advisory lock on PostgreSQL: "CONS"
_PRAGMAS = (
    f"busy_timeout={WAIT * 1000}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "recursive_triggers=ON",
    "trusted_schema=OFF",
    "secure_delete=FAST",
)


def engine_of(place: Place) -> Engine:
    """Return an engine; it connects when it is first used."""
    return _ENGINES[place.url.get_backend_name()](place)


def _sqlite(place: Place) -> Engine:
    engine = create_engine(place.url, hide_parameters=True, pool_size=8, max_overflow=32)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        # The driver's own transactions begin too late for savepoints and for BEGIN IMMEDIATE.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(place: Place) -> Engine:
    if find_spec("psycopg") is None:
        raise InputError("PostgreSQL needs its driver: pip install 'psycopg[binary]'.")
    options = f"-c synchronous_commit=on -c lock_timeout={WAIT * 1000}"
    return create_engine(
        place.url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=32,
        pool_pre_ping=True,
        connect_args={"connect_timeout": WAIT, "options": options},
    )


_ENGINES = {"sqlite": _sqlite, "postgresql": _postgres}


def lock(connection: Connection) -> None:
    """Let one writer of the chain in at a time, until the transaction ends.

    SQLite's BEGIN IMMEDIATE has done so already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def made(engine: Engine, place: Place, *, create: bool) -> str:
    """Make the tables if they are not there, and return the database's own id.

    Raises
    ------
    InputError
        If a newer version has written it, or it holds something else.
    StoreUnavailable
        If it cannot be reached or written.
    """
    with (
        speaking(place.name),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
    ):
        lock(connection)
        names = set(inspect(connection).get_table_names())
        if names and "about" not in names:
            raise InputError(f"{place.name} holds something else; name another.")
        if not names and not create:
            raise InputError(f"{place.name} holds no records; check the URL.")
        if not names:
            _make(connection)
        known = {str(row.name): str(row.value) for row in connection.execute(select(tables.about))}
    _check_version(known, place)
    return known["database"]


def _make(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    guards = {"sqlite": tables.SQLITE_GUARDS, "postgresql": tables.POSTGRES_GUARDS}
    for guard in guards[connection.dialect.name]:
        connection.exec_driver_sql(guard)
    rows = {"schema_version": str(tables.SCHEMA_VERSION), "database": secrets.token_hex(16)}
    connection.execute(insert(tables.about), [{"name": k, "value": v} for k, v in rows.items()])


def _check_version(known: dict[str, str], place: Place) -> None:
    version = known.get("schema_version", "")
    if not version.isdigit() or "database" not in known:
        raise InputError(f"{place.name} holds something else; name another.")
    if int(version) > tables.SCHEMA_VERSION:
        raise InputError(
            f"{place.name} was written by a newer version of consilience (tables of version "
            f"{version}, this one knows {tables.SCHEMA_VERSION}); update consilience."
        )
