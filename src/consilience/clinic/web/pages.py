"""Pages for what went wrong before any page was reached, in plain words."""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from consilience.clinic.web.rendering import html


def wants_page(request: Request) -> bool:
    """Return whether a browser asks, who would rather see a page than JSON."""
    return "text/html" in request.headers.get("accept", "")


def error_page(request: Request, status: int, sentence: str) -> Response:
    """Return a page that says in one sentence what went wrong.

    Parameters
    ----------
    request : Request
        Nothing of it is repeated.
    status : int
        Of HTTP.
    sentence : str
        Shown as it stands, without markup.
    """
    title = HTTPStatus(status).phrase.capitalize()
    nobody = {"who": None, "links": (), "here": "", "form_token": ""}
    return html("error", status, {**nobody, "title": title, "sentence": sentence})
