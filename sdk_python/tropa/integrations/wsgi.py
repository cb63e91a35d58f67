"""WSGI: Flask, Bottle, Pyramid, Django's WSGI handler, anything under gunicorn or uWSGI.

app.wsgi_app = TropaMiddleware(app.wsgi_app)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from logging import getLogger
from typing import Any
from urllib.parse import quote

from tropa.context import Visit, current_visit
from tropa.integrations.request import Network, client_address, networks, visit

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

log = getLogger("tropa")


class TropaMiddleware:
    """Puts the visitor into the context of calls made while a request is answered, its streamed body included.

    ``trusted_proxies``: addresses or networks whose ``X-Forwarded-For`` is believed.

    Raises:
        ValueError: at construction, a proxy that is no address.
    """

    def __init__(self, app: App, *, cookie_name: str = "tropa", trusted_proxies: tuple[str, ...] = ()) -> None:
        self._app, self._cookie_name = app, cookie_name
        self._trusted = networks(trusted_proxies)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        context = copy_context()
        context.run(current_visit.set, visit_of(environ, self._cookie_name, self._trusted))
        body = context.run(self._app, environ, start_response)
        # What is made already needs no context, and servers look at it: for its length, or to send a file.
        return body if isinstance(body, (list, tuple)) or _is_file(body, environ) else _Body(body, context)


def _is_file(body: object, environ: Environ) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class _Body:
    """The response body, each part of it made in the request's context."""

    def __init__(self, body: Iterable[bytes], context: Context) -> None:
        self._body, self._context = body, context
        self._parts: Iterator[bytes] = context.run(iter, body)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._context.run(next, self._parts)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            self._context.run(close)


def visit_of(environ: Environ, cookie_name: str, trusted: tuple[Network, ...]) -> Visit | None:
    """The visitor of a WSGI request; None if it cannot be read, which is logged."""
    try:
        return _visit(environ, cookie_name, trusted)
    except Exception:  # an odd request must be answered all the same
        log.exception("the visitor of a request could not be read")
        return None


def _visit(environ: Environ, cookie_name: str, trusted: tuple[Network, ...]) -> Visit:
    # PEP 3333: text is the request's bytes decoded as latin-1.
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1").decode(errors="replace")
    query = environ.get("QUERY_STRING", "")
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    url = f"{environ.get('wsgi.url_scheme', 'http')}://{host}{quote(path)}"
    return visit(
        cookies=environ.get("HTTP_COOKIE", ""),
        cookie_name=cookie_name,
        url=url + (f"?{query}" if query else ""),
        path=path,
        query=query,
        referrer=environ.get("HTTP_REFERER", ""),
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        locale=environ.get("HTTP_ACCEPT_LANGUAGE", ""),
        address=client_address(environ.get("REMOTE_ADDR"), environ.get("HTTP_X_FORWARDED_FOR", ""), trusted),
    )
