"""What stands before every page: the session, the origin of what changes something, and the headers of every answer."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tropa_collector.admin.console.rendering import Visit, attend
from tropa_collector.admin.console.sessions import Sessions
from tropa_collector.admin.console.words import CATALOGUES, Words, preferred

SESSION_COOKIE = "tropa_session"
LANGUAGE_COOKIE = "tropa_language"
THEME_COOKIE = "tropa_theme"
THEMES = ("light", "dark")
OPEN_PATHS = ("/sign-in", "/preferences")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Gate:
    """ASGI middleware of the console."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        attend(request, visit := self._visit(request))
        answer = _refusal(request, visit) or self._app
        await answer(scope, receive, _with_headers(request, send))

    def _visit(self, request: Request) -> Visit:
        cookies = request.cookies
        session = self._sessions.find(cookies.get(SESSION_COOKIE, ""))
        language, theme = cookies.get(LANGUAGE_COOKIE, ""), cookies.get(THEME_COOKIE, "")
        if language not in CATALOGUES:
            language = preferred(request.headers.get("accept-language", ""))
        return Visit(session, Words(language), theme if theme in THEMES else "")


def _refusal(request: Request, visit: Visit) -> Response | None:
    path = request.url.path
    if request.method not in _SAFE_METHODS and not is_same_origin(request):
        return JSONResponse({"code": "forbidden", "message": "Another site sent this request."}, status_code=403)
    if visit.session is not None or path in OPEN_PATHS or path.startswith("/static/"):
        return None
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/sign-in?next={quote(path)}", status_code=303)
    return JSONResponse({"code": "unauthorized", "message": "Sign in at /sign-in."}, status_code=401)


def is_same_origin(request: Request) -> bool:
    """Every browser names the origin of what is sent with POST. The scheme may differ behind a proxy that ends TLS."""
    origin = urlsplit(request.headers.get("origin", ""))
    return origin.scheme in {"http", "https"} and origin.netloc.lower() == request.headers.get("host", "").lower()


def _with_headers(request: Request, send: Send) -> Send:
    is_kept = request.url.path.startswith("/static/") and "v" in request.query_params

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            headers["cache-control"] = "public, max-age=31536000, immutable" if is_kept else "no-store"
        await send(message)

    return send_with_headers
