"""A page of the shop: the snippet, what it has to say, and a content policy that allows nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

import tropa
from tropa_collector.demo import cart, commerce
from tropa_collector.demo.catalogue import CATEGORIES, CURRENCY
from tropa_collector.demo.commerce import Call
from tropa_collector.demo.customers import Customers
from tropa_collector.demo.sessions import COOKIE, Session, Sessions
from tropa_collector.receive.keys import Source
from tropa_collector.receive.script import snippet

HERE = Path(__file__).parent
MAX_FORM_BYTES = 16_384

_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; connect-src {collector}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

_environment = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
templates = Jinja2Templates(env=_environment)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the shop is made of. ``collector_port``: of the public listener, on the host that the page came from."""

    tracker: tropa.Client
    source: Source  # the browser source, with its signing secret
    collector_port: int
    admin_url: str
    data: Path  # the collector's data directory: the page of an order says how to look into it
    sessions: Sessions = field(default_factory=Sessions)
    customers: Customers = field(default_factory=Customers)


Handler = Callable[[Request, Session], Awaitable[Response]]


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def with_session(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler as a route's endpoint: the browser's session goes in, its cookie goes out."""

    async def endpoint(request: Request) -> Response:
        sent = request.cookies.get(COOKIE)
        session = parts_of(request).sessions.open(sent)
        response = await handler(request, session)
        if session.token != sent:
            response.set_cookie(COOKIE, session.token, httponly=True, samesite="lax")
        return response

    return endpoint


def show(  # noqa: PLR0913 - what a page is made of
    request: Request, session: Session, template: str, *, title: str, calls: Sequence[Call] = (), status: int = 200, **values: Any
) -> Response:
    """The page, with ``calls`` for the snippet after those that a form before it announced."""
    parts, nonce = parts_of(request), secrets.token_urlsafe(16)
    collector = f"{request.url.scheme}://{request.url.hostname}:{parts.collector_port}"
    context = {
        **values,
        "title": title,
        "nonce": nonce,
        "calls": [*session.take_announced(), *calls],
        "collector": collector,
        "snippet": _snippet(parts.source, collector, nonce),
        "admin_url": parts.admin_url,
        "data": parts.data,
        "session": session,
        "message": session.take_message(),
        "categories": CATEGORIES,
        "free_delivery_from": cart.FREE_DELIVERY_FROM,
    }
    response: Response = templates.TemplateResponse(request, template, context, status_code=status)
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce, collector=collector)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _snippet(source: Source, collector: str, nonce: str) -> Markup:
    """What ``tropa keys`` prints for a site to paste, with the page's nonce."""
    pasted = snippet(source, collector, pinned=True)
    return Markup(pasted.replace("<script", f'<script nonce="{nonce}"'))  # noqa: S704 - made of escaped values


def go(path: str) -> Response:
    """After a form: the browser asks for the next page."""
    return RedirectResponse(path, status_code=303)


async def form(request: Request) -> dict[str, str]:
    """The fields of a form, trimmed. Raises HTTPException 413 for more than a form of this shop can hold."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413)
    return {name: value.strip()[:500] for name, value in parse_qsl(body.decode("utf-8", "replace"), max_num_fields=50)}


def _money(amount: int) -> str:
    """``1 290 ₽`` with spaces that do not break."""
    assert CURRENCY == "RUB"
    return f"{amount:,}".replace(",", "\u202f") + "\u00a0₽"


_environment.filters["money"] = _money
_environment.globals["product_clicked"] = commerce.product_clicked
