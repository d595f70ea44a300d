"""Patients' records from a FHIR server: SMART Backend Services, paging, retries, limits.

SMART App Launch 2.0, "Backend Services" and "Client Authentication: Asymmetric"
(https://hl7.org/fhir/smart-app-launch/backend-services.html): the client proves itself by a
JWT signed with its private key, and gets a token that is used until it expires.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from consilience.clinic.fhir.resources import READ_TYPES, Limits
from consilience.errors import InputError
from consilience.extras import require

if TYPE_CHECKING:
    import httpx

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_AGAIN = frozenset({429, 503})
_ALGORITHMS = {"EC": "ES384", "RSA": "RS384"}
_EARLY = 30.0  # seconds before a token expires that it is no longer used
_PAGES = 1000

Json = dict[str, Any]


@dataclass(frozen=True)
class BackendClient:
    """Who asks a FHIR server, and how it is proved.

    Attributes
    ----------
    id : str
        As registered with the server.
    token_url : str
        Where tokens are given.
    key : mapping
        The private key as a JWK: EC on P-384 (ES384) or RSA (RS384); with its ``kid``.
    scope : str
    """

    id: str
    token_url: str
    key: Mapping[str, Any]
    scope: str = "system/*.rs"

    def assertion(self, now: float) -> str:
        """Return a JWT that proves who asks, good for five minutes and one use.

        Raises
        ------
        InputError
            If the key is none of those, or not private.
        """
        require("joserfc", extra="clinic", purpose="asking a FHIR server")
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import import_key

        algorithm = _ALGORITHMS.get(str(self.key.get("kty")))
        curve_fits = algorithm != "ES384" or self.key.get("crv") == "P-384"
        if algorithm is None or not curve_fits or "d" not in self.key:
            raise InputError("the key must be a private JWK, EC on P-384 or RSA.")
        header = {"alg": algorithm, "typ": "JWT"}
        header |= {"kid": str(self.key["kid"])} if "kid" in self.key else {}
        claims = {"iss": self.id, "sub": self.id, "aud": self.token_url}
        claims |= {"exp": int(now) + 300, "iat": int(now), "jti": str(uuid.uuid4())}  # type: ignore[dict-item]
        try:
            return jwt.encode(header, claims, import_key(dict(self.key)), algorithms=[algorithm])
        except (JoseError, ValueError) as reason:
            raise InputError("the key must be a private JWK, EC on P-384 or RSA.") from reason


class FhirServer:
    """A FHIR R4 server.

    Parameters
    ----------
    url : str
        Its base address; https, unless it is on this machine.
    token : str, optional
        A bearer token, if one is at hand.
    client : BackendClient, optional
        To get tokens, by SMART Backend Services.
    timeout : float
        Seconds to wait for an answer.
    tries : int
        How often a request is made where the server is busy (429, 503) or not there.
    limits : Limits
        Of one patient's record.

    Raises
    ------
    InputError
        If an address is not https, or both token and client are given.

    Examples
    --------
    >>> from consilience.clinic.fhir.server import FhirServer
    >>> FhirServer("http://hospital.example/fhir")
    Traceback (most recent call last):
        ...
    consilience.errors.InputError: http://hospital.example: a FHIR server is asked by https only.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        client: BackendClient | None = None,
        timeout: float = 30.0,
        tries: int = 4,
        limits: Limits = Limits(),  # noqa: B008
    ) -> None:
        if token is not None and client is not None:
            raise InputError("give either a token, or a client that gets one.")
        for address in (url, *([client.token_url] if client else [])):
            check_secure(address)
        connect = require("httpx", extra="clinic", purpose="asking a FHIR server").Client
        self._base = url.rstrip("/") + "/"
        self._token, self._until = token, float("inf")
        self._client, self._tries, self._limits = client, max(1, tries), limits
        # Redirects are not followed: one could lead a token to another host.
        self._http: httpx.Client = connect(timeout=timeout, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def everything(self, patient: str) -> Json:
        """Return a patient's record as one Bundle: ``Patient/[id]/$everything``, all pages.

        Parameters
        ----------
        patient : str
            His logical id on the server.

        Raises
        ------
        InputError
            If the id is none, the server refuses or does not answer, an answer is no Bundle
            or too large, or its next page lies on another server.
        """
        if not _is_id(patient):
            raise InputError("that is no FHIR id: letters, digits, '-' and '.', 64 at most.")
        types = ",".join(READ_TYPES)
        address: str | None = f"{self._base}Patient/{patient}/$everything?_type={types}"
        entries: list[Any] = []
        size, seen = 0, set[str]()
        while address is not None:
            if address in seen or len(seen) >= _PAGES:
                raise InputError(f"{self._host}: its pages do not end.")
            seen.add(address)
            page, length = self._page(address)
            size += length
            entries += _entries(page, self._host)
            if size > self._limits.bytes or len(entries) > self._limits.resources:
                raise InputError(f"{self._host}: the record is larger than is read of one patient.")
            address = self._next(page, address)
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    @property
    def _host(self) -> str:
        return urlsplit(self._base).netloc

    def _next(self, page: Json, address: str) -> str | None:
        """Return the next page's address; one on another server is refused."""
        links = page.get("link")
        for link in links if isinstance(links, list) else []:
            if isinstance(link, dict) and link.get("relation") == "next":
                found = urljoin(address, str(link.get("url", "")))
                if _origin(found) != _origin(self._base):
                    raise InputError(f"{self._host}: its next page lies on another server.")
                return found
        return None

    def _page(self, address: str) -> tuple[Json, int]:
        answer = self._asked("GET", address)
        try:
            page = json.loads(answer)
        except (ValueError, RecursionError) as reason:
            raise InputError(f"{self._host}: its answer is not JSON.") from reason
        if not isinstance(page, dict) or page.get("resourceType") != "Bundle":
            raise InputError(f"{self._host}: its answer is no FHIR Bundle.")
        return page, len(answer)

    def _asked(self, method: str, address: str, form: Json | None = None) -> bytes:
        """Return an answer's bytes; what is busy is asked again, after as long as it says."""
        import httpx

        where, status = urlsplit(address).netloc, 0
        for attempt in range(self._tries):
            headers = {"Accept": "application/fhir+json, application/json"}
            if form is None and (token := self._bearer()):
                headers["Authorization"] = f"Bearer {token}"
            try:
                with self._http.stream(method, address, headers=headers, data=form) as answer:
                    status = answer.status_code
                    if status == 200:
                        return self._whole(answer, where)
                    wait = answer.headers.get("Retry-After", "")
            except (httpx.HTTPError, httpx.InvalidURL):
                status, wait = 0, ""
            if status and status not in _AGAIN:
                break
            if attempt + 1 < self._tries:
                time.sleep(_pause(wait, attempt))
        said = f"it answered {status}" if status else "it does not answer"
        raise InputError(f"{where}: {said}.")

    def _whole(self, answer: httpx.Response, where: str) -> bytes:
        """Return an answer, unless it grows too large: what is packed is counted unpacked."""
        parts, size = [], 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > self._limits.bytes:
                raise InputError(f"{where}: the record is larger than is read of one patient.")
            parts.append(part)
        return b"".join(parts)

    def _bearer(self) -> str | None:
        if self._client is None:
            return self._token
        if self._token is None or time.time() >= self._until:
            self._token, self._until = self._new_token(self._client)
        return self._token

    def _new_token(self, client: BackendClient) -> tuple[str, float]:
        now = time.time()
        form = {
            "grant_type": "client_credentials",
            "scope": client.scope,
            "client_assertion_type": _ASSERTION,
            "client_assertion": client.assertion(now),
        }
        where = urlsplit(client.token_url).netloc
        try:
            said = json.loads(self._asked("POST", client.token_url, form))
            token, lasts = str(said["access_token"]), float(said.get("expires_in", 300))
        except (ValueError, KeyError, TypeError, RecursionError) as reason:
            if isinstance(reason, InputError):
                raise
            raise InputError(f"{where}: its answer holds no access token.") from reason
        return token, now + max(0.0, lasts - _EARLY)


def check_secure(address: str) -> None:
    """Refuse the address of a server to which patients' data or tokens would go in the clear.

    Raises
    ------
    InputError
        If it is not https, or http on this machine; naming no user and no password.
    """
    try:
        parts = urlsplit(address)
        where = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    except ValueError as reason:
        raise InputError(
            "that is no address of a FHIR server, such as https://host/fhir."
        ) from reason
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.username or not parts.hostname or not (parts.scheme == "https" or local):
        where = where.removesuffix(":None")
        raise InputError(f"{where}: a FHIR server is asked by https only.")


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    ports = {"https": 443, "http": 80}
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port or ports.get(parts.scheme)


def _is_id(text: str) -> bool:
    plain = text.isascii() and text.replace("-", "").replace(".", "").isalnum()
    return plain and len(text) <= 64


def _entries(page: Json, host: str) -> list[Any]:
    entries = page.get("entry") or []
    if not isinstance(entries, list):
        raise InputError(f"{host}: its answer is no FHIR Bundle.")
    return entries


def _pause(wait: str, attempt: int) -> float:
    """Return how long to wait: as told, else longer each time; never above half a minute."""
    return min(30.0, float(wait) if wait.isdigit() else 0.25 * 2**attempt)
