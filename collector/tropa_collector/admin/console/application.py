"""The console's application: its pages in the order of the navigation, behind the gate."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from tropa_collector.admin.console import contacts, live, overview, quarantine, schema, setup, sign_in, tester
from tropa_collector.admin.console.gate import Gate
from tropa_collector.admin.console.rendering import STATIC, render
from tropa_collector.admin.console.sessions import Sessions
from tropa_collector.errors import RequestError

if TYPE_CHECKING:
    from tropa_collector.admin.api import AdminParts

PAGES: Final = (sign_in, overview, live, contacts, schema, quarantine, setup, tester)
#: Path, name of its text and icon.
NAVIGATION: Final = (
    ("/", "overview"),
    ("/live", "live"),
    ("/contacts", "contacts"),
    ("/schema", "schema"),
    ("/quarantine", "quarantine"),
    ("/setup", "setup"),
)


@dataclass(frozen=True, slots=True)
class Console:
    """What the pages are made of."""

    parts: AdminParts
    sessions: Sessions

    def page(self, request: Request, template: str, /, **values: Any) -> Response:
        """A page or fragment, of plain values."""
        return render(request, template, {"navigation": NAVIGATION, **values})


def console_app(parts: AdminParts, sessions: Sessions) -> ASGIApp:
    """The console over the collector's parts."""
    console = Console(parts, sessions)
    app = Starlette(
        routes=[route for page in PAGES for route in page.routes(console)] + [Mount("/static", StaticFiles(directory=STATIC))],
        exception_handlers={HTTPException: _http_error, RequestError: _request_error, Exception: _fault},
    )
    app.router.redirect_slashes = False
    return Gate(app, sessions)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = error.status_code in {404, 405}
    return _error_page(request, error.status_code, f"error.{error.status_code}" if known else "error.other", error.detail)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _error_page(request, error.status, "error.other", error.message)


async def _fault(request: Request, _: Exception) -> Response:
    """What is not foreseen; the server logs it."""
    return _error_page(request, 500, "error.500", "")


def _error_page(request: Request, status: int, key: str, detail: str) -> Response:
    values = {"navigation": NAVIGATION, "status": status, "phrase": HTTPStatus(status).phrase, "key": key, "detail": detail}
    return render(request, "error.html", values, status=status)
