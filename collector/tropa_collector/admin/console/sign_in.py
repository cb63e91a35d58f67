"""Signing in and out, and how a browser wants its pages."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tropa_collector.admin.console.attempts import Attempts
from tropa_collector.admin.console.forms import sent
from tropa_collector.admin.console.gate import LANGUAGE_COOKIE, SESSION_COOKIE, THEME_COOKIE, THEMES
from tropa_collector.admin.console.masking import Typed
from tropa_collector.admin.console.rendering import render, visit_of
from tropa_collector.admin.console.sessions import SESSION_SECONDS, Session
from tropa_collector.admin.console.words import CATALOGUES
from tropa_collector.receive.keys import hash_token

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

YEAR_SECONDS = 365 * 86_400


def routes(console: Console) -> list[Route]:
    pages = _SignIn(console)
    return [
        Route("/sign-in", pages.form, methods=["GET"]),
        Route("/sign-in", pages.sign_in, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["POST"]),
        Route("/preferences", pages.prefer, methods=["POST"]),
    ]


class _SignIn:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._attempts = Attempts()

    async def form(self, request: Request) -> Response:
        """The form; with ``once`` the link's bearer is signed in at once."""
        once = request.query_params.get("once")
        if once is None or request.method == "HEAD":  # whoever looks at a link before its owner does not spend it
            return render(request, "sign_in.html", {"fault": "", "next": Typed(_own(request.query_params.get("next")))})
        if not self._console.sessions.redeem(once):
            return render(request, "sign_in.html", {"fault": "sign_in.spent", "next": "/"}, status=401)
        # Not a redirect: a browser sends no strict cookie along one that began on another site, and the link may stand on one.
        response = render(request, "signed_in.html", {})
        _give(response, request, self._console.sessions.open())
        return response

    async def sign_in(self, request: Request) -> Response:
        form = await sent(request)
        token, following = form.get("token", ""), _own(form.get("next"))
        address = request.client.host if request.client else ""
        if wait := self._attempts.wait(address):
            response = render(request, "sign_in.html", {"fault": "sign_in.often", "next": Typed(following)}, status=429)
            response.headers["retry-after"] = str(wait)
            return response
        if not hmac.compare_digest(hash_token(token.strip()), self._console.parts.token_hash):
            if token.strip():  # an empty form guesses at nothing
                self._attempts.failed(address)
                self._console.parts.counters.requests["admin", 401] += 1
            return render(request, "sign_in.html", {"fault": "sign_in.wrong", "next": Typed(following)}, status=401)
        response = RedirectResponse(following, status_code=303)
        _give(response, request, self._console.sessions.open())
        return response

    async def sign_out(self, request: Request) -> Response:
        session = visit_of(request).session
        if session is not None:
            self._console.sessions.close(session.id)
        response = RedirectResponse("/sign-in", status_code=303)
        response.delete_cookie(SESSION_COOKIE)
        return response

    async def prefer(self, request: Request) -> Response:
        """``language``, ``theme`` and ``masked``: those that were sent are changed."""
        wanted = await sent(request)
        response = RedirectResponse(_own(wanted.get("next")), status_code=303)
        session = visit_of(request).session
        if session is not None and "masked" in wanted:
            self._console.sessions.mask(session, masked=wanted["masked"] == "1")
        for name, choices, cookie in (("language", CATALOGUES, LANGUAGE_COOKIE), ("theme", ("", *THEMES), THEME_COOKIE)):
            if wanted.get(name) in choices:
                response.set_cookie(cookie, wanted[name], max_age=YEAR_SECONDS, httponly=True, samesite="strict")
        return response


def _own(path: str | None) -> str:
    """A path of this console and of nobody else."""
    is_path = path is not None and path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if path is not None and is_path else "/"


def _give(response: Response, request: Request, session: Session) -> None:
    """``Secure`` where the browser came by HTTPS, which it says in Origin."""
    secure = request.headers.get("origin", "").startswith("https:") or request.url.scheme == "https"
    response.set_cookie(SESSION_COOKIE, session.id, max_age=int(SESSION_SECONDS), httponly=True, samesite="strict", secure=secure)
