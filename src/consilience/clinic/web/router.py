"""All pages under one router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from consilience.clinic.web import (
    audit_page,
    dashboard,
    model_page,
    oidc,
    patient_page,
    signing_in,
    upload,
    users_page,
    worklist,
)
from consilience.clinic.web.door import Door
from consilience.clinic.web.rendering import static_files
from consilience.clinic.web.settings import WebSettings
from consilience.clinic.web.visit import Page

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic

PAGES: tuple[Page, ...] = (
    *signing_in.PAGES,
    *oidc.PAGES,
    *worklist.PAGES,
    *patient_page.PAGES,
    *dashboard.PAGES,
    *upload.PAGES,
    *model_page.PAGES,
    *audit_page.PAGES,
    *users_page.PAGES,
)


def web_router(clinic: Clinic, settings: WebSettings | None = None) -> APIRouter:
    """Return the pages of decision support.

    Parameters
    ----------
    clinic : Clinic
    settings : WebSettings, optional
    """
    router, door = APIRouter(), Door(clinic, settings or WebSettings())
    for page in PAGES:
        router.add_api_route(
            page.path, door.endpoint(page), methods=[page.method], include_in_schema=False
        )
    router.add_api_route("/static/{name}", static, methods=["GET"], include_in_schema=False)
    return router


def static(name: str) -> Response:
    """Return a file that pages load; it comes from memory, by its whole name."""
    found = static_files().get(name)
    if found is None:
        raise HTTPException(404, "There is no such file.")
    text, media = found
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=600"}
    return Response(text, media_type=f"{media}; charset=utf-8", headers=headers)
