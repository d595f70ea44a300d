"""People who may sign in are let in with a password that works once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilience.errors import InputError, listing, suggestion

if TYPE_CHECKING:
    from consilience.clinic.store import Store
    from consilience.clinic.store.records import Role

BYTES = 15  # 20 letters


@dataclass(frozen=True)
class OneTime:
    """A name, and the password with which its owner signs in once and sets his own."""

    name: str
    password: str


def first_administrator(store: Store) -> OneTime | None:
    """Return a new administrator if nobody may sign in yet, else None."""
    if store.users.everyone():
        return None
    return with_one_time_password(store, "administrator", "administrator", "local")


def with_one_time_password(
    store: Store, name: str, role: str, tenant: str, *, lasting: bool = False
) -> OneTime:
    """Add somebody who may sign in.

    Parameters
    ----------
    lasting : bool
        Whether the password goes on working; for a demonstration alone.

    Raises
    ------
    InputError
        If there is somebody of that name, or no such role.
    """
    from consilience.clinic.store.records import ROLES

    known: dict[str, Role] = {one: one for one in ROLES}
    if role not in known:
        raise InputError(f"role: {role!r} is none of {listing(ROLES)}.{suggestion(role, ROLES)}")
    if lasting:
        password = secrets.token_urlsafe(BYTES)
        store.users.add(name, password, known[role], tenant)
    else:
        _, password = store.users.add_one_time(name, known[role], tenant)
    return OneTime(name, password)
