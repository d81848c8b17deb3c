"""`/livez`, `/readyz` and `/metrics`: what kubelet, Prometheus and people ask."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from webhook.server.gate import ReadinessCheck
from webhook.server.metrics import Metrics

__all__ = ["ReadinessChecks", "health_app", "metrics_app"]

ReadinessChecks = Callable[[], tuple[ReadinessCheck, ...]]


def health_app(readiness: ReadinessChecks) -> FastAPI:
    """Make an application that answers `/livez` and `/readyz`.

    `/livez` says that the event loop turns, and depends on nothing else. `/readyz` is 200 if every check holds, else
    503; with `?verbose`, or if it is not ready, it has a line per check.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.include_router(_health_routes(readiness))
    app.add_exception_handler(404, _not_found)
    return app


def metrics_app(readiness: ReadinessChecks, metrics: Metrics) -> FastAPI:
    """Make the application of the metrics port: health, and `/metrics` in Prometheus' text format."""
    app = health_app(readiness)

    @app.get("/metrics")
    async def exposition() -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return app


def _health_routes(readiness: ReadinessChecks) -> APIRouter:
    """Make the routes that both ports have."""
    routes = APIRouter()

    @routes.get("/livez")
    @routes.get("/healthz")
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @routes.get("/readyz")
    async def readyz(request: Request) -> PlainTextResponse:
        checks = readiness()
        ready = bool(checks) and all(check.ok for check in checks)
        verbose = "verbose" in request.query_params or not ready
        lines = [_line(check) for check in checks] if verbose else []
        return PlainTextResponse(
            "".join(f"{line}\n" for line in [*lines, "ok" if ready else "not ready"]),
            status_code=200 if ready else 503,
        )

    return routes


def _line(check: ReadinessCheck) -> str:
    """Write a check as Kubernetes' own components do."""
    return f"[{'+' if check.ok else '-'}]{check.name} {'ok' if check.ok else 'failed'}: {check.detail}"


async def _not_found(_request: Request, _error: Exception) -> PlainTextResponse:
    """Answer for a path that nobody serves."""
    return PlainTextResponse("there is nothing here\n", status_code=404)
