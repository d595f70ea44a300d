"""Databases to test with: a SQLite file each, and a PostgreSQL server where one can be had."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GIVEN = "CONSILIENCE_TEST_POSTGRES"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the URL of a server, ending in its host: the one given, or one of our own."""
    if given := os.environ.get(GIVEN):
        yield given.rstrip("/")
        return
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip(f"no PostgreSQL: {GIVEN} is not set, and none is installed")
    if os.getuid() == 0 and not _has_user("postgres"):
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    place = Path(tempfile.mkdtemp(prefix="pg"))
    who = {"user": "postgres"} if os.getuid() == 0 else {}
    try:
        if who:
            shutil.chown(place, "postgres")
        yield from _running(programs[-1].parent, place, who)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _running(programs: Path, place: Path, who: dict[str, str]) -> Iterator[str]:
    data = place / "data"
    start = [programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*start, "--no-sync"], check=True, capture_output=True, cwd=place, **who)
    # Over a socket in its own folder: no port can be taken already.
    options = f"-c listen_addresses= -c unix_socket_directories={place} -c shared_buffers=16MB"
    control = [programs / "pg_ctl", "-D", data, "-w", "-l", place / "log"]
    subprocess.run(
        [*control, "-o", options, "start"], check=True, capture_output=True, cwd=place, **who
    )
    try:
        yield f"postgresql://tester@/{{name}}?host={place}"
    finally:
        stop = [*control, "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, capture_output=True, cwd=place, **who)


def new_database(server: str) -> str:
    """Make an empty database and return its URL."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    form = server if "{name}" in server else f"{server}/{{name}}"
    with psycopg.connect(form.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return form.format(name=name)


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
