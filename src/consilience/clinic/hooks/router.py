"""The addresses of CDS Hooks: discovery, services, feedback."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from consilience.clinic.hooks.answering import Answering
from consilience.clinic.hooks.body import read_body
from consilience.clinic.hooks.described import CARDS, DISCOVERED, KEPT, answers, body_of
from consilience.clinic.hooks.discovery import SERVICES, Service, discovered
from consilience.clinic.hooks.feedback import FeedbackCall
from consilience.clinic.hooks.fetching import connect
from consilience.clinic.hooks.prefetch import Allowed
from consilience.clinic.hooks.refusal import Refusal
from consilience.clinic.hooks.settings import HookSettings
from consilience.clinic.hooks.tokens import Caller, TokenChecker
from consilience.clinic.hooks.workers import Workers
from consilience.clinic.store.records import StoreUnavailable
from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic

log = logging.getLogger("consilience.clinic.hooks")

ROOT = "/cds-services"
TRYING = Caller("local", "anybody (calls without a token are allowed)")
METHODS = "GET, POST, OPTIONS"
ALLOWED_HEADERS = "Authorization, Content-Type"

# Told to whoever reads the description; an unknown one is answered with 404, in our words.
ServiceId = Annotated[str, Path(json_schema_extra={"enum": list(SERVICES)})]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def hooks_router(clinic: Clinic, settings: HookSettings | None = None) -> APIRouter:
    """Return the addresses of CDS Hooks over a clinic.

    Parameters
    ----------
    clinic : Clinic
    settings : HookSettings, optional

    Returns
    -------
    APIRouter
        ``GET /cds-services``, ``POST /cds-services/{id}`` and
        ``POST /cds-services/{id}/feedback``.

    Raises
    ------
    InputError
        If the keys of an issuer are at an address that cannot be trusted.
    """
    door = HookDoor(clinic, settings or HookSettings())
    refused = (400, 401, 404, 405, 412, 413, 415, 503)
    router = APIRouter(route_class=door.route_class(), tags=["CDS Hooks 2.0"])
    router.add_api_route(
        ROOT,
        door.discover,
        methods=["GET"],
        responses=answers(DISCOVERED, 401, 405, 503),
        summary="Which services there are",
    )
    router.add_api_route(
        ROOT + "/{service_id}",
        door.call,
        methods=["POST"],
        responses=answers(CARDS, *refused),
        openapi_extra=body_of(*(service.call for service in SERVICES.values())),
        summary="Ask a service about a patient",
    )
    router.add_api_route(
        ROOT + "/{service_id}/feedback",
        door.feedback,
        methods=["POST"],
        responses=answers(KEPT, *refused),
        openapi_extra=body_of(FeedbackCall),
        summary="Say what was answered to cards",
    )
    for path in (ROOT, ROOT + "/{service_id}", ROOT + "/{service_id}/feedback"):
        router.add_api_route(path, door.preflight, methods=["OPTIONS"], include_in_schema=False)
    return router


class HookDoor:
    """Every call passes here: who calls, how much he sends, and what he is answered.

    Parameters
    ----------
    clinic : Clinic
    settings : HookSettings
    """

    def __init__(self, clinic: Clinic, settings: HookSettings) -> None:
        self._clinic, self._settings = clinic, settings
        self._quick = Workers("hook-short", 4, 4 * settings.waiting)
        slow = Workers("hook", settings.workers, settings.waiting)
        servers = (*clinic.settings.fhir_servers, *settings.fhir_servers)
        self._answering = Answering(clinic, Allowed(servers, connect), slow, self._quick)
        self._tokens = TokenChecker(
            clinic.settings.issuers, clinic.store.tokens.first_use, clinic.settings.now
        )

    async def discover(self, request: Request) -> Response:
        """Tell which services there are."""
        await self._caller(request, ROOT)
        return _json(discovered())

    async def call(self, request: Request, service_id: ServiceId) -> Response:
        """Answer a call of a service with cards."""
        begun = time.monotonic()
        caller = await self._caller(request, f"{ROOT}/{service_id}")
        service = _service(service_id)
        body = await self._body(request)
        return _json(await self._answering.answer(service, caller, body, begun))

    async def feedback(self, request: Request, service_id: ServiceId) -> Response:
        """Keep what a clinician answered to cards."""
        caller = await self._caller(request, f"{ROOT}/{service_id}/feedback")
        _service(service_id)
        body = await self._body(request)
        return _json(await self._quick.run(partial(self._answering.feedback, caller, body)))

    async def preflight(self, request: Request) -> Response:
        """Tell a browser whether a page may call (CORS); no token, as browsers send none."""
        headers = {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": "600",
        }
        known = request.headers.get("origin") in self._settings.origins
        return Response(status_code=204, headers=headers if known else {})

    def route_class(self) -> type[APIRoute]:
        """Return routes that say every refusal in one plain sentence."""
        door = self

        class HookRoute(APIRoute):
            """A route of the hooks."""

            def get_route_handler(self) -> Handler:
                answer = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    return await door.guarded(request, answer)

                return guarded

        return HookRoute

    async def guarded(self, request: Request, answer: Handler) -> Response:
        """Answer a request, or say in one sentence why not."""
        try:
            response = await answer(request)
        except Refusal as refusal:
            log.info("a call was refused with %d: %s", refusal.status, refusal.sentence)
            response = _json({"error": refusal.sentence}, refusal.status, refusal.headers)
        except StoreUnavailable:
            log.error("the database cannot be used; a call was not answered")
            response = _error(503, "the records cannot be reached; nothing was kept. Try again.")
        except RequestValidationError:
            response = _error(400, "the call is not of the form that is expected here.")
        except InputError:
            # Its own sentence may name what was sent.
            response = _error(400, "the record must be valid FHIR R4, and of one patient only.")
        if (origin := request.headers.get("origin")) in self._settings.origins:
            response.headers["Access-Control-Allow-Origin"] = str(origin)
        response.headers["Vary"] = "Origin"
        return response

    async def _caller(self, request: Request, path: str) -> Caller:
        """Return who calls; his token must be for the very address that was called."""
        header = request.headers.get("authorization")
        if header is None and self._clinic.settings.open_hooks:
            return TRYING
        audience = self._clinic.settings.audience.rstrip("/") + path
        return await self._quick.run(partial(self._tokens.check, header, audience))

    async def _body(self, request: Request) -> bytes:
        return await read_body(request.headers, request.stream(), self._settings.largest_body)


def _service(service_id: ServiceId) -> Service:
    service = SERVICES.get(service_id)
    if service is None:
        raise Refusal(404, "there is no such service; GET /cds-services lists those there are.")
    return service


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store", **(headers or {})})


def _error(status: int, sentence: str) -> Response:
    return _json({"error": sentence}, status, {"Retry-After": "5"} if status == 503 else None)
