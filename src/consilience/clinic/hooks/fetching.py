"""Fetching from a caller's FHIR server, with the token that he gave for it."""

from __future__ import annotations

import json
import time
from typing import Any

from consilience.clinic.hooks.prefetch import Fetch, Json
from consilience.errors import InputError

TIMEOUT = 2.0  # seconds for one read or search
LARGEST = 16 * 2**20  # bytes of an answer


def connect(server: str, token: str) -> Fetch:
    """Return what reads and searches on a FHIR server.

    Parameters
    ----------
    server : str
        Base address; the caller of this function has checked that it is allowed.
    token : str
        Sent to this server and no other: redirects are not followed.

    Returns
    -------
    callable
        From a filled template to what the server answers. It raises `InputError` if the
        server does not give it; the token stands in no sentence.
    """

    def fetch(query: str) -> Json:
        import httpx

        headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}
        try:
            with httpx.stream(
                "GET",
                f"{server}/{query}",
                headers=headers,
                timeout=TIMEOUT,
                follow_redirects=False,
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise InputError(f"the FHIR server answered {answer.status_code}.")
                told = json.loads(_body(answer.iter_bytes()))
        except (httpx.HTTPError, ValueError, RecursionError) as problem:
            raise InputError("the FHIR server did not give what was asked for.") from problem
        if not isinstance(told, dict):
            raise InputError("the FHIR server answered with no resource.")
        return told

    return fetch


def _body(chunks: Any) -> bytes:
    found = bytearray()
    ends = time.monotonic() + 2 * TIMEOUT
    for chunk in chunks:
        found += chunk
        if len(found) > LARGEST or time.monotonic() > ends:
            raise InputError("the FHIR server sends too much, or too slowly.")
    return bytes(found)
