"""The doors of monitoring; nothing of any patient passes through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic
    from consilience.clinic.monitoring.monitor import Monitor

_FRESH = {"Cache-Control": "no-store"}


def monitoring_router(monitor: Monitor, clinic: Clinic) -> APIRouter:
    """Return /metrics, /health/live and /health/ready.

    Parameters
    ----------
    monitor : Monitor
    clinic : Clinic
    """
    router = APIRouter(tags=["monitoring"])

    @router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
    def metrics() -> Response:
        return Response(monitor.metrics(clinic), media_type=CONTENT_TYPE_LATEST, headers=_FRESH)

    @router.get("/health/live", summary="Whether the process answers")
    async def live() -> JSONResponse:
        return JSONResponse({"alive": True}, headers=_FRESH)

    @router.get("/health/ready", summary="Whether answers can be kept, and so given")
    def ready() -> JSONResponse:
        can = monitor.ready()
        said = {"ready": can, "database": can, "model": clinic.served().fingerprint[:12]}
        return JSONResponse(said, 200 if can else 503, headers=_FRESH)

    return router
