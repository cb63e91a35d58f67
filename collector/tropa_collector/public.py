"""Everything on the public listener that is not an ingest path. Nothing here returns stored data."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tropa_collector.admin.api import health, ready_response
from tropa_collector.receive.cors import answer_headers
from tropa_collector.receive.script import script_routes
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import EventLog


def public_app(settings: Settings, log: EventLog) -> Starlette:
    """Health, readiness and the browser SDK's script."""

    async def ready(_: Request) -> Response:
        return ready_response(log)

    app = Starlette(
        routes=[Route("/health", health), Route("/ready", ready), *script_routes(settings.script_paths)],
        exception_handlers={HTTPException: _not_here},
    )
    app.router.redirect_slashes = False
    return app


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "error")
    message = f"There is no {request.method} {request.url.path} here. Events go to /v1/track, /v1/batch and their like."
    reply = JSONResponse({"success": False, "code": code, "message": message}, error.status_code, error.headers)
    # A page whose address is misspelt must see that: to its script an answer without these is a network failure.
    reply.raw_headers.extend(answer_headers(dict(request.headers.raw)))
    return reply
