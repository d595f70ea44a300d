"""An organisation's own sign-in: authorization code with PKCE, and an ID token that is checked.

OpenID Connect Core 1.0 (3.1), Discovery 1.0 (4.3); RFC 7636 (PKCE), RFC 9207 (`iss` in the
answer), and the advice of RFC 9700.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from consilience.clinic.store import User
from consilience.clinic.web.refusals import Refused
from consilience.clinic.web.roles import ROLES
from consilience.clinic.web.settings import OidcSettings
from consilience.errors import InputError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LEEWAY = 30  # seconds that two clocks may differ
PENDING = 600  # seconds to sign in over there
KEPT = 3600.0  # seconds that the description and the keys are kept
WAIT = 10.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TRY_AGAIN = "Signing in with your organisation did not work. Try again, or ask its administrator."


class Organisation:
    """One OpenID provider, as this service uses it.

    Parameters
    ----------
    settings : OidcSettings
    service : str
        This service's own address, without a slash at its end.

    Raises
    ------
    InputError
        If the issuer's address is not https, but for loopback.
    """

    def __init__(self, settings: OidcSettings, service: str) -> None:
        self.settings = settings
        self.redirect = f"{service.rstrip('/')}/sign-in/back"
        if not _safe(settings.issuer):
            raise InputError(f"oidc issuer {settings.issuer!r}: it must be an https address.")
        # The key lives as long as the process: who is half way in tries again after a restart.
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="consilience oidc")
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def begin(self) -> tuple[str, str]:
        """Return the provider's address to go to, and what the browser keeps meanwhile."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        question = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.redirect,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        place = self._endpoint("authorization_endpoint")
        kept = self._signer.dumps({"state": state, "nonce": nonce, "verifier": verifier})
        return f"{place}{'&' if '?' in place else '?'}{urlencode(question)}", str(kept)

    def finish(self, answer: Mapping[str, str], kept: str, now: datetime) -> User:
        """Return who came back.

        Parameters
        ----------
        answer : mapping of str to str
            Parameters with which the provider sent him back.
        kept : str
            What the browser kept since `begin`.
        now : datetime

        Raises
        ------
        Refused
            If the answer is not to a question of this browser, or the ID token does not hold.
        """
        try:
            pending = self._signer.loads(kept, max_age=PENDING)
        except BadData as reason:
            raise _refused() from reason
        same = secrets.compare_digest(pending["state"].encode(), answer.get("state", "").encode())
        issuer = answer.get("iss", self.settings.issuer)
        if not same or issuer != self.settings.issuer or "code" not in answer:
            raise _refused()
        token = self._exchange(answer["code"], pending["verifier"])
        return self._user(self._claims(token, pending["nonce"], now))

    def _exchange(self, code: str, verifier: str) -> str:
        """Return the ID token for a code."""
        question = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        secret = self.settings.client_secret
        own = None if secret is None else httpx.BasicAuth(self.settings.client_id, secret)
        place = self._endpoint("token_endpoint")

        def ask() -> httpx.Response:
            return httpx.post(place, data=question, auth=own, timeout=WAIT)

        token = _json(ask).get("id_token")
        if not isinstance(token, str):
            raise _refused()
        return token

    def _claims(self, token: str, nonce: str, now: datetime) -> dict[str, Any]:
        """Return the claims of an ID token that holds (Core 3.1.3.7)."""
        due = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = dict(self._decoded(token).claims)
            due.validate(claims)
        except (JoseError, ValueError) as reason:
            raise _refused() from reason
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self.settings.client_id) != (
            self.settings.client_id
        ):
            raise _refused()
        return claims

    def _decoded(self, token: str) -> jwt.Token:
        """Return a token whose signature holds; keys that were changed are fetched anew."""
        place = self._endpoint("jwks_uri")
        try:
            return jwt.decode(token, _keys(self._document(place)), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            keys = _keys(self._document(place, fresh=True))
            return jwt.decode(token, keys, algorithms=ALGORITHMS)

    def _user(self, claims: Mapping[str, Any]) -> User:
        """Return the user of an ID token; his role is the first of ours that his roles give."""
        value: Any = claims
        for part in self.settings.role_claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        given = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        roles = {self.settings.roles.get(one) for one in given if isinstance(one, str)}
        role = next((one for one in reversed(ROLES) if one in roles), None)
        if role is None:
            raise Refused(
                "Your organisation gave you no role here. Ask its administrator.",
                status=403,
                title="Not allowed",
            )
        name = claims.get(self.settings.name_claim)
        told = name if isinstance(name, str) and name.isprintable() and name else claims["sub"]
        # With the host, nobody from there can pass in the trail for somebody from here.
        host = urlsplit(self.settings.issuer).hostname
        return User(f"{told[:150]} ({host})", role, self.settings.tenant, local=False)

    def _endpoint(self, name: str) -> str:
        """Return an address of the provider's, from its description."""
        base = self.settings.issuer.rstrip("/")
        found = self._document(f"{base}/.well-known/openid-configuration")
        place = found.get(name)
        if found.get("issuer") != self.settings.issuer or not _safe(place):
            raise _refused()
        return str(place)

    def _document(self, place: str, *, fresh: bool = False) -> dict[str, Any]:
        """Return a document of the provider's, kept for a while."""
        with self._lock:
            at, known = self._kept.get(place, (float("-inf"), {}))
            if not fresh and time.monotonic() - at < KEPT:
                return known
        found = _json(lambda: httpx.get(place, timeout=WAIT))
        with self._lock:
            self._kept[place] = (time.monotonic(), found)
        return found


def _json(ask: Callable[[], httpx.Response]) -> dict[str, Any]:
    """Return the JSON object of an answer."""
    try:
        answer = ask()
        found = answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError) as reason:
        raise _refused(502) from reason
    if not isinstance(found, dict):
        raise _refused(502)
    return found


def _keys(document: dict[str, Any]) -> KeySet:
    """Return the provider's public keys for signatures; a shared secret among them is none."""
    keys = document.get("keys")
    usable = [
        key
        for key in (keys if isinstance(keys, list) else [])
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use") != "enc"
    ]
    return KeySet.import_key_set({"keys": usable})


def _safe(place: object) -> bool:
    """Return whether an address is https, or of this machine."""
    parts = urlsplit(place if isinstance(place, str) else "")
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _refused(status: int = 400) -> Refused:
    return Refused(TRY_AGAIN, status=status, title="Not signed in")
