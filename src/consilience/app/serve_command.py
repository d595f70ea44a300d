"""`consilience serve`: decision support on a bundle."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from socket import socket

    from consilience.clinic.clinic import ClinicSettings
    from consilience.clinic.serving import Place

USUAL_DATABASE = "sqlite:///consilience-clinic.db"


def serve(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder, such as results/bundle.")],
    rules: Annotated[
        list[Path] | None, typer.Option(help="A folder of your own rules; may be repeated.")
    ] = None,
    db: Annotated[
        str, typer.Option(help="Where records are kept: an SQLAlchemy URL (SQLite, PostgreSQL).")
    ] = USUAL_DATABASE,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    issuer: Annotated[
        list[str] | None,
        typer.Option(
            help="Who may call the hooks: ISSUER=KEYS, the keys (JWKS) a file or an https address; "
            "may be repeated."
        ),
    ] = None,
    fhir_server: Annotated[
        list[str] | None,
        typer.Option(help="A FHIR server that a hook may name, to fetch what it did not send."),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(help="This service's address as callers know it, where a proxy changes it."),
    ] = None,
    oidc: Annotated[
        Path | None,
        typer.Option(help="TOML that names an organisation's sign-in: issuer, client_id, roles."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A web page that may call the hooks from a browser (CORS)."),
    ] = None,
    open_hooks: Annotated[
        bool,
        typer.Option("--open-hooks", help="Answer hooks without a token: to try it, on loopback."),
    ] = False,
) -> None:
    """Make a bundle decision support: CDS Hooks for the record system, and pages of its own.

    Example: `consilience serve results/bundle --db sqlite:///clinic.db`

    Opens the pages at the address it prints, and the hooks under /cds-services. The first
    start on a new database prints the one-time password of an administrator. It listens
    on loopback unless told otherwise, and refuses any other address without TLS. A new
    bundle in the same folder is served from the next answer on.
    """
    from consilience.clinic.clinic import ClinicSettings
    from consilience.clinic.serving import Place, check_open, issuers_of, opened
    from consilience.clinic.web.oidc_file import read_oidc

    check_open(open_hooks, Place(host))
    place, listening = opened(Place(host, port, tls_cert, tls_key))
    settings = ClinicSettings(
        bundle=bundle,
        rules=tuple(rules or ()),
        database=db,
        audience=audience or place.address,
        issuers=issuers_of(issuer or ()),
        fhir_servers=tuple(fhir_server or ()),
        open_hooks=open_hooks,
        origins=tuple(origin or ()),
        oidc=None if oidc is None else read_oidc(oidc),
        secure=tls_cert is not None,
    )
    _listen(settings, place, listening)


def _listen(settings: ClinicSettings, place: Place, listening: socket) -> None:
    from consilience.clinic.clinic import Clinic
    from consilience.clinic.first_user import first_administrator
    from consilience.clinic.monitoring import log_json
    from consilience.clinic.serving import serve as listen

    clinic = Clinic(settings)
    told = first_administrator(clinic.store)
    log_json(sys.stderr)

    def ready() -> None:
        typer.echo(f"{clinic.served().bundle.manifest.name!r} is served at {place.address}")
        typer.echo(f"Hooks: {place.address}/cds-services")
        if told is not None:
            typer.echo(f"Sign in as {told.name!r} with the one-time password: {told.password}")
        typer.echo("Stop with Ctrl-C.")

    listen(clinic, place, listening, ready=ready)
