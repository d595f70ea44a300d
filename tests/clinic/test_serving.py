"""Where the service listens."""

from __future__ import annotations

import datetime
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.clinic.hooks.calls import labs_bundle

from consilience.clinic.serving import (
    Place,
    check_open,
    is_loopback,
    listening_socket,
    opened,
    watch,
)
from consilience.errors import InputError


def certificate(folder):
    """Write a certificate of our own and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, secret


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_tls(host):
    assert is_loopback(host)
    Place(host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "127.0.0.1.x"])
def test_any_other_address_is_refused_without_tls(host):
    with pytest.raises(InputError, match="--tls-cert"):
        Place(host).check()


def test_with_a_certificate_any_address_will_do(tmp_path):
    cert, key = certificate(tmp_path)
    place = Place("0.0.0.0", 443, cert, key)
    place.check()
    assert place.address == "https://0.0.0.0:443"


def test_a_certificate_that_cannot_be_used_is_named(tmp_path):
    cert, key = certificate(tmp_path)
    with pytest.raises(InputError, match=r"nowhere\.pem: there is no such file"):
        Place("0.0.0.0", tls_cert=tmp_path / "nowhere.pem", tls_key=key).check()
    with pytest.raises(InputError, match=r"cert\.pem: it and its key cannot be used"):
        Place("0.0.0.0", tls_cert=cert, tls_key=cert).check()
    with pytest.raises(InputError, match="--tls-key is given without"):
        Place(tls_key=key).check()


def test_open_hooks_are_for_loopback_alone(tmp_path):
    cert, key = certificate(tmp_path)
    check_open(True, Place())
    with pytest.raises(InputError, match="--open-hooks"):
        check_open(True, Place("0.0.0.0", tls_cert=cert, tls_key=key))


def test_a_port_in_use_is_named():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: nothing can listen"):
            listening_socket(Place(port=port))


def test_a_free_port_is_known_before_anything_is_served():
    place, listening = opened(Place(port=0))
    listening.close()
    assert place.port > 0
    assert place.address == f"http://127.0.0.1:{place.port}"


def test_an_ipv6_address_is_written_in_brackets():
    assert Place("::1", 8000).address == "http://[::1]:8000"


def test_the_folder_is_looked_at_until_stopped():
    class Counting:
        seen = 0

        def refresh(self):
            self.seen += 1
            if self.seen == 3:
                stop.set()

    stop, clinic = threading.Event(), Counting()
    watch(clinic, stop, every=0.001)
    assert clinic.seen == 3


def test_a_service_that_is_told_to_end_closes_its_database(tmp_path):
    """SQLite takes its log away when the last connection is closed."""
    command = [
        str(Path(sys.executable).parent / "consilience"),
        *("serve", str(labs_bundle(tmp_path / "bundle")), "--port", "0"),
        *("--db", f"sqlite:///{tmp_path}/clinic.db"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = running.stdout.readline().split()[-1]
        while httpx.get(f"{address}/health/ready").status_code != 200:
            pass
        assert (tmp_path / "clinic.db-wal").exists()
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    assert not (tmp_path / "clinic.db-wal").exists()
