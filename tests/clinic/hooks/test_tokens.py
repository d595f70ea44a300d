"""Who may call: every way of not being he is tried."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.clinic.hooks.calls import BASE, ISSUER, NOON, VIEW, Clock, Ehr, House, request, rsa

from consilience.clinic.hooks.keys import KeySource
from consilience.clinic.hooks.refusal import Refusal
from consilience.clinic.hooks.tokens import LARGEST, TokenChecker
from consilience.clinic.store import Store
from consilience.errors import InputError

PATH = "/cds-services"


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/tokens.db") as opened:
        yield opened


def checker(ehr: Ehr, store: Store, folder: Path) -> TokenChecker:
    keys = folder / "keys.json"
    keys.write_text(json.dumps(ehr.keys()), encoding="utf-8")
    return TokenChecker({ehr.issuer: str(keys)}, store.tokens.first_use, ehr.clock)


@pytest.fixture
def ehr() -> Ehr:
    return Ehr()


@pytest.fixture
def check(ehr, store, tmp_path):
    found = checker(ehr, store, tmp_path)

    def checking(token: str, path: str = PATH) -> Any:
        return found.check(f"Bearer {token}", BASE + path)

    return checking


def refused(check: Any, token: str, path: str = PATH) -> str:
    with pytest.raises(Refusal) as found:
        check(token, path)
    assert found.value.status == 401
    assert found.value.headers["WWW-Authenticate"] == "Bearer"
    return found.value.sentence


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_a_signed_token_is_believed(check, ehr):
    caller = check(ehr.token(PATH, sub="epic"))
    assert (caller.tenant, caller.who) == (ISSUER, "epic")
    assert check(ehr.token(PATH, aud=[BASE + PATH])).who == ISSUER


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", rsa),
        ("RS384", rsa),
        ("PS384", rsa),
        ("ES256", lambda: ECKey.generate_key("P-256", {"kid": "key-1"})),
        ("ES384", lambda: ECKey.generate_key("P-384", {"kid": "key-1"})),
    ],
)
def test_asymmetric_algorithms(algorithm, key, store, tmp_path):
    ehr = Ehr(algorithm=algorithm, key=key())
    assert checker(ehr, store, tmp_path).check(f"bearer {ehr.token(PATH)}", BASE + PATH)


def test_unsigned_tokens_are_refused(check, ehr):
    _, claims, signature = ehr.token(PATH).split(".")
    for name in ("none", "None", "NONE", "nOnE"):
        head = part({"alg": name, "typ": "JWT", "kid": ehr.kid})
        assert "algorithm" in refused(check, f"{head}.{claims}.")
        assert "algorithm" in refused(check, f"{head}.{claims}.{signature}")


def test_shared_secrets_are_refused(check, ehr):
    secret = OctKey.import_key("0" * 64, {"kid": ehr.kid})
    for name in ("HS256", "HS384", "HS512"):
        token = jwt.encode(
            {"alg": name, "kid": ehr.kid, "typ": "JWT"}, {"iss": ISSUER}, secret, [name]
        )
        assert "algorithm" in refused(check, token)


def test_a_public_key_is_never_a_shared_secret(store, tmp_path):
    """Algorithm confusion: HMAC with the text of the public RSA key."""
    ehr = Ehr(algorithm="RS384", key=rsa())
    check = checker(ehr, store, tmp_path).check
    claims = json.loads(_decoded(ehr.token(PATH).split(".")[1]))
    signed = part({"alg": "HS256", "kid": ehr.kid, "typ": "JWT"}) + "." + part(claims)
    for secret in (ehr.key.as_pem(private=False), json.dumps(ehr.keys()["keys"][0]).encode()):
        made = hmac.digest(secret, signed.encode(), "sha256")
        signature = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
        for name in ("HS256", "RS256"):
            head = part({"alg": name, "kid": ehr.kid, "typ": "JWT"})
            with pytest.raises(Refusal, match="algorithm" if name == "HS256" else "signature"):
                check(f"Bearer {head}.{part(claims)}.{signature}", BASE + PATH)


def test_key_and_algorithm_must_fit(store, tmp_path):
    ehr = Ehr()  # a key on P-384
    head, claims, signature = ehr.token(PATH).split(".")
    check = checker(ehr, store, tmp_path).check
    for name in ("ES256", "ES512", "RS256", "PS384"):
        other = part({"alg": name, "kid": ehr.kid, "typ": "JWT"})
        with pytest.raises(Refusal, match="key"):
            check(f"Bearer {other}.{claims}.{signature}", BASE + PATH)
    assert head


def test_a_key_for_another_use_or_algorithm_is_not_taken(store, tmp_path, ehr):
    for more in ({"use": "enc"}, {"alg": "ES256"}, {"kty": "oct", "k": "AAAA"}):
        keys = {"keys": [ehr.keys()["keys"][0] | more]}
        (tmp_path / "odd.json").write_text(json.dumps(keys), encoding="utf-8")
        found = TokenChecker(
            {ISSUER: str(tmp_path / "odd.json")}, store.tokens.first_use, ehr.clock
        )
        with pytest.raises(Refusal, match="key"):
            found.check(f"Bearer {ehr.token(PATH)}", BASE + PATH)


@pytest.mark.filterwarnings("ignore")  # joserfc warns of the key itself
def test_short_rsa_keys_are_refused(store, tmp_path):
    ehr = Ehr(algorithm="RS384", key=RSAKey.generate_key(1024, {"kid": "key-1"}))
    token = ehr.token(PATH)
    with pytest.raises(Refusal, match="2048 bits"):
        checker(ehr, store, tmp_path).check(f"Bearer {token}", BASE + PATH)


def test_another_issuer_is_refused(check, ehr):
    for issuer in (
        "https://evil.example/",
        ISSUER.rstrip("/"),
        ISSUER + " ",
        "",
        None,
        7,
        [ISSUER],
    ):
        assert "issuer" in refused(check, ehr.token(PATH, iss=issuer))


def test_another_key_under_the_same_id_is_refused(check):
    assert "signature" in refused(check, Ehr().token(PATH))


def test_an_unknown_or_missing_key_id_is_refused(check, ehr):
    for kid in ("other", "", None, 5, "../../keys"):
        head = {"alg": "ES384", "typ": "JWT"} | ({} if kid is None else {"kid": kid})
        _, claims, signature = ehr.token(PATH).split(".")
        assert refused(check, f"{part(head)}.{claims}.{signature}")


def test_two_keys_of_one_id_say_nothing(store, tmp_path, ehr):
    keys = {"keys": ehr.keys()["keys"] + Ehr().keys()["keys"]}
    (tmp_path / "two.json").write_text(json.dumps(keys), encoding="utf-8")
    found = TokenChecker({ISSUER: str(tmp_path / "two.json")}, store.tokens.first_use, ehr.clock)
    with pytest.raises(Refusal, match="key"):
        found.check(f"Bearer {ehr.token(PATH)}", BASE + PATH)


@pytest.mark.parametrize(
    "audience",
    [
        "https://evil.example/cds-services",
        BASE,
        BASE + PATH + "/",
        BASE + VIEW,
        BASE.upper() + PATH,
        [],
        [BASE + PATH, "https://evil.example"],
        {"aud": BASE + PATH},
        None,
        5,
    ],
)
def test_another_audience_is_refused(check, ehr, audience):
    assert "another address" in refused(check, ehr.token(PATH, aud=audience))


def test_a_token_for_one_service_opens_no_other(check, ehr):
    assert "another address" in refused(check, ehr.token(VIEW), PATH)


@pytest.mark.parametrize("at", ["exp", "iat", "jti"])
def test_required_claims(check, ehr, at):
    wrong = [None, "", True, float("nan"), [], {}, -5, 10**15]
    for value in wrong if at == "jti" else [*wrong, "soon", str(10**9)]:
        assert refused(check, ehr.token(PATH, **{at: value}))


def test_expired_and_early_tokens_are_refused(check, ehr):
    now = int(NOON.timestamp())
    assert "expired" in refused(check, ehr.token(PATH, iat=now - 400, exp=now - 31))
    assert "not valid yet" in refused(check, ehr.token(PATH, iat=now + 31))
    assert "not valid yet" in refused(check, ehr.token(PATH, nbf=now + 31))
    assert check(ehr.token(PATH, iat=now - 400, exp=now - 29))  # clocks differ a little
    assert check(ehr.token(PATH, iat=now + 29))


def test_tokens_that_live_too_long_are_refused(check, ehr):
    now = int(NOON.timestamp())
    assert "longer than" in refused(check, ehr.token(PATH, exp=now + 3601))
    assert "live" in refused(check, ehr.token(PATH, exp=now))


def test_a_token_is_used_once(check, ehr):
    token = ehr.token(PATH)
    assert check(token)
    assert "used before" in refused(check, token)
    assert "used before" in refused(check, ehr.token(PATH, jti=_claims(token)["jti"]))


def test_one_token_in_many_hands_is_used_once(check, ehr):
    token, taken = ehr.token(PATH), []

    def trying() -> None:
        try:
            taken.append(check(token))
        except Refusal:
            return

    threads = [threading.Thread(target=trying) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(taken) == 1


def test_a_clock_that_jumps_ahead_and_back_opens_no_door(check, ehr):
    token = ehr.token(PATH)
    assert check(token)
    ehr.clock.move(days=1)
    assert check(ehr.token(PATH))  # its use forgets the ids of tokens that expired
    assert "expired" in refused(check, token)
    ehr.clock.move(days=-1)
    assert "change of the clock" in refused(check, token)
    ehr.clock.move(seconds=31)
    assert refused(check, token)
    assert check(ehr.token(PATH))  # whoever signs anew may call again


def test_a_clock_that_jumps_back_forgives_nothing(check, ehr):
    token = ehr.token(PATH)
    assert check(token)
    ehr.clock.move(hours=-2)
    assert refused(check, token)
    assert "not valid yet" in refused(check, token)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer a.b",
        "Bearer a.b.c.d",
        "Bearer ...",
        "Bearer é.é.é",
        "Bearer " + "a" * (LARGEST + 1),
        "Bearer " + "a." * 2 + "b" * LARGEST,
        f"Bearer {part([1])}.{part([1])}.AAAA",
        "Bearer " + base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.AAAA",
    ],
)
def test_what_is_no_token_is_refused(store, tmp_path, ehr, header):
    with pytest.raises(Refusal) as found:
        checker(ehr, store, tmp_path).check(header, BASE + PATH)
    assert found.value.status == 401


def test_a_changed_token_is_refused(check, ehr):
    head, _, signature = ehr.token(PATH).split(".")
    forged = _claims(ehr.token(PATH)) | {"sub": "administrator"}
    assert "signature" in refused(check, f"{head}.{part(forged)}.{signature}")


def test_headers_that_ask_for_more_are_refused(check, ehr):
    for more in (
        {"crit": ["exp"]},
        {"b64": False},
        {"typ": "JOSE"},
        {"jku": "https://evil.example"},
    ):
        head = part({"alg": "ES384", "kid": ehr.kid, "typ": "JWT"} | more)
        _, claims, signature = ehr.token(PATH).split(".")
        assert refused(check, f"{head}.{claims}.{signature}")


def test_keys_in_the_token_are_not_looked_at(check):
    stranger = Ehr()
    head = {"jwk": stranger.keys()["keys"][0], "x5u": "https://evil.example"}
    assert "signature" in refused(check, stranger.token(PATH, head=head))


@pytest.fixture
def served_keys(ehr):
    """An address that serves keys, and how often it was asked."""
    asked: list[str] = []
    told = {"/keys": json.dumps(ehr.keys()).encode(), "/huge": b" " * (2**20 + 5)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = told.get(self.path)
            self.send_response(302 if body is None else 200)
            self.send_header("Location", "/keys")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_keys_at_an_address_are_fetched_once(served_keys, store, ehr):
    address, asked = served_keys
    found = TokenChecker({ISSUER: address + "/keys"}, store.tokens.first_use, ehr.clock)
    for head in ({}, {"jku": address + "/keys"}):
        assert found.check(f"Bearer {ehr.token(PATH, head=head)}", BASE + PATH)
    for kid in range(20):  # made-up ids do not make it fetch again and again
        with pytest.raises(Refusal):
            found.check(f"Bearer {Ehr(kid=f'k{kid}').token(PATH)}", BASE + PATH)
    assert asked == ["/keys"]
    with pytest.raises(Refusal, match="address that was not agreed on"):
        found.check(f"Bearer {ehr.token(PATH, head={'jku': address + '/other'})}", BASE + PATH)
    assert asked == ["/keys"]


@pytest.mark.parametrize("place", ["/huge", "/moved"])
def test_keys_that_cannot_be_had(served_keys, store, ehr, place):
    found = TokenChecker({ISSUER: served_keys[0] + place}, store.tokens.first_use, ehr.clock)
    with pytest.raises(Refusal) as refusal:
        found.check(f"Bearer {ehr.token(PATH)}", BASE + PATH)
    assert refusal.value.status == 503


def test_keys_must_come_over_https():
    with pytest.raises(InputError, match="https"):
        KeySource("http://keys.example.org/jwks")
    with pytest.raises(InputError, match="https"):
        KeySource("https://[::/jwks")
    assert KeySource("https://keys.example.org/jwks").is_address
    assert not KeySource("keys.json").is_address


def test_every_address_asks_for_a_token(house: House):
    for method, path in (("GET", PATH), ("POST", VIEW), ("POST", VIEW + "/feedback")):
        answer = house.client.request(method, path, json=request())
        assert answer.status_code == 401, path
        assert list(answer.json()) == ["error"]
        assert answer.headers["www-authenticate"] == "Bearer"


def test_tokens_may_be_left_out_only_where_that_was_said(opened):
    house = opened(open_hooks=True)
    assert house.client.get(PATH).status_code == 200
    assert house.client.get(PATH, headers={"Authorization": "Bearer x"}).status_code == 401
    assert house.client.get(PATH, headers=house.ehr.headers(PATH)).status_code == 200


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _claims(token: str) -> dict[str, Any]:
    return json.loads(_decoded(token.split(".")[1]))


def test_clock_of_tests_moves():
    clock = Clock()
    clock.move(seconds=5)
    assert (clock() - NOON).total_seconds() == 5


@pytest.mark.parametrize("algorithm", [["ES384"], {"ES384": 1}, None, 384, True])
def test_an_algorithm_that_is_no_text_is_refused(check, ehr, algorithm):
    head = {"alg": algorithm, "typ": "JWT", "kid": ehr.kid}
    _, claims, signature = ehr.token(PATH).split(".")
    token = f"{_encoded(json.dumps(head).encode())}.{claims}.{signature}"
    assert "algorithm must be one of" in refused(check, token)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", ["9" * 400, "9" * 5000, "1e400", "NaN", "-1", '"1"', "true"])
def test_times_that_are_none_are_refused(check, ehr, name, value):
    assert refused(check, _signed(ehr, f'"{name}": {value}'))


@pytest.mark.parametrize("name", ["jti", "sub"])
@pytest.mark.parametrize("text", [r"a\ud800", r"a\u0000b"])
def test_claims_that_no_database_can_hold_are_refused(check, ehr, name, text):
    assert "cannot be read" in refused(check, _signed(ehr, f'"{name}": "{text}"'))


def _signed(ehr: Ehr, more: str) -> str:
    """Return a token with one more claim, as written; of a name given twice the last counts."""
    payload = json.dumps(_claims(ehr.token(PATH)))[:-1] + f", {more}}}"
    header = {"alg": ehr.algorithm, "kid": ehr.kid, "typ": "JWT"}
    return jws.serialize_compact(header, payload.encode(), ehr.key, algorithms=[ehr.algorithm])


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
