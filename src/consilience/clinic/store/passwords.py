"""Passwords: how they are kept, and what one must be like."""

from __future__ import annotations

import threading
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from consilience.errors import InputError

SHORTEST, LONGEST = 12, 256
AT_ONCE = 2  # each takes 64 MiB


class Passwords:
    """Argon2id with the parameters of RFC 9106 (low memory), as argon2-cffi sets them.

    Parameters
    ----------
    hasher : PasswordHasher, optional
        With other parameters.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    @cached_property
    def nobody(self) -> str:
        """The hash that is checked for a name that is unknown, at the same effort."""
        return self.hashed("a password that nobody has")

    def hashed(self, password: str) -> str:
        """Return what is kept in place of a password."""
        with self._turn:
            return self._hasher.hash(_bytes(password))

    def fits(self, kept: str, password: str) -> bool:
        """Say whether a password is the one that was kept."""
        if len(password) > LONGEST:
            return False
        try:
            with self._turn:
                return self._hasher.verify(kept, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, kept: str) -> bool:
        """Say whether it was kept with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @staticmethod
    def check(password: str) -> None:
        """Raise `InputError` if a password is too short, too long, or one character."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise InputError(
                f"a password has {SHORTEST} to {LONGEST} characters; a sentence is a good one."
            )
        if len(set(password)) < 5:
            raise InputError("the password repeats a few characters; choose another.")


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
