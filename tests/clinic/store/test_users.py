"""Signing in: passwords, lock-out, one-time passwords, sessions, tokens."""

from __future__ import annotations

import statistics
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from consilience.clinic.store import Store, User
from consilience.clinic.store.passwords import Passwords
from consilience.clinic.store.users import FREE, Users
from consilience.errors import InputError

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
GOOD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def users(store: Store) -> Users:
    """Users whose passwords cost little to check."""
    store.users = Users(store.access, Passwords(CHEAP))
    return store.users


def column(store: Store, name: str) -> str:
    query = text(f"SELECT {name} FROM users WHERE name = 'ann'")
    return store.access.read(lambda connection: connection.execute(query).scalar_one())


def test_the_right_password_signs_in(users: Users) -> None:
    ann = users.add("ann", GOOD, "clinician", "local")
    assert ann == User("ann", "clinician", "local")
    assert users.check("ann", GOOD) == users.get("ann") == ann
    assert users.check("ann", GOOD + "x") is None
    assert users.check("Ann", GOOD) is None
    assert users.check("ann", "") is None
    assert users.check("ann", GOOD * 10_000) is None
    bob = users.add("bob", GOOD, "auditor", "other")
    assert users.all("local") == [ann] and users.all("nowhere") == []
    assert users.everyone() == [ann, bob]


def test_only_a_slow_hash_is_kept(store: Store) -> None:
    """With the parameters of RFC 9106 for little memory: 64 MiB, 3 passes, 4 lanes."""
    store.users.add("ann", GOOD, "auditor", "local")
    kept = column(store, "password")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert GOOD not in kept


def test_the_hash_follows_todays_parameters(store: Store, users: Users) -> None:
    users.add("ann", GOOD, "clinician", "local")
    before = column(store, "password")
    dearer = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    later = Users(store.access, Passwords(dearer))
    assert later.check("ann", GOOD) is not None
    assert "t=1" in before and "t=2" in column(store, "password")
    assert later.check("ann", GOOD) is not None


def test_an_unknown_name_takes_as_long(store: Store) -> None:
    users = Users(store.access)
    users.add("ann", GOOD, "clinician", "local")
    users.check("nobody", "x")  # makes the hash that nobody has

    def seconds(name: str) -> float:
        begun = time.perf_counter()
        assert users.check(name, "not the password", AT) is None
        return time.perf_counter() - begun

    wrong, unknown = zip(*((seconds("ann"), seconds("bob")) for _ in range(4)), strict=True)
    assert 0.4 < statistics.median(unknown) / statistics.median(wrong) < 2.5


def test_failures_lock_for_longer_and_longer(users: Users) -> None:
    users.add("ann", GOOD, "clinician", "local")
    for _ in range(FREE - 1):
        users.check("ann", "wrong", AT)
    assert users.check("ann", GOOD, AT) is not None  # and counting starts anew
    for _ in range(FREE):
        users.check("ann", "wrong", AT)
    assert users.check("ann", GOOD, AT + timedelta(seconds=29)) is None
    later = AT + timedelta(seconds=31)
    assert users.check("ann", "wrong", later) is None
    assert users.check("ann", GOOD, later + timedelta(seconds=59)) is None
    assert users.check("ann", GOOD, later + timedelta(seconds=61)) is not None


def test_guesses_at_once_are_all_counted(users: Users) -> None:
    users.add("ann", GOOD, "clinician", "local")
    threads = [threading.Thread(target=users.check, args=("ann", "x", AT)) for _ in range(FREE)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert users.check("ann", GOOD, AT) is None


def test_a_lock_ends_although_the_clock_jumped(users: Users) -> None:
    users.add("ann", GOOD, "clinician", "local")
    for _ in range(FREE):
        users.check("ann", "wrong", AT + timedelta(days=4000))
    assert users.check("ann", GOOD, AT) is not None


def test_a_one_time_password_must_be_changed(store: Store, users: Users) -> None:
    ann, password = users.add_one_time("ann", "administrator", "local", AT)
    assert ann.must_change
    signed_in = users.check("ann", password, AT + timedelta(hours=71))
    assert signed_in is not None and signed_in.must_change
    token = store.sessions.open(signed_in, AT, timedelta(hours=100))
    assert store.sessions.get(token, AT).must_change
    assert users.check("ann", password, AT + timedelta(hours=73)) is None
    users.set_password("ann", GOOD)
    assert store.sessions.get(token, AT) is None
    assert users.check("ann", password, AT) is None
    assert users.check("ann", GOOD, AT) == User("ann", "administrator", "local")


def test_a_reset_ends_lock_and_sessions(store: Store, users: Users) -> None:
    token = store.sessions.open(users.add("ann", GOOD, "clinician", "local"), AT, timedelta(1))
    for _ in range(FREE):
        users.check("ann", "wrong", AT)
    fresh = users.reset("ann", AT)
    assert users.check("ann", GOOD, AT) is None
    assert store.sessions.get(token, AT) is None
    assert users.check("ann", fresh, AT).must_change


@pytest.mark.parametrize(
    ("name", "password", "role"),
    [
        ("ann", GOOD, "clinician"),
        ("bob", "short", "clinician"),
        ("bob", "aaaaaaaaaaaaaaaa", "clinician"),
        ("bob", "x y z" * 100, "clinician"),
        ("bob", GOOD, "king"),
        (" ", GOOD, "clinician"),
        ("b\nob", GOOD, "clinician"),
    ],
)
def test_what_cannot_be_a_user_is_said(users: Users, name: str, password: str, role: str) -> None:
    users.add("ann", GOOD, "clinician", "local")
    with pytest.raises(InputError) as told:
        users.add(name, password, role, "other")
    assert password not in str(told.value)
    assert len(users.all("local")) == 1 and users.all("other") == []


def test_changes_of_nobody_are_said(users: Users) -> None:
    for change in (lambda: users.reset("x"), lambda: users.remove("x")):
        with pytest.raises(InputError, match="no user 'x'"):
            change()
    users.add("ann", GOOD, "clinician", "local")
    with pytest.raises(InputError, match="old one"):
        users.set_password("ann", GOOD)


def test_of_a_session_only_the_hash_is_kept(store: Store, users: Users) -> None:
    ann = users.add("ann", GOOD, "clinician", "local")
    token = store.sessions.open(ann, AT, timedelta(hours=8))
    kept = store.access.read(lambda c: c.execute(text("SELECT * FROM sessions")).all())
    assert len(token) >= 43 and token not in str(kept)
    assert store.sessions.get(token, AT + timedelta(hours=7)) == ann
    assert store.sessions.get(token, AT + timedelta(hours=8)) is None
    assert store.sessions.get(token, AT - timedelta(seconds=1)) is None
    assert store.sessions.get(token + "x", AT) is None
    assert store.sessions.get("\ud800", AT) is None
    store.sessions.close(token)
    store.sessions.close(token)
    assert store.sessions.get(token, AT) is None


def test_removing_a_user_ends_his_sessions(store: Store, users: Users) -> None:
    token = store.sessions.open(users.add("ann", GOOD, "clinician", "local"), AT, timedelta(1))
    users.remove("ann")
    assert store.sessions.get(token, AT) is None


def test_a_user_of_another_service_has_a_session_too(store: Store) -> None:
    other = User("ann@hospital", "auditor", "local", local=False)
    token = store.sessions.open(other, AT, timedelta(hours=1))
    assert store.sessions.get(token, AT) == other


def test_expired_sessions_are_swept(store: Store) -> None:
    other = User("ann@hospital", "auditor", "local", local=False)
    for _ in range(3):
        store.sessions.open(other, AT, timedelta(hours=1))
    store.sessions.open(other, AT + timedelta(hours=2), timedelta(hours=1))
    count = text("SELECT count(*) FROM sessions")
    assert store.access.read(lambda connection: connection.execute(count).scalar()) == 1


def test_a_token_is_used_once(store: Store) -> None:
    until = AT + timedelta(minutes=5)
    assert store.tokens.first_use("j1", "iss", until, AT)
    assert not store.tokens.first_use("j1", "iss", until, AT)
    assert store.tokens.first_use("j1", "another issuer", until, AT)
    assert store.tokens.first_use("j2", "iss", until, AT)
    assert not store.tokens.first_use("j3", "iss", AT, AT)


def test_of_many_at_once_one_is_first(store: Store) -> None:
    until, first = AT + timedelta(minutes=5), []
    use = lambda: first.append(store.tokens.first_use("j", "iss", until, AT))  # noqa: E731
    threads = [threading.Thread(target=use) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(first) == [False] * 11 + [True]


def test_expired_tokens_are_forgotten_and_still_refused(store: Store) -> None:
    until = AT + timedelta(minutes=5)
    store.tokens.first_use("j1", "iss", until, AT)
    store.tokens.first_use("j2", "iss", until + timedelta(hours=1), until)
    count = text("SELECT count(*) FROM tokens")
    assert store.access.read(lambda connection: connection.execute(count).scalar()) == 1
    assert not store.tokens.first_use("j1", "iss", until, until)
