"""Quarantine: refused events by reason, one of them with the place of its fault, and their replay: before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.console.event_view import event_values
from tropa_collector.admin.console.forms import row_id, sent
from tropa_collector.admin.console.json_view import indented, lines_of_text
from tropa_collector.admin.console.masking import Typed
from tropa_collector.admin.console.rendering import visit_of
from tropa_collector.errors import NotFound
from tropa_collector.store.views import LiveFilter, Place
from tropa_collector.transfer.replay import replay, replay_row

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

SHOWN_OF_GROUP = 50
REPLAYED_AT_ONCE = 1_000
GROUP: Final = ("code", "path", "source")


def routes(console: Console) -> list[Route]:
    pages = _Quarantine(console)
    return [
        Route("/quarantine", pages.page),
        Route("/quarantine/reason", pages.reason, methods=["GET"]),
        Route("/quarantine/reason", pages.replay_reason, methods=["POST"]),
        Route("/quarantine/{refused_id:int}", pages.event, methods=["GET"]),
        Route("/quarantine/{refused_id:int}", pages.replay_event, methods=["POST"]),
    ]


class _Quarantine:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._parts = console.parts

    async def page(self, request: Request) -> Response:
        source = request.query_params.get("source", "")
        found = await self._parts.views.refusals(source)
        for group in found["groups"]:
            group["query"] = Typed(urlencode({name: group[name] for name in GROUP}))
        names = [one.name for one in self._parts.ring.sources]
        return self._console.page(request, "quarantine.html", **found, asked={"source": Typed(source)}, sources=names)

    async def reason(self, request: Request) -> Response:
        """One group: its newest event whole, and the list of the newest of them."""
        return await self._reason(request, dict(request.query_params), None)

    async def replay_reason(self, request: Request) -> Response:
        form = await sent(request)
        ids = await self._ids(form, REPLAYED_AT_ONCE)
        counts = await replay(self._parts.pipeline, self._parts.reader, self._parts.ring, ids=ids) if ids else None
        return await self._reason(request, form, counts)

    async def _reason(self, request: Request, asked: dict[str, str], counts: dict[str, Any] | None) -> Response:
        ids = await self._ids(asked, SHOWN_OF_GROUP + 1, before=_number(asked.get("before", "")))
        page = await self._parts.reader.quarantine(ids=ids[:SHOWN_OF_GROUP], limit=SHOWN_OF_GROUP) if ids else None
        rows = page.rows if page else []
        return self._console.page(
            request,
            "quarantine_reason.html",
            asked={name: Typed(asked.get(name, "")) for name in GROUP},
            rows=[{name: row[name] for name in ("id", "received_at", "type", "event", "messageId", "message")} for row in rows],
            sample=refused_values(rows[0]) if rows else None,
            next=str(ids[SHOWN_OF_GROUP - 1]) if len(ids) > SHOWN_OF_GROUP else "",
            query=Typed(urlencode({name: asked.get(name, "") for name in GROUP})),
            counts=counts,
        )

    async def _ids(self, asked: dict[str, str], limit: int, *, before: int | None = None) -> list[int]:
        names = (asked.get(name, "") for name in GROUP)
        return await self._parts.views.refused_ids(*names, before=before, limit=limit)

    async def event(self, request: Request) -> Response:
        row = await self._row(request)
        template = "refused_detail.html" if "hx-request" in request.headers else "refused.html"
        editable = indented(row["original"]) if self._is_mended(request, row) else ""
        return self._console.page(request, template, **refused_values(row), editable=editable)

    async def replay_event(self, request: Request) -> Response:
        """Once more through the stages, as it came or as the operator mended it; then before and after side by side."""
        row, form = await self._row(request), await sent(request)
        place = (await self._parts.views.arrivals(None, LiveFilter(), limit=1)).place
        original = _edited(form, row["original"])
        outcome = await replay_row(self._parts.pipeline, self._parts.ring, {**row, "original": original})
        after = await self._after(place, outcome, row)
        values = {"outcome": outcome, "before": refused_values(row), "after": after, "was_mended": original != row["original"]}
        return self._console.page(request, "replayed.html", **values)

    async def _after(self, place: Place, outcome: str, row: dict[str, Any]) -> dict[str, Any]:
        """What the store holds now in its stead: the event, or the refused one with its present reason."""
        wanted = LiveFilter(outcome="stored" if outcome == "stored" else "quarantined", source=row["source"])
        found = (await self._parts.views.arrivals(place, wanted, limit=1)).rows if outcome != "skipped" else []
        if not found:
            return {}
        if outcome == "stored":
            event = await self._parts.views.event(found[0]["id"])
            return {"id": found[0]["id"], **event_values(self._parts, event)} if event else {}
        page = await self._parts.reader.quarantine(ids=[found[0]["id"]])
        return refused_values(page.rows[0]) if page.rows else {}

    async def _row(self, request: Request) -> dict[str, Any]:
        page = await self._parts.reader.quarantine(ids=[row_id(request, "refused_id")])
        if not page.rows:
            raise NotFound("This event is in quarantine no more: it was replayed, or it ran out of time.")
        return page.rows[0]

    def _is_mended(self, request: Request, row: dict[str, Any]) -> bool:
        """A masked text must not be sent back as an event, nor one whose source is gone."""
        return not visit_of(request).masked and self._parts.ring.named(row["source"]) is not None


def refused_values(row: dict[str, Any]) -> dict[str, Any]:
    """What ``refused_detail.html`` shows of a row of quarantine."""
    names = ("id", "received_at", "source", "code", "path", "message", "messageId", "type", "event", "original")
    receipt = {name: value for name, value in row["receipt"].items() if value}
    return {
        "refused": {name: row[name] for name in names},
        "lines": lines_of_text(row["original"], pointed=row["path"]),
        "receipt": lines_of_text(_text(receipt)),
        "query": Typed(urlencode({name: row[name] for name in GROUP})),
    }


def _edited(form: dict[str, str], original: str) -> str:
    """What an operator made of the original; the very same where nothing but its look was changed."""
    edited = form.get("original", original).replace("\r\n", "\n")
    return original if edited == indented(original) else edited


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _text(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()
