"""What is the console's of all that reaches the admin listener."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

_API = ("/api", "/metrics", "/health", "/ready")


class Door:
    """ASGI middleware of the admin listener: what carries no token and is not the API's is the console's.

    ``open_console`` is called for the first page that anybody asks for: templates and texts take 4 MiB and 0.1 s that a
    collector whose console is never opened does without.
    """

    def __init__(self, app: ASGIApp, open_console: Callable[[], ASGIApp]) -> None:
        self._app = app
        self._open_console = open_console
        self._console: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_for_api(scope):
            await self._app(scope, receive, send)
            return
        if self._console is None:
            self._console = self._open_console()
        await self._console(scope, receive, send)


def _is_for_api(scope: Scope) -> bool:
    path = scope["path"]
    return any(path == root or path.startswith(f"{root}/") for root in _API) or any(
        name == b"authorization" for name, _ in scope["headers"]
    )
