"""The door: a raw ASGI callable for the ingest paths, looked up before the router; everything else goes on to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from tropa_collector.errors import Forbidden, MethodNotAllowed, RateLimited, RequestError, UnknownKey
from tropa_collector.events.model import TYPES
from tropa_collector.events.normalise import Limits, parse
from tropa_collector.events.originals import Slices
from tropa_collector.events.plain import Decode, Decoded
from tropa_collector.events.validate import Envelope, open_single
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline, Prepared, Verdict
from tropa_collector.receive import pixel, replies, settings_stub
from tropa_collector.receive.body import inflate
from tropa_collector.receive.browser import given_up
from tropa_collector.receive.client_address import came_by_https, client_address
from tropa_collector.receive.cookies import NO_VISIT, Asked, SetCookies, Visit, visit_of
from tropa_collector.receive.cors import answer_headers, origin_allowed, preflight_headers
from tropa_collector.receive.keys import KeyRing, Source, key_of_body, key_of_headers, key_of_query
from tropa_collector.receive.rates import Rates
from tropa_collector.receive.receipt import Receipt, client_hints, is_retry, user_agent
from tropa_collector.receive.replies import Reply
from tropa_collector.receive.request import App, Ask, Gone, Handler, HeaderMap, Receive, Scope, Send, read_body
from tropa_collector.receive.sessions import SessionKeys
from tropa_collector.receive.shape import Shape, of_batch, of_event
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import EventLog

logger = logging.getLogger("tropa.receive")

_LETTERS: Final = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias"}
_PIXEL: Final = Reply(
    200,
    pixel.GIF,
    [(b"content-type", b"image/gif"), (b"content-length", b"%d" % len(pixel.GIF)), (b"cache-control", b"no-store")],
)


class Endpoint:
    """The ingest paths; ``next_app`` answers every other one."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of the collector meet here
        self,
        settings: Settings,
        ring: KeyRing,
        pipeline: Pipeline,
        log: EventLog,
        counters: Counters,
        rates: Rates,
        next_app: App,
        sessions: SessionKeys | None = None,
    ) -> None:
        self._settings = settings
        self._limits = Limits.of(settings)
        self._trusted = settings.trusted_networks
        self._ring = ring
        self._pipeline = pipeline
        self._log = log
        self._counters = counters
        self._rates = rates
        self._next = next_app
        self._sessions = sessions or SessionKeys()
        self._batch = of_batch(max_events=settings.max_batch_events, max_bytes=settings.max_body_bytes)
        self._routes = self._make_routes(settings)

    def _make_routes(self, settings: Settings) -> dict[str, tuple[str, Handler]]:
        batch = partial(self._ingest, self._batch)
        routes: dict[str, tuple[str, Handler]] = {}
        for type_ in TYPES:
            routes[f"/v1/{type_}"] = (type_, partial(self._ingest, of_event(type_)))
        for letter, type_ in _LETTERS.items():
            routes[f"/v1/{letter}"] = routes[f"/v1/{type_}"]
        for path in ("/v1/batch", "/v1/b", "/v1/import", *settings.ingest_paths):
            routes[path] = ("batch", batch)
        routes["/beacon/v1/batch"] = ("beacon", batch)
        routes["/v1/validate"] = ("validate", self._validate)
        routes["/v1/m"] = ("metrics", self._swallow)
        return routes | {f"{path}/": handler for path, handler in routes.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            route = _odd_route(self, scope)
            if route is None:
                await self._next(scope, receive, send)
                return
        name, handler = route
        headers: HeaderMap = dict(scope["headers"])
        try:
            reply = await self._answer(Ask(scope["method"], headers, scope, receive), handler)
        except Gone:
            return
        self._counters.requests[name, reply.status] += 1
        start = reply.headers
        if b"origin" in headers:
            start = [*start, *answer_headers(headers)] if scope["method"] != "OPTIONS" else [*start, *preflight_headers(headers)]
        await send({"type": "http.response.start", "status": reply.status, "headers": start})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, ask: Ask, handler: Handler) -> Reply:
        try:
            if ask.method == "OPTIONS":
                return Reply(200, b"", [(b"content-length", b"0")])
            return await handler(ask)
        except RequestError as error:
            return replies.of_error(error)
        except Gone:
            raise
        except Exception:
            logger.exception("a request failed")
            return replies.of_error(
                RequestError("The collector failed; the fault is in its log. Send again.", code="internal_error")
            )._replace(status=500)

    # -- events

    async def _ingest(self, shape: Shape, ask: Ask) -> Reply:
        if ask.method != "POST":
            raise self._refused(MethodNotAllowed(f"This path takes POST, not {ask.method}."))
        try:
            refusal = self._log.refusal()
            if refusal is not None:
                raise refusal
            source = self._source(ask)
            prepared, cookies = self._take(shape, ask, await read_body(ask, self._settings.max_body_bytes), source)
        except RequestError as error:
            raise self._refused(error) from None
        reply = replies.of_verdict(await self._pipeline.commit(prepared))
        return reply._replace(headers=[*reply.headers, *cookies]) if cookies and reply.status == 200 else reply

    def _take(self, shape: Shape, ask: Ask, raw: bytes, source: Source | None) -> tuple[Prepared, SetCookies]:
        """Bytes to what is to be stored. Not a coroutine: nothing of the body outlives it."""
        body, (parsed, encoded), source = self._parse(raw, source, shape.decode)
        self._check_origin(ask, source)
        envelope = shape.open(parsed, encoded)
        receipt = self._receipt(ask, source)
        self._spend(receipt, len(envelope.items))
        if source.kind != "browser":
            return self._pipeline.take(envelope, receipt, Slices(body, shape.slice)), ()
        self._counters.given_up[source.name] += given_up(parsed)
        visit = self._visit(ask, parsed, source)
        receipt = self._of_visitor(receipt, visit, body)
        return self._pipeline.take(envelope, receipt, Slices(body, shape.slice)), visit.set_cookies

    def _visit(self, ask: Ask, parsed: object, source: Source) -> Visit:
        if not isinstance(parsed, dict) or "batchId" not in parsed:
            return NO_VISIT
        headers, client = ask.headers, ask.scope["client"]
        forwarded = headers.get(b"x-forwarded-proto", b"")
        https = came_by_https(ask.scope.get("scheme", "http"), client[0] if client else None, forwarded, self._trusted)
        return visit_of(parsed, Asked(headers, https, int(time.time())), source, self._ring.visitor_secret)

    def _of_visitor(self, receipt: Receipt, visit: Visit, body: bytes) -> Receipt:
        """The receipt with who it is, or with the session of who does not want to be anybody."""
        if visit.anonymous_id is not None:
            receipt = receipt._replace(visitor=visit.anonymous_id)
        if b'"cookieless"' in body:
            session = self._sessions.key(receipt.source.name, receipt.address, receipt.user_agent)
            receipt = receipt._replace(session=session)
        return receipt

    async def _validate(self, ask: Ask) -> Reply:
        if ask.method != "POST":
            raise MethodNotAllowed(f"This path takes POST, not {ask.method}.")
        source = self._source(ask)
        body = await read_body(ask, self._settings.max_body_bytes)
        _, decoded, source = self._parse(body, source, self._batch.decode)
        self._check_origin(ask, source)
        envelope = self._batch.open(*decoded)
        receipt = self._receipt(ask, source)
        self._spend(receipt, len(envelope.items))
        prepared = self._pipeline.prepare(envelope, receipt, lambda: None)
        return replies.of_verdict(Verdict(len(envelope.items) - len(prepared.errors), prepared.errors, prepared.warnings))

    def _refused(self, error: RequestError) -> RequestError:
        self._counters.requests_refused[error.code] += 1
        return error

    def _source(self, ask: Ask) -> Source | None:
        """The source named in the headers or the query, None if the body has to say."""
        key = key_of_headers(ask.headers) or key_of_query(ask.scope["query_string"])
        return None if key is None else self._known(key)

    def _known(self, key: str | None) -> Source:
        source = None if key is None else self._ring.find(key)
        if source is None:
            raise UnknownKey(
                "No write key came with the request. Send it as the Basic user name or as `writeKey` in the body."
                if key is None
                else "No source has this write key. `tropa keys` lists the sources."
            )
        return source

    def _parse(self, raw: bytes, source: Source | None, decode: Decode) -> tuple[bytes, Decoded, Source]:
        body = inflate(raw, max_bytes=self._settings.max_body_bytes)
        decoded = decode(body, limits=self._limits)
        return body, decoded, source or self._known(key_of_body(decoded.value))

    @staticmethod
    def _check_origin(ask: Ask, source: Source) -> None:
        origin = ask.headers.get(b"origin")
        if origin is not None and not origin_allowed(origin, source.options.allowed_origins):
            raise Forbidden(f"Source {source.name!r} does not take events from this origin. Add it to its allowed_origins.")

    def _receipt(self, ask: Ask, source: Source) -> Receipt:
        headers = ask.headers
        client = ask.scope["client"]
        peer = client[0] if client else None
        forwarded = [value for name, value in ask.scope["headers"] if name == b"x-forwarded-for"] if self._trusted else ()
        retried = is_retry(headers)
        if retried:
            self._counters.retries += 1
        return Receipt(
            source=source,
            received_at=time.time_ns() // 1_000,
            address=client_address(peer, forwarded, self._trusted),
            user_agent=user_agent(headers),
            hints=client_hints(headers),
            retried=retried,
            opted_out=headers.get(b"sec-gpc") == b"1",
        )

    def _spend(self, receipt: Receipt, events: int) -> None:
        wait = self._rates.take(receipt.source, receipt.address, events)
        if wait is not None:
            raise RateLimited("More events than this key or network may send. Wait, then send again.", retry_after_seconds=wait)

    # -- the rest of the contract

    async def _swallow(self, ask: Ask) -> Reply:
        """A browser SDK's own metrics: read, answered, forgotten."""
        await read_body(ask, self._settings.max_body_bytes)
        return replies.of_document({"success": True})

    async def pixel(self, type_: str, ask: Ask) -> Reply:
        """The GIF and 200 whatever happened; what happened is in the counters."""
        try:
            body, envelope, receipt = self._open_pixel(type_, ask)
            await self._pipeline.ingest(envelope, receipt, lambda: [body])
        except RequestError:
            pass  # nobody is there to read it
        except Exception:
            logger.exception("a pixel's event failed")
        return _PIXEL

    def _open_pixel(self, type_: str, ask: Ask) -> tuple[bytes, Envelope, Receipt]:
        try:
            body = pixel.decode(ask.scope["query_string"])
            parsed = parse(body, limits=self._limits)
            source = self._source(ask) or self._known(key_of_body(parsed))
            self._check_origin(ask, source)  # an image has none; a script that asks for one has
            receipt = self._receipt(ask, source)
            envelope = open_single(parsed, type_=type_)
            self._spend(receipt, 1)
        except RequestError as error:
            raise self._refused(error) from None
        return body, envelope, receipt

    async def settings_document(self, document: Callable[[str, str], dict[str, Any]], write_key: str, ask: Ask) -> Reply:
        """What Segment's and RudderStack's browser SDKs ask for before their first event."""
        self._known(write_key)
        host = ask.headers.get(b"host", b"localhost").decode("latin-1")
        return replies.of_document(document(write_key, host))


def _odd_route(endpoint: Endpoint, scope: Scope) -> tuple[str, Handler] | None:
    """The paths with a part that varies."""
    if scope["type"] != "http":
        return None
    steps = scope["path"].strip("/").split("/")
    if len(steps) == 3 and steps[:2] == ["v1", "pixel"]:  # an unknown type too: a GIF, and its event in quarantine
        return "pixel", partial(endpoint.pixel, _LETTERS.get(steps[2], steps[2]))
    if len(steps) == 4 and steps[:2] == ["v1", "projects"] and steps[3] == "settings":
        return "settings", partial(endpoint.settings_document, settings_stub.segment_settings, steps[2])
    if steps == ["sourceConfig"]:
        key = key_of_query(scope["query_string"]) or key_of_headers(dict(scope["headers"])) or ""
        return "settings", partial(endpoint.settings_document, settings_stub.rudderstack_settings, key)
    return None
