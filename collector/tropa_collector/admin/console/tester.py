"""A tester: one event through the stages, and what each of them says; kept or not, as the operator likes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tropa_collector.admin.console.calls import EXAMPLES
from tropa_collector.admin.console.event_view import identity_values
from tropa_collector.admin.console.forms import sent
from tropa_collector.admin.console.json_view import lines, lines_of_text
from tropa_collector.admin.console.masking import Typed
from tropa_collector.errors import RequestError
from tropa_collector.events.normalise import Limits, parse
from tropa_collector.events.validate import open_single
from tropa_collector.receive.keys import Source
from tropa_collector.receive.receipt import Receipt
from tropa_collector.store.views import LiveFilter

if TYPE_CHECKING:
    from tropa_collector.admin.console.application import Console

FIRST_EXAMPLE = "track"


def routes(console: Console) -> list[Route]:
    pages = _Tester(console)
    return [Route("/setup/try", pages.form, methods=["GET"]), Route("/setup/try", pages.attempt, methods=["POST"])]


class _Tester:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._parts = console.parts

    async def form(self, request: Request) -> Response:
        example = request.query_params.get("example", FIRST_EXAMPLE)
        form = {"event": EXAMPLES.get(example, EXAMPLES[FIRST_EXAMPLE]), "source": request.query_params.get("source", "")}
        return self._page(request, form, None)

    async def attempt(self, request: Request) -> Response:
        form = await sent(request)
        source = self._parts.ring.named(form.get("source", ""))
        if source is None:
            return self._page(request, form, {"fault": "tester.no_source", "detail": ""})
        try:
            result = await self._run(request, form.get("event", ""), source, kept=form.get("keep") == "1")
        except RequestError as error:  # what the sender would be answered for the whole request
            result = {"fault": "tester.refused", "detail": error.message}
        return self._page(request, form, result)

    def _page(self, request: Request, form: dict[str, str], result: dict[str, Any] | None) -> Response:
        return self._console.page(
            request,
            "tester.html",
            asked={name: Typed(form.get(name, "")) for name in ("event", "source", "keep")},
            sources=[source.name for source in self._parts.ring.sources],
            examples=list(EXAMPLES),
            result=result,
        )

    async def _run(self, request: Request, text: str, source: Source, *, kept: bool) -> dict[str, Any]:
        """Prepared for its stages to be shown; then, if it is kept, as any event of that source."""
        body = text.encode("utf-8", "surrogatepass")
        agent = request.headers.get("user-agent")
        receipt = Receipt(source, time.time_ns() // 1_000, request.client.host if request.client else None, agent)
        prepared = self._parts.pipeline.prepare(open_single(self._parse(body), type_="track"), receipt, lambda: [body])
        result: dict[str, Any] = {"fault": "", "kept": kept, "warnings": prepared.warnings, "link": ""}
        if prepared.errors:
            error = prepared.errors[0]
            result |= {"error": error, "lines": lines_of_text(text, pointed=error["path"])}
        else:
            event = orjson.loads(prepared.submission.records[0].body)
            found = self._parts.pipeline.identifiers(event, source, receipt.received_at)
            marked = lines(event, marks={"$.enriched": "enriched"})
            result |= {"error": None, "enriched": event["enriched"], "identity": identity_values(found), "lines": marked}
        if kept:
            result["link"] = await self._keep(body, receipt)
        return result

    def _parse(self, body: bytes) -> object:
        return parse(body, limits=Limits.of(self._parts.settings))

    async def _keep(self, body: bytes, receipt: Receipt) -> str:
        """Where the console shows what the store holds of it now; nothing for what it held before."""
        place = (await self._parts.views.arrivals(None, LiveFilter(), limit=1)).place
        verdict = await self._parts.pipeline.ingest(open_single(self._parse(body), type_="track"), receipt, lambda: [body])
        wanted = LiveFilter(outcome="quarantined" if verdict.errors else "stored", source=receipt.source.name)
        rows = (await self._parts.views.arrivals(place, wanted, limit=1)).rows
        if not rows:
            return ""
        return f"/quarantine/{rows[0]['id']}" if verdict.errors else f"/live/event/{rows[0]['id']}"
