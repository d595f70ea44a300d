"""One application: hooks, pages, metrics, over one `Clinic`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from consilience import __version__
from consilience.clinic.hooks import HookSettings, hooks_router
from consilience.clinic.limits import Limits
from consilience.clinic.store import StoreUnavailable
from consilience.clinic.web.pages import error_page, wants_page
from consilience.clinic.web.router import web_router
from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic

OUTCOMES = {500: "defect", 503: "unavailable"}

log = logging.getLogger("consilience.clinic")


def application(clinic: Clinic) -> FastAPI:
    """Return the application that a server runs.

    Parameters
    ----------
    clinic : Clinic
    """
    app = FastAPI(
        title="Consilience",
        version=__version__,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.clinic = clinic
    app.add_middleware(Limits)
    app.include_router(hooks_router(clinic, HookSettings(origins=clinic.settings.origins)))
    app.include_router(web_router(clinic))
    app.include_router(clinic.monitor.router(clinic))
    app.add_exception_handler(InputError, _mistake)
    app.add_exception_handler(StoreUnavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _unread)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _defect)
    return app


async def _mistake(request: Request, reason: Exception) -> Response:
    return _said(request, 400, str(reason))


async def _unavailable(request: Request, reason: Exception) -> Response:
    log.error("the database cannot be used")
    return _said(request, 503, "The records cannot be reached now; nothing was kept. Try again.")


async def _unread(request: Request, reason: Exception) -> Response:
    # Pydantic's own sentence would repeat what was sent, and with it the patient.
    return _said(request, 400, "The request is not of the form that is expected here.")


async def _refused(request: Request, reason: Exception) -> Response:
    assert isinstance(reason, HTTPException)
    found = _said(request, reason.status_code, str(reason.detail))
    found.headers.update(reason.headers or {})
    return found


async def _gone(request: Request, reason: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it: he hung up while he was sending


async def _defect(request: Request, reason: Exception) -> Response:
    log.error("a defect: %s", type(reason).__name__)
    return _said(request, 500, "Something is wrong in the service; the administrator can see what.")


def _said(request: Request, status: int, sentence: str) -> Response:
    clinic: Clinic = request.app.state.clinic
    clinic.monitor.failed("other", OUTCOMES.get(status, "refused"))
    if wants_page(request):
        return error_page(request, status, sentence)
    return JSONResponse({"error": sentence}, status, headers={"Cache-Control": "no-store"})
