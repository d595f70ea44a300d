"""Listening: on loopback unless told otherwise, and in public only with TLS."""

from __future__ import annotations

import ipaddress
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from consilience.errors import InputError
from consilience.extras import require

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic

LONGEST_WAIT = 5  # seconds for answers under way when the service is stopped


@dataclass(frozen=True)
class Place:
    """Where a service listens.

    Attributes
    ----------
    host : str
    port : int
        0 takes a free one.
    tls_cert, tls_key : Path, optional
        PEM files.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def scheme(self) -> str:
        """How it is called: http, or https with a certificate."""
        return "http" if self.tls_cert is None else "https"

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def check(self) -> None:
        """Refuse a place where patients' data would travel in the clear.

        Raises
        ------
        InputError
            If the address is not loopback and there is no certificate, or the
            certificate cannot be used; naming the option.
        """
        if self.tls_cert is None and self.tls_key is not None:
            raise InputError("--tls-key is given without --tls-cert; give both.")
        if self.tls_cert is not None:
            _check_certificate(self.tls_cert, self.tls_key)
        elif not is_loopback(self.host):
            raise InputError(
                f"--host {self.host}: others could reach this address, and without TLS they could "
                "read what is said of patients; give --tls-cert and --tls-key, or listen on "
                "127.0.0.1 behind a proxy that speaks TLS."
            )


def check_open(open_hooks: bool, place: Place) -> None:
    """Refuse hooks without tokens where others could call them.

    Raises
    ------
    InputError
    """
    if open_hooks and not is_loopback(place.host):
        raise InputError(
            f"--open-hooks: at --host {place.host} anybody could ask; name callers with --issuer."
        )


def issuers_of(given: Sequence[str]) -> dict[str, str]:
    """Return who may call the hooks, from ISSUER=KEYS.

    Raises
    ------
    InputError
        If one is not in that form, or names an issuer twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, _, keys = text.partition("=")
        if not (name and keys):
            raise InputError(f"--issuer {text}: write it as ISSUER=KEYS, the keys a file or https.")
        if name in found:
            raise InputError(f"--issuer {name}: it is named twice.")
        found[name] = keys
    return found


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_certificate(cert: Path, key: Path | None) -> None:
    for option, path in (("--tls-cert", cert), ("--tls-key", key)):
        if path is not None and not path.is_file():
            raise InputError(f"{option} {path}: there is no such file.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as reason:
        raise InputError(
            f"--tls-cert {cert}: it and its key cannot be used ({reason}); both are PEM files, and "
            "belong together."
        ) from reason


def opened(place: Place) -> tuple[Place, socket.socket]:
    """Return a place with the port it has, and the socket that is open there.

    Raises
    ------
    InputError
        If the place will not do, or something listens there already.
    """
    place.check()
    listening = listening_socket(place)
    return replace(place, port=listening.getsockname()[1]), listening


def serve(
    clinic: Clinic, place: Place, listening: socket.socket, *, ready: Callable[[], None]
) -> None:
    """Answer until stopped by Ctrl-C or SIGTERM; what was counted is kept before it ends.

    Parameters
    ----------
    clinic : Clinic
    place : Place
    listening : socket
        Both as `opened` returns them.
    ready : callable
        Called once all is ready to answer.
    """
    uvicorn = require("uvicorn", extra="clinic", purpose="serving")
    from consilience.clinic.application import application

    config = uvicorn.Config(
        application(clinic),
        log_config=None,
        access_log=False,  # addresses alone, and those say nothing; who asked what is audited
        server_header=False,
        timeout_graceful_shutdown=LONGEST_WAIT,
        ssl_certfile=place.tls_cert,
        ssl_keyfile=place.tls_key,
    )
    ready()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _ended)  # uvicorn sends it on, once it has answered all
    stop = threading.Event()
    watcher = threading.Thread(target=watch, args=(clinic, stop), daemon=True)
    watcher.start()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        stop.set()
        watcher.join()
        clinic.close()


def _ended(number: int, frame: FrameType | None) -> NoReturn:
    """End the process in order; the signal itself would end it before anything is closed."""
    sys.exit(0)


def listening_socket(place: Place) -> socket.socket:
    """Return a bound socket.

    Raises
    ------
    InputError
        If something listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((place.host, place.port))
    except (OSError, OverflowError) as reason:
        listening.close()
        raise InputError(
            f"--host {place.host} --port {place.port}: nothing can listen there ({reason}); choose "
            "another port, or stop what listens."
        ) from reason
    listening.set_inheritable(True)
    return listening


def watch(clinic: Clinic, stop: Any, every: float = 2.0) -> None:
    """Serve a bundle that replaces the one in its folder; one that cannot be read is reported."""
    while not stop.wait(every):
        clinic.refresh()
