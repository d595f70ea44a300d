"""Cookies: what a browser keeps of a session, out of reach of scripts and of other sites."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True)
class Cookies:
    """How this service's cookies are named and kept.

    Attributes
    ----------
    secure : bool
        Whether they travel over TLS alone; then their names say so too (``__Host-``, RFC
        6265bis 4.1.3.2), which keeps a neighbouring host from planting one.
    """

    secure: bool

    def name(self, what: str) -> str:
        """Return a cookie's name, such as that of "session"."""
        return f"{'__Host-' if self.secure else ''}consilience-{what}"

    def read(self, request: Request, what: str) -> str:
        """Return what the browser sent, an empty string if nothing."""
        return request.cookies.get(self.name(what), "")

    def keep(
        self, response: Response, what: str, value: str, seconds: int, *, lax: bool = False
    ) -> None:
        """Have the browser keep a value; `lax` also brings it when another site sends it here."""
        response.set_cookie(
            self.name(what),
            value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax" if lax else "strict",
        )

    def drop(self, response: Response, what: str) -> None:
        """Have the browser forget a value."""
        response.delete_cookie(
            self.name(what), path="/", secure=self.secure, httponly=True, samesite="strict"
        )


def form_token(secret: str) -> str:
    """Return the token that every form of a session carries.

    It follows from the session's own secret, which no other site can read, so that no
    second secret has to be kept (OWASP, HMAC-based token pattern).
    """
    return hmac.new(secret.encode(), b"consilience form", hashlib.sha256).hexdigest()


def is_form_token(secret: str, given: str) -> bool:
    """Return whether a form carries the session's token; nothing matches no session."""
    return bool(secret) and hmac.compare_digest(form_token(secret).encode(), given.encode())
