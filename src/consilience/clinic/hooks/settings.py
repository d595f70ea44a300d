"""What a hospital decides of the hooks, beside what it decides of the whole clinic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HookSettings:
    """How hooks are answered.

    Attributes
    ----------
    origins : tuple of str
        Web pages that a browser may call from (CORS), such as "https://ehr.example.org".
    fhir_servers : tuple of str
        Base addresses of FHIR servers that may be asked for what a call lacks. Any other
        address in a call is never contacted, whoever signed the call.
    largest_body : int
        Bytes of a request.
    workers : int
        Answers computed at a time.
    waiting : int
        Answers that may wait for a worker; a call beyond them is told to come back.
    """

    origins: tuple[str, ...] = ()
    fhir_servers: tuple[str, ...] = ()
    largest_body: int = 16 * 2**20
    workers: int = 2
    waiting: int = 64
