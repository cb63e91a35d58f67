"""The admin token, asked of every route but health."""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tropa_collector.metrics import Counters
from tropa_collector.receive.keys import hash_token

OPEN_PATHS = frozenset({"/health", "/ready"})


class RequireToken:
    """ASGI middleware: 401 without ``Authorization: Bearer <admin token>``, counted (``tropa_requests_total``, route ``admin``)."""

    def __init__(self, app: ASGIApp, token_hash: str, counters: Counters) -> None:
        self._app = app
        self._counters = counters
        self._token_hash = token_hash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and not self._allowed(Request(scope)):
            self._counters.requests["admin", 401] += 1
            response = JSONResponse(
                {"code": "unauthorized", "message": "Send the admin token: Authorization: Bearer <token>."},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _allowed(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(hash_token(token.strip()), self._token_hash)
