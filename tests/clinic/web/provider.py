"""A small OpenID provider in a thread: discovery, keys, authorization with PKCE, tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT, SECRET = "consilience", "a shared secret"


@dataclass
class Provider:
    """What the provider knows; tests bend it."""

    issuer: str = ""
    key: Any = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1"}))
    algorithm: str = "ES256"
    claims: dict[str, Any] = field(default_factory=dict)
    said_issuer: str = ""
    at: float = field(default_factory=time.time)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    published: list[Any] = field(default_factory=list)

    def description(self) -> dict[str, Any]:
        return {
            "issuer": self.said_issuer or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def keys(self) -> dict[str, Any]:
        own = self.published or [self.key]
        return {"keys": [key.as_dict(private=False) for key in own]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Sign the person in at once, and lead back."""
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT and "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return f"{asked['redirect_uri']}?{back}"

    def token(self, asked: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """Return tokens for a code, once, to who can prove that he asked for it."""
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        begun = self.codes.pop(asked.get("code", ""), None)
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            begun is None
            or authorization != f"Basic {basic}"
            or challenge != begun["code_challenge"]
            or asked.get("redirect_uri") != begun["redirect_uri"]
        ):
            return None
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "u-1",
            "iat": int(self.at),
            "exp": int(self.at) + 300,
            "nonce": begun["nonce"],
            "preferred_username": "dr.house",
            "roles": ["clinician", "else"],
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        head = {"alg": self.algorithm, "kid": "k1"}
        signed = jwt.encode(head, claims, self.key, algorithms=[self.algorithm])
        return {"access_token": "none", "token_type": "Bearer", "id_token": signed}


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider on a free port of this machine."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _json(self, found: dict[str, Any] | None) -> None:
            body = json.dumps(found or {"error": "invalid_grant"}).encode()
            self.send_response(200 if found else 400)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("location", provider.authorize(asked))
                self.end_headers()
                return
            known = {
                "/.well-known/openid-configuration": provider.description,
                "/keys": provider.keys,
            }
            self._json(known[parts.path]())

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            asked = {name: values[0] for name, values in parse_qs(text).items()}
            self._json(provider.token(asked, self.headers.get("authorization", "")))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def another_key() -> Any:
    """Return a key that the provider never published."""
    return ECKey.generate_key("P-256", {"kid": "k1"})


def rsa_key() -> Any:
    return RSAKey.generate_key(2048, {"kid": "k1"})


def shared_key(text: str) -> Any:
    """Return a shared secret as a key, as somebody would who confuses algorithms."""
    return OctKey.import_key(text.encode(), {"kid": "k1"})
