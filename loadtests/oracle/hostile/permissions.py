"""Who may do what: one row for each route. One that has none is a deviation until somebody decides; but the console's pages are
shut to all without a session, so that of those only the open ones have a row.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Final, NamedTuple

from starlette.routing import BaseRoute, Mount, Route
from tests.contract.door import Door

from tropa_collector.admin.api import admin_app
from tropa_collector.admin.console.application import console_app
from tropa_collector.public import public_app
from tropa_collector.settings import Settings

PUBLIC, API, CONSOLE = "public", "api", "console"


class May(Enum):
    """Which of the six credentials open a route."""

    ANYBODY = frozenset({"nobody", "junk", "browser key", "server key", "admin token", "console session"})
    SENDERS = frozenset({"browser key", "server key"})
    ADMIN = frozenset({"admin token"})
    CONSOLE = frozenset({"console session"})


CREDENTIALS: Final = tuple(sorted(May.ANYBODY.value))


class Way(NamedTuple):
    """One method of one route, its path as the table has it."""

    listener: str
    method: str
    path: str


class _Anything:
    """Stands for the collector's parts: a table of routes is made without looking at them."""

    def __getattr__(self, name: str) -> _Anything:
        return self

    def __call__(self, *_: object, **__: object) -> _Anything:
        return self


def admin_routes() -> list[BaseRoute]:
    """The admin API's route table."""
    anything: Any = _Anything()
    return list(admin_app(anything).routes)


def ways() -> list[Way]:
    """Every way into the collector, from the tables that answer requests."""
    anything: Any = _Anything()
    console: Any = console_app(anything, anything)
    found = [*_of(API, admin_routes()), *_of(CONSOLE, console._app.routes)]
    found += [Way(PUBLIC, "POST", path) for path in Door()._app._routes if not path.endswith("/")]
    found += [Way(PUBLIC, "GET", path) for path in VARYING]
    found += _of(PUBLIC, public_app(Settings(), anything).routes)
    return sorted({way._replace(path=re.sub(r"(?<=\.)[0-9a-f]{16}(?=\.js$)", "{version}", way.path)) for way in found})


def _of(listener: str, routes: list[BaseRoute]) -> list[Way]:
    found = []
    for route in routes:
        if isinstance(route, Route):
            found += [Way(listener, method, route.path) for method in route.methods or () if method != "HEAD"]
        elif isinstance(route, Mount):
            found.append(Way(listener, "GET", f"{route.path}/"))
    return found


#: Paths of the public listener that are told apart by their parts (receive/endpoint.py).
VARYING: Final = ("/v1/pixel/{type}", "/v1/projects/{key}/settings", "/sourceConfig")

_ROWS: Final = {
    May.ANYBODY: {
        PUBLIC: "GET /health|GET /ready|GET /tropa.js|GET /tropa.{version}.js|POST /v1/m|GET /v1/pixel/{type}",
        API: "GET /health|GET /ready",
        CONSOLE: "GET /sign-in|POST /preferences|GET /static/",
    },
    May.SENDERS: {
        PUBLIC: "POST /v1/identify|POST /v1/track|POST /v1/page|POST /v1/screen|POST /v1/group|POST /v1/alias"
        "|POST /v1/i|POST /v1/t|POST /v1/p|POST /v1/s|POST /v1/g|POST /v1/a"
        "|POST /v1/batch|POST /v1/b|POST /v1/import|POST /beacon/v1/batch|POST /v1/validate"
        "|GET /v1/projects/{key}/settings|GET /sourceConfig",
    },
    May.ADMIN: {
        API: "GET /metrics|GET /api/v1/events|GET /api/v1/quarantine|POST /api/v1/quarantine/replay|GET /api/v1/stats"
        "|GET /api/v1/destinations|GET /api/v1/destinations/{name}/dead-letters"
        "|POST /api/v1/destinations/{name}/dead-letters/replay"
        "|POST /api/v1/destinations/{name}/pause|POST /api/v1/destinations/{name}/resume"
        "|POST /api/v1/import|GET /api/v1/openapi.json|GET /api/v1/contacts/{ref}/export|DELETE /api/v1/contacts/{ref}"
        "|GET /api/v1/contacts|GET /api/v1/changes|POST /api/v1/contacts/merge|POST /api/v1/contacts/relink"
        "|POST /api/v1/contacts/rebuild"
        "|POST /api/v1/contacts/lift|GET /api/v1/contacts/cannot_link|GET /api/v1/contacts/{ref}/events"
        "|GET /api/v1/contacts/{ref}/why|POST /api/v1/contacts/{ref}/split|GET /api/v1/contacts/{ref}",
        # The form that takes the token is open; what it does takes the token.
        CONSOLE: "POST /sign-in",
    },
}

PERMISSIONS: Final = {
    Way(listener, *row.split(" ", 1)): may
    for may, listeners in _ROWS.items()
    for listener, rows in listeners.items()
    for row in rows.split("|")
}


def may(way: Way) -> May | None:
    """Who may go this way; None: nobody has decided."""
    return PERMISSIONS.get(way, May.CONSOLE if way.listener == CONSOLE else None)
