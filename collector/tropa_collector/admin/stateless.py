"""The admin listener of a collector that keeps nothing: health, readiness, figures. Events and contacts are a worker's to show."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tropa_collector.admin.api import health, metrics_response, ready_response
from tropa_collector.admin.auth import RequireToken
from tropa_collector.metrics import Counters
from tropa_collector.store.protocol import EventLog


def stateless_app(log: EventLog, counters: Counters, token_hash: str) -> Starlette:
    """The application of that listener."""

    async def ready(_: Request) -> Response:
        return ready_response(log)

    async def metrics(_: Request) -> Response:
        return metrics_response(counters, log)

    return Starlette(
        routes=[Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)],
        middleware=[Middleware(RequireToken, token_hash=token_hash, counters=counters)],
        exception_handlers={HTTPException: _elsewhere},
    )


async def _elsewhere(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "error")
    message = f"This collector keeps nothing. {request.method} {request.url.path} is for the admin listener of `tropa work`."
    return JSONResponse({"code": code, "message": message}, status_code=error.status_code)
