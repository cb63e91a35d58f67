"""Schema: the events seen and what they hold, what changed this week, and a tracking plan to take away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.console.masking import Typed
from tropa_collector.admin.console.properties import changes, describe, json_schema, rows
from tropa_collector.admin.console.rendering import shown
from tropa_collector.admin.console.schema_book import Entry, SchemaBook
from tropa_collector.errors import NotFound
from tropa_collector.events.timestamps import to_iso

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

WEEK_SECONDS = 7 * 86_400
SHOWN_EVENTS = 300  # names on the page, the most frequent: the filter finds the rest
SAMPLE_EVENTS = 300
PLAN_EVENTS = 100  # names in an exported plan, the most frequent
PLAN_SAMPLE = 100


def routes(console: Console) -> list[Route]:
    pages = _Schema(console)
    return [
        Route("/schema", pages.page),
        Route("/schema/event", pages.event),
        Route("/schema/properties", pages.properties),
        Route("/schema/plan.json", pages.plan),
    ]


class _Schema:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._views = console.parts.views
        self._book = SchemaBook(self._views)

    async def page(self, request: Request) -> Response:
        entries, read = await self._book.entries()
        now, text = time.time(), request.query_params.get("q", "").strip()
        found = [entry for entry in entries if text.casefold() in f"{entry.type} {entry.name}".casefold()]
        listed = [_row(entry, now, min((one.first_at for one in entries), default=0)) for entry in _by_count(found)]
        fragment = "hx-request" in request.headers
        return self._console.page(
            request,
            "schema_events.html" if fragment else "schema.html",
            asked={"q": Typed(text)},
            events=listed[:SHOWN_EVENTS],
            more=len(listed) - SHOWN_EVENTS,
            read=read,
            new=[row for row in listed if row["change"] == "new"],
            silent=[row for row in listed if row["change"] == "silent"],
            is_full=self._book.is_full,
        )

    async def event(self, request: Request) -> Response:
        """One event; what it holds follows, because a sample may take a while."""
        return self._console.page(request, "schema_event.html", event=_row(await self._entry(request), time.time(), 0))

    async def properties(self, request: Request) -> Response:
        """Its properties, in its newest events and in those of a week ago."""
        entry = await self._entry(request)
        week_ago = int(time.time()) - WEEK_SECONDS
        sample = await self._views.sample(entry.type, entry.name, until=entry.last_at + 59, limit=SAMPLE_EVENTS)
        earlier = await self._views.sample(entry.type, entry.name, until=week_ago, limit=SAMPLE_EVENTS)
        found, before = describe(sample), describe(earlier)
        return self._console.page(
            request,
            "schema_properties.html",
            properties=[_dated(row) for row in rows(found.values(), len(sample))],
            sampled=len(sample),
            changes=changes(found, before) if before else None,
            schema=orjson.dumps(json_schema(entry.type, entry.name, sample), option=orjson.OPT_INDENT_2).decode(),
        )

    async def plan(self, request: Request) -> Response:
        """A JSON Schema for each event, to be kept and enforced elsewhere. It holds names and types, no values."""
        entries, _share = await self._book.entries()
        plan = []
        for entry in _by_count(entries)[:PLAN_EVENTS]:
            sample = await self._views.sample(entry.type, entry.name, until=entry.last_at + 59, limit=PLAN_SAMPLE)
            plan.append({"type": entry.type, "event": entry.name, "schema": json_schema(entry.type, entry.name, sample)})
        content = {"made_at": to_iso(time.time_ns() // 1_000), "events": shown(request, plan)}
        body = orjson.dumps(content, option=orjson.OPT_INDENT_2)
        headers = {"content-disposition": 'attachment; filename="tracking-plan.json"'}
        return Response(body, media_type="application/json", headers=headers)

    async def _entry(self, request: Request) -> Entry:
        wanted = (request.query_params.get("type", ""), request.query_params.get("name", ""))
        entries, _share = await self._book.entries()
        found = next((entry for entry in entries if (entry.type, entry.name) == wanted), None)
        if found is None:
            raise NotFound("No such event was seen.")
        return found


def _by_count(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (-entry.count, entry.type, entry.name))


def _row(entry: Entry, now: float, began: int) -> dict[str, Any]:
    """A name is new when it was first seen this week and others before; silent when it was seen, but not this week."""
    is_new = entry.first_at > now - WEEK_SECONDS and began <= now - WEEK_SECONDS
    return {
        "type": entry.type,
        "name": entry.name,
        "count": entry.count,
        "sources": sorted(entry.sources),
        "first_at": to_iso(entry.first_at * 1_000_000),
        "last_at": to_iso(entry.last_at * 1_000_000),
        "change": "new" if is_new else "silent" if entry.last_at < now - WEEK_SECONDS else "",
        "query": Typed(urlencode({"type": entry.type, "name": entry.name})),
    }


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: to_iso(row[name] * 1_000_000) for name in ("first_at", "last_at")}
