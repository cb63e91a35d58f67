"""ASGI: Starlette, FastAPI, Django's ASGI handler, Quart, anything under uvicorn.

app = TropaMiddleware(app)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from logging import getLogger
from typing import Any

from tropa import lifecycle
from tropa.context import Visit, current_visit
from tropa.integrations.request import client_address, networks, visit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = getLogger("tropa")


class TropaMiddleware:
    """Puts the visitor into the context of calls made while a request is answered, and flushes at shutdown.

    The flush matters under uvicorn: on SIGTERM it shuts the application down and then dies of the signal's default
    action, without running exit handlers. ``trusted_proxies``: addresses or networks whose ``X-Forwarded-For`` is
    believed.

    Raises:
        ValueError: at construction, a proxy that is no address.
    """

    def __init__(self, app: App, *, cookie_name: str = "tropa", trusted_proxies: tuple[str, ...] = ()) -> None:
        self._app, self._cookie_name = app, cookie_name
        self._trusted = networks(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _Lifespan(self._app, scope, receive, send).run()
        elif scope["type"] in ("http", "websocket"):
            token = current_visit.set(self._visit(scope))
            try:
                await self._app(scope, receive, send)
            finally:
                current_visit.reset(token)
        else:
            await self._app(scope, receive, send)

    def _visit(self, scope: Scope) -> Visit | None:
        try:
            return _visit(scope, self._cookie_name, self._trusted)
        except Exception:  # an odd request must be answered all the same
            log.exception("the visitor of a request could not be read")
            return None


def _visit(scope: Scope, cookie_name: str, trusted: Any) -> Visit:
    headers: Iterable[tuple[bytes, bytes]] = scope.get("headers") or ()
    found: dict[bytes, str] = {}
    for name, value in headers:
        key, text = name.lower(), value.decode("latin-1")
        separator = "; " if key == b"cookie" else ","
        found[key] = f"{found[key]}{separator}{text}" if key in found else text
    peer = (scope.get("client") or (None,))[0]
    path = str(scope.get("path", ""))
    query = scope.get("query_string", b"").decode("latin-1")
    host = found.get(b"host") or ":".join(map(str, scope.get("server") or ()))
    return visit(
        cookies=found.get(b"cookie", ""),
        cookie_name=cookie_name,
        url=f"{scope.get('scheme', 'http')}://{host}{path}" + (f"?{query}" if query else ""),
        path=path,
        query=query,
        referrer=found.get(b"referer", ""),
        user_agent=found.get(b"user-agent", ""),
        locale=found.get(b"accept-language", ""),
        address=client_address(peer, found.get(b"x-forwarded-for", ""), trusted),
    )


class _Lifespan:
    """The application's lifespan with a flush before its shutdown is complete; its own if the application has none."""

    def __init__(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        self._app, self._scope, self._receive, self._send = app, scope, receive, send
        self._told = self._answered = False

    async def run(self) -> None:
        try:
            await self._app(self._scope, self._receiving, self._sending)
        except Exception:
            if self._answered:
                raise
            log.debug("the application has no lifespan of its own", exc_info=True)
        if not self._answered:
            await self._stand_in()

    async def _receiving(self) -> Message:
        self._told = True
        return await self._receive()

    async def _sending(self, message: Message) -> None:
        self._answered = True
        if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            await asyncio.to_thread(lifecycle.flush_all)
        await self._send(message)

    async def _stand_in(self) -> None:
        if not self._told:
            await self._receive()
        await self._send({"type": "lifespan.startup.complete"})
        await self._receive()
        await asyncio.to_thread(lifecycle.flush_all)
        await self._send({"type": "lifespan.shutdown.complete"})
