"""Who calls: a signed token on every call, checked before anything else is read.

CDS Hooks 2.0, "Trusting CDS Clients"; RFC 7515, 7517, 7518, 7519, and the advice of RFC 8725.
"""

from __future__ import annotations

import base64
import binascii
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consilience.clinic.hooks.body import plain_json
from consilience.clinic.hooks.keys import KeySource
from consilience.clinic.hooks.refusal import Refusal

# Asymmetric only; the key's type and curve are fixed by the algorithm, so that a public key
# can never be taken for a shared secret, nor an RSA key for one of a curve.
ALGORITHMS: dict[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
SMALLEST_RSA = 2048  # bits
LARGEST = 8192  # characters of a token
LEEWAY = 30  # seconds that two clocks may differ
LONGEST = 3600  # seconds that a token may live: its id must be remembered that long
STEP = 5  # seconds by which a clock may be set back without anybody minding

# (jti, issuer, expires, now) -> whether it was never seen before
FirstUse = Callable[[str, str, datetime, datetime], bool]


class ClockWatch:
    """Notices a clock that was set back.

    Ids of expired tokens are forgotten. Where a clock ran ahead, ids of tokens that are
    good again once it is set back were forgotten too, and those tokens could be used
    twice: after such a step only tokens that are younger than it are taken.
    """

    def __init__(self) -> None:
        self._latest = self._earliest = -math.inf
        self._lock = threading.Lock()

    def earliest(self, now: float) -> float:
        """Return when a token must have been issued, at the earliest."""
        with self._lock:
            if now < self._latest - STEP:
                self._earliest = now + LEEWAY
                self._latest = now
            self._latest = max(self._latest, now)
            return self._earliest


@dataclass(frozen=True)
class Caller:
    """Who signed a call.

    Attributes
    ----------
    tenant : str
        The issuer; whose patients he may see.
    who : str
        What the audit trail calls him.
    """

    tenant: str
    who: str


class TokenChecker:
    """Checks the token of a call.

    Parameters
    ----------
    issuers : mapping of str to str
        Who may call, to the file or address of his keys.
    first_use : callable
        Remembers a token's id; False if it was there.
    now : callable
        The clock.
    """

    def __init__(
        self, issuers: Mapping[str, str], first_use: FirstUse, now: Callable[[], datetime]
    ) -> None:
        self._sources = {issuer: KeySource(place) for issuer, place in issuers.items()}
        self._first_use = first_use
        self._now = now
        self._clock = ClockWatch()

    def check(self, header: str | None, audience: str) -> Caller:
        """Return who calls.

        Parameters
        ----------
        header : str, optional
            ``Authorization`` of the request.
        audience : str
            The address that was called; the token must be for it and no other.

        Raises
        ------
        Refusal
            401 if there is no token that can be believed; 503 if the keys cannot be had.
        """
        token = _bearer(header)
        head, claims = _unverified(token)
        source = self._source(head, claims)
        self._verify(token, head, source)
        issuer = claims["iss"]
        self._check_claims(claims, audience)
        remembered = datetime.fromtimestamp(claims["exp"] + LEEWAY + STEP, UTC)
        if not self._first_use(claims["jti"], issuer, remembered, self._now()):
            raise refused("the token was used before; sign a new one for every call.")
        subject = claims.get("sub")
        return Caller(issuer, subject if isinstance(subject, str) and subject else issuer)

    def _source(self, head: dict[str, Any], claims: dict[str, Any]) -> KeySource:
        """Where the issuer's keys are, before anything of the token is believed."""
        algorithm = head.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise refused(f"the token's algorithm must be one of {', '.join(ALGORITHMS)}.")
        if str(head.get("typ")).upper() != "JWT":
            raise refused("the token's type must be JWT.")
        if "crit" in head or "b64" in head:
            raise refused("the token asks for extensions that are not known here.")
        issuer = claims.get("iss")
        source = self._sources.get(issuer) if isinstance(issuer, str) else None
        if source is None:
            raise refused("the token's issuer is not among those that may call.")
        if "jku" in head and not (source.is_address and head["jku"] == source.place):
            raise refused("the token's keys are at an address that was not agreed on.")
        return source

    def _verify(self, token: str, head: dict[str, Any], source: KeySource) -> None:
        from joserfc import jws
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey, RSAKey

        kid = head.get("kid")
        found = source.find(kid) if isinstance(kid, str) and kid else None
        kind, curve = ALGORITHMS[head["alg"]]
        if found is None or not _fits(found, head["alg"], kind, curve):
            raise refused("the token's key is not among the issuer's.")
        public = {name: value for name, value in found.items() if name not in PRIVATE}
        try:
            key = (RSAKey if kind == "RSA" else ECKey).import_key(public)
            if isinstance(key, RSAKey) and key.raw_value.key_size < SMALLEST_RSA:
                raise refused(f"an RSA key must have at least {SMALLEST_RSA} bits.")
            jws.deserialize_compact(token, key, algorithms=[head["alg"]])
        except (JoseError, ValueError, TypeError) as problem:
            raise refused("the token's signature does not hold.") from problem

    def _check_claims(self, claims: dict[str, Any], audience: str) -> None:
        if claims.get("aud") not in (audience, [audience]):
            raise refused("the token is for another address than the one called.")
        now = self._now().timestamp()
        earliest = self._clock.earliest(now)
        issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
        if issued > now + LEEWAY or ("nbf" in claims and _moment(claims, "nbf") > now + LEEWAY):
            raise refused("the token is not valid yet; compare the clocks.")
        if expires <= now - LEEWAY:
            raise refused("the token has expired; sign a new one.")
        if issued < earliest:
            raise refused("the token is older than a change of the clock; sign a new one.")
        if not issued < expires <= issued + LONGEST:
            raise refused(f"a token must live, and for no longer than {LONGEST} seconds.")
        nonce = claims.get("jti")
        if not isinstance(nonce, str) or not 0 < len(nonce.strip()) <= 256:
            raise refused("the token has no id (jti).")


PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def refused(sentence: str) -> Refusal:
    """Return the refusal of a token."""
    return Refusal(401, sentence, {"WWW-Authenticate": "Bearer"})


def _bearer(header: str | None) -> str:
    scheme, _, token = (header or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refused("a signed token is needed: Authorization: Bearer.")
    if len(token) > LARGEST:
        raise refused("the token is too long.")
    return token.strip()


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims; nothing of them is believed yet."""
    parts = token.split(".")
    try:
        if len(parts) != 3:
            raise ValueError("not three parts")
        head, claims = (plain_json(_decoded(part)) for part in parts[:2])
    except (ValueError, RecursionError, binascii.Error) as problem:
        raise refused("the token cannot be read.") from problem
    if not isinstance(head, dict) or not isinstance(claims, dict):
        raise refused("the token cannot be read.")
    return head, claims


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _fits(key: dict[str, Any], algorithm: str, kind: str, curve: str | None) -> bool:
    """Whether a key may be used with an algorithm: type, curve, and what it says of itself."""
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
    )


def _moment(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"the token does not say its {name}.")
    if not 0 <= value < 2**40:  # nor is what is not finite, or too large for a float
        raise refused(f"the token's {name} is no time.")
    return float(value)
