"""Events as they arrive: server-sent events made of a bounded look at the log's end, nothing in the way of what is received."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tropa_collector.admin.console.event_view import event_values
from tropa_collector.admin.console.forms import row_id
from tropa_collector.admin.console.gate import SESSION_COOKIE
from tropa_collector.admin.console.masking import Typed
from tropa_collector.admin.console.rendering import shown, visit_of
from tropa_collector.admin.console.words import Words
from tropa_collector.errors import NotFound, Unavailable
from tropa_collector.events.model import TYPES
from tropa_collector.store.views import Arrivals, LiveFilter, Place

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

POLL_SECONDS = 0.5
ROWS_A_POLL = 40
FIRST_ROWS = 50
MAX_STREAMS = 10
MAX_TEXT_CHARS = 200
PING_POLLS = 30  # with nothing to say: a proxy closes what is silent
_CONTACT = re.compile(r"c([1-9][0-9]{0,17})")
_OUTCOMES: Final = ("stored", "quarantined")


def routes(console: Console) -> list[Route]:
    pages = _Live(console)
    return [
        Route("/live", pages.page),
        Route("/live/stream", pages.stream),
        Route("/live/event/{event_id:int}", pages.event),
    ]


class _Live:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._streams = 0

    async def page(self, request: Request) -> Response:
        asked = request.query_params
        names = ("text", "source", "type", "outcome", "contact")
        return self._console.page(
            request,
            "live.html",
            asked={name: Typed(asked.get(name, "")) for name in names},
            sources=[source.name for source in self._console.parts.ring.sources],
            types=list(TYPES),
            outcomes=list(_OUTCOMES),
        )

    async def event(self, request: Request) -> Response:
        """One stored event, whole: a fragment for the page, or a page of its own."""
        found = await self._console.parts.views.event(row_id(request, "event_id"))
        if found is None:
            raise NotFound("There is no such event; it may have been purged.")
        template = "event_detail.html" if "hx-request" in request.headers else "event.html"
        return self._console.page(request, template, **event_values(self._console.parts, found))

    async def stream(self, request: Request) -> Response:
        if self._streams >= MAX_STREAMS:
            raise Unavailable(
                f"{MAX_STREAMS} live views are open already. Close one.", code="too_many_streams", retry_after_seconds=10
            )
        return StreamingResponse(self._arrivals(request, live_filter(request)), media_type="text/event-stream")

    async def _arrivals(self, request: Request, wanted: LiveFilter) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            place: Place | None = None
            silent = 0
            while self._is_open(request):
                found = await self._arrived(place, wanted)
                if found is not None and found.place != place:
                    yield _message(request, found.rows, found.new, first=place is None)
                    place, silent = found.place, 0
                elif (silent := silent + 1) % PING_POLLS == 0:
                    yield b": still here\n\n"
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self._streams -= 1

    async def _arrived(self, place: Place | None, wanted: LiveFilter) -> Arrivals | None:
        """Nothing while the database is away: the stream outlives that."""
        try:
            return await self._console.parts.views.arrivals(place, wanted, limit=ROWS_A_POLL if place else FIRST_ROWS)
        except Unavailable:
            return None

    def _is_open(self, request: Request) -> bool:
        """A stream outlives neither its session, nor what that may see, nor the store."""
        session = self._console.sessions.find(request.cookies.get(SESSION_COOKIE, ""))
        may_see = session is not None and session.masked == visit_of(request).masked
        return may_see and self._console.parts.log.state.code != "stopped"


def live_filter(request: Request) -> LiveFilter:
    asked = request.query_params
    contact = _CONTACT.fullmatch(asked.get("contact", "").removeprefix("id:"))
    outcomes: dict[str, Literal["stored", "quarantined"]] = {"stored": "stored", "quarantined": "quarantined"}
    return LiveFilter(
        source=asked.get("source", ""),
        type=asked.get("type", ""),
        outcome=outcomes.get(asked.get("outcome", ""), ""),
        contact=int(contact[1]) if contact else 0,
        text=asked.get("text", "").strip()[:MAX_TEXT_CHARS],
    )


def _message(request: Request, rows: list[dict[str, Any]], new: int, *, first: bool) -> bytes:
    """``new`` counts what arrived since the last message: a reader sees when the rows are but a part of it."""
    words, seen = visit_of(request).words, shown(request, rows)
    said = [row | _refusal(words, row) if row["outcome"] == "quarantined" else row for row in seen]
    content = {"rows": said, "new": new, "first": first}
    return b"data: " + orjson.dumps(content) + b"\n\n"


def _refusal(words: Words, row: Mapping[str, Any]) -> dict[str, str]:
    return {"name": words.known(f"reason.{row['code']}", row["code"]), "message": words.said(row["message"])}
