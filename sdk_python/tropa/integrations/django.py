"""Django: an app and a middleware.

INSTALLED_APPS = [..., "tropa.integrations.django.TropaConfig"]
MIDDLEWARE = ["tropa.integrations.django.tropa_middleware", ...]
TROPA = {"WRITE_KEY": "sk_…", "HOST": "https://t.shop.example", "SPOOL_PATH": "/var/spool/tropa"}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, cast

from django.apps import AppConfig  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]
from django.core.exceptions import ImproperlyConfigured  # type: ignore[import-untyped]
from django.utils.decorators import sync_and_async_middleware  # type: ignore[import-untyped]

import tropa
from tropa.context import current_visit
from tropa.default import OPTIONS
from tropa.integrations.request import networks
from tropa.integrations.wsgi import visit_of

_FOR_THE_CLIENT = frozenset(name.upper() for name in (*OPTIONS, "spool_path"))
_FOR_THE_MIDDLEWARE = frozenset({"COOKIE_NAME", "TRUSTED_PROXIES"})

Respond = Callable[[Any], Any]


class TropaConfig(AppConfig):  # type: ignore[misc]
    """Configures the default client from ``settings.TROPA`` (a typing mistake there is an error at start)."""

    name = "tropa.integrations.django"
    label = "tropa"
    verbose_name = "Tropa"

    def ready(self) -> None:
        options = _options()
        unknown = sorted(options.keys() - _FOR_THE_CLIENT - _FOR_THE_MIDDLEWARE)
        if unknown:
            raise ImproperlyConfigured(f"settings.TROPA has unknown keys: {', '.join(unknown)}")
        for name in options.keys() & _FOR_THE_CLIENT:
            setattr(tropa, name.lower(), options[name])


@sync_and_async_middleware  # type: ignore[untyped-decorator]
def tropa_middleware(get_response: Respond) -> Respond:
    """Puts the visitor into the context of calls made while a request is answered."""
    options = _options()
    cookie_name = options.get("COOKIE_NAME", "tropa")
    trusted = networks(tuple(options.get("TRUSTED_PROXIES", ())))

    if iscoroutinefunction(get_response):

        async def respond_async(request: Any) -> Any:
            token = current_visit.set(visit_of(_environ(request), cookie_name, trusted))
            try:
                return await cast("Awaitable[Any]", get_response(request))
            finally:
                current_visit.reset(token)

        return respond_async

    def respond(request: Any) -> Any:
        token = current_visit.set(visit_of(_environ(request), cookie_name, trusted))
        try:
            return get_response(request)
        finally:
            current_visit.reset(token)

    return respond


def _environ(request: Any) -> dict[str, Any]:
    """``request.META`` lacks the scheme under ASGI."""
    return {**request.META, "wsgi.url_scheme": request.scheme}


def _options() -> dict[str, Any]:
    return dict(getattr(settings, "TROPA", {}))
