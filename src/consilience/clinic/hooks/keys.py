"""The public keys of a caller: from a file or an address that the operator named."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from consilience.clinic.hooks.refusal import Refusal
from consilience.errors import InputError

FRESH = 600.0  # seconds that fetched keys are believed
BETWEEN = 30.0  # seconds between two fetches, so that made-up key ids do not make us a hammer
LARGEST = 2**20  # bytes of a key set
TIMEOUT = 2.0  # seconds
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass
class KeySource:
    """Where the keys of one issuer are, and those last read.

    Parameters
    ----------
    place : str
        A file, or an address: https, or http on this machine.

    Raises
    ------
    InputError
        If the address is neither.
    """

    place: str
    _keys: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _read: float | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        try:
            address = urlsplit(self.place)
        except ValueError as reason:
            raise InputError(
                f"{self.place!r}: keys are in a file or at an https address."
            ) from reason
        if not self.is_address:
            return
        if address.scheme != "https" and address.hostname not in LOOPBACK:
            raise InputError(f"the keys at {self.place!r} must be fetched over https.")

    @property
    def is_address(self) -> bool:
        """Whether it is fetched, not read from a file."""
        return urlsplit(self.place).scheme in ("http", "https")

    def find(self, kid: str) -> dict[str, Any] | None:
        """Return the key with an id, or None; asks again at most once in a while.

        Raises
        ------
        Refusal
            503 if the keys cannot be had.
        """
        with self._lock:
            if self._older_than(FRESH) or (not self._has(kid) and self._older_than(BETWEEN)):
                self._keys, self._read = self._load(), time.monotonic()
            found = [key for key in self._keys if key.get("kid") == kid]
        return found[0] if len(found) == 1 else None  # an id shared by two keys says nothing

    def _older_than(self, seconds: float) -> bool:
        return self._read is None or time.monotonic() - self._read > seconds

    def _has(self, kid: str) -> bool:
        return any(key.get("kid") == kid for key in self._keys)

    def _load(self) -> list[dict[str, Any]]:
        try:
            told = json.loads(self._fetched() if self.is_address else Path(self.place).read_bytes())
            keys = told["keys"]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise Refusal(503, "the caller's keys cannot be read now; try again.") from problem
        return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []

    def _fetched(self) -> bytes:
        import httpx

        body = bytearray()
        ends = time.monotonic() + 2 * TIMEOUT  # a server that drips must not hold a worker
        try:
            # No redirects: they would lead to an address that nobody allowed.
            with httpx.stream("GET", self.place, timeout=TIMEOUT, follow_redirects=False) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise ValueError(f"status {answer.status_code}")
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > LARGEST or time.monotonic() > ends:
                        raise ValueError("too large, or too slow")
        except httpx.HTTPError as problem:
            raise OSError("the keys cannot be fetched") from problem
        return bytes(body)
