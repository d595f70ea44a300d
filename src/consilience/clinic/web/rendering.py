"""Templates, and the headers that every page carries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from consilience.clinic.web import wording
from consilience.study.report import theme

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        ),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)
"""On every page: nothing from elsewhere, nothing inline, in no frame, kept nowhere."""


@cache
def templates() -> Environment:
    """Return the templates, with escaping on and nothing undefined let through."""
    found = Environment(
        loader=PackageLoader("consilience.clinic.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(wording.FILTERS)
    return found


def html(template: str, status: int, values: Mapping[str, Any]) -> Response:
    """Return a page."""
    text = templates().get_template(f"{template}.html.jinja").render(values)
    return HTMLResponse(text, status, headers=dict(HEADERS))


@cache
def static_files() -> Mapping[str, tuple[str, str]]:
    """Return the files that pages load, by name: text and media type. There are no others."""
    folder = files("consilience.clinic.web") / "static"
    style = (folder / "clinic.css").read_text(encoding="utf-8")
    script = (folder / "clinic.js").read_text(encoding="utf-8")
    icon = (folder / "icon.svg").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            "clinic.css": (theme.variables() + style, "text/css"),
            "clinic.js": (script, "text/javascript"),
            "icon.svg": (icon, "image/svg+xml"),
        }
    )
