"""``/api/v1``: stored events, quarantine and figures, as JSON. Errors are ``{"code", "message"}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tropa_collector.admin.answers import Json
from tropa_collector.admin.auth import RequireToken
from tropa_collector.admin.console.door import Door
from tropa_collector.admin.console.sessions import Sessions
from tropa_collector.admin.contacts import contact_routes
from tropa_collector.admin.destinations import destination_routes
from tropa_collector.admin.imports import import_routes
from tropa_collector.admin.openapi import with_document
from tropa_collector.admin.parameters import BadParameter, limit, page_of, since
from tropa_collector.admin.rights import rights_routes
from tropa_collector.errors import RequestError
from tropa_collector.forward.supervisor import Forwarders
from tropa_collector.metrics import OUTCOMES, Counters, exposition
from tropa_collector.pipeline import Pipeline
from tropa_collector.receive.keys import KeyRing
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import ContactReader, EventLog, EventQuery, EventReader
from tropa_collector.store.views import Views
from tropa_collector.transfer.replay import replay

MAX_IDS = 1_000  # of one replay


@dataclass(frozen=True, slots=True)
class AdminParts:
    """What the admin listener shows and moves."""

    log: EventLog
    reader: EventReader
    pipeline: Pipeline
    ring: KeyRing
    counters: Counters
    token_hash: str
    settings: Settings
    contacts: ContactReader
    views: Views
    console_sessions: Sessions
    forwarders: Forwarders


def admin_app(parts: AdminParts) -> Starlette:
    """The admin listener's application."""
    app = Starlette(
        routes=with_document(
            [
                *_routes(_Api(parts)),
                *destination_routes(parts),
                *import_routes(parts),
                *rights_routes(parts),
                *contact_routes(parts),
            ]
        ),
        middleware=[
            Middleware(Door, open_console=partial(_open_console, parts)),
            Middleware(RequireToken, token_hash=parts.token_hash, counters=parts.counters),
        ],
        exception_handlers={RequestError: _request_error, HTTPException: _http_error, Exception: _fault},
    )
    app.router.redirect_slashes = False
    return app


def _open_console(parts: AdminParts) -> ASGIApp:
    from tropa_collector.admin.console.application import console_app  # noqa: PLC0415 - see Door

    return console_app(parts, parts.console_sessions)


def _routes(api: _Api) -> list[Route]:
    return [
        Route("/health", health),
        Route("/ready", api.ready),
        Route("/metrics", api.metrics),
        Route("/api/v1/events", api.events),
        Route("/api/v1/quarantine", api.quarantine),
        Route("/api/v1/quarantine/replay", api.replay, methods=["POST"]),
        Route("/api/v1/stats", api.stats),
    ]


async def health(_: Request) -> Response:
    """Alive. Whether it can commit is ``/ready``."""
    return Json({"status": "alive"})


def ready_response(log: EventLog) -> Response:
    """200 when a commit made now would be accepted, else 503 with the reason."""
    state = log.state
    if state.ready:
        return Json({"status": "ready"})
    return Json(
        {"status": "not_ready", "code": state.code, "message": state.message},
        status_code=503,
        headers={"Retry-After": "1"},
    )


def metrics_response(counters: Counters, log: EventLog, destinations: Sequence[Mapping[str, Any]] = ()) -> Response:
    """Figures in Prometheus' text format."""
    return Response(exposition(counters, log, destinations), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Api:
    def __init__(self, parts: AdminParts) -> None:
        self._parts = parts

    async def ready(self, _: Request) -> Response:
        return ready_response(self._parts.log)

    async def metrics(self, _: Request) -> Response:
        return metrics_response(self._parts.counters, self._parts.log, self._parts.forwarders.states())

    async def events(self, request: Request) -> Response:
        asked = request.query_params
        query = EventQuery(
            message_id=asked.get("message_id"),
            type=asked.get("type"),
            name=asked.get("event"),
            source=asked.get("source"),
            since=since(request),
            before=asked.get("before"),
            limit=limit(request),
        )
        page = await page_of(self._parts.reader.events(query))
        return Json({"events": page.rows, "next": page.next})

    async def quarantine(self, request: Request) -> Response:
        asked = request.query_params
        wanted = self._parts.reader.quarantine(code=asked.get("code"), before=asked.get("before"), limit=limit(request))
        page = await page_of(wanted)
        return Json({"quarantine": page.rows, "next": page.next})

    async def replay(self, request: Request) -> Response:
        code, ids = _asked_replay(await request.body())
        parts = self._parts
        return Json(await replay(parts.pipeline, parts.reader, parts.ring, code=code, ids=ids))

    async def stats(self, _: Request) -> Response:
        counters = self._parts.counters
        sources = {
            source: {
                "received": received,
                "in_flight": counters.in_flight[source],
                **{outcome: counters.outcomes[source, outcome] for outcome in OUTCOMES},
            }
            for source, received in counters.received.items()
        }
        process = {
            "sources": sources,
            "requests_refused": counters.requests_refused,
            "rejections": counters.rejections,
            "warnings": counters.warnings,
        }
        store = {**await self._parts.reader.totals(), **self._parts.log.gauges()}
        return Json({"process": process, "store": store, "destinations": self._parts.forwarders.states()})


def _asked_replay(body: bytes) -> tuple[str | None, list[int]]:
    """``code`` and ``ids`` of a replay's body; an empty list of ids is refused, because no ids at all mean all of them."""
    try:
        asked = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        asked = None
    if isinstance(asked, dict) and asked.keys() <= {"code", "ids"}:
        code, ids = asked.get("code"), asked.get("ids")
        if isinstance(code, str | None) and (ids is None or _are_ids(ids)):
            return code, ids or []
    raise BadParameter(f'Send {{"code": "..."}} or {{"ids": [1, 2]}}, at most {MAX_IDS}, or nothing at all for everything.')


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= MAX_IDS and all(type(one) is int and abs(one) < 1 << 63 for one in value)


async def _request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    wait = error.retry_after_seconds
    headers = None if wait is None else {"Retry-After": str(wait)}
    return Json({"code": error.code, "message": error.message}, status_code=error.status, headers=headers)


async def _fault(_: Request, __: Exception) -> Response:
    """What is not foreseen; the server logs it."""
    return Json({"code": "internal_error", "message": "The collector failed; the fault is in its log."}, status_code=500)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "error")
    slash = " A slash inside a reference is written %2F." if request.url.path.startswith("/api/v1/contacts/") else ""
    message = f"{request.method} {request.url.path}: {error.detail}.{slash if code == 'not_found' else ''}"
    return Json({"code": code, "message": message}, status_code=error.status_code, headers=error.headers)
