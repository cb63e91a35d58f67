"""A cap and two deadlines on every connection, which uvicorn has not: it keeps a stalled or endless request for ever.

One sweep a tick looks at all connections, instead of a timer for each request: an honest request pays for a few
attribute writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

import orjson
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tropa_collector.errors import RequestTimeout
from tropa_collector.receive.cors import Headers, answer_headers

_IDLE = 0.0  # no deadline: nothing is owed by the sender, and uvicorn's keep-alive timer watches
_RETRY_AFTER_SECONDS = 5


class GuardSettings(Protocol):
    """The settings of the guard, by the names they have there."""

    @property
    def max_header_bytes(self) -> int: ...
    @property
    def header_timeout_seconds(self) -> float: ...
    @property
    def body_timeout_seconds(self) -> float: ...
    @property
    def max_connections(self) -> int: ...


def guarded_protocol(settings: GuardSettings, on_refused: Callable[[int], object] = lambda status: None) -> type[HttpToolsProtocol]:
    """A protocol class for ``uvicorn.Config(http=…)``, for one server; ``on_refused`` is told each status it answers.

    Request line and headers past ``max_header_bytes`` → 431 (noticed at the latest one read past it); not complete
    within ``header_timeout_seconds`` → 408; the body not complete that long after them → 408; a connection too many →
    503. After each of them the connection is closed.
    """
    watch = _Watch(settings, on_refused)
    return type("GuardedProtocol", (_Guarded,), {"watch": watch})


class _Watch:
    """The connections of one listener and the sweep over them."""

    def __init__(self, settings: GuardSettings, on_refused: Callable[[int], object]) -> None:
        shortest = min(settings.header_timeout_seconds, settings.body_timeout_seconds)
        self.tick_seconds = max(0.01, min(1.0, shortest / 8))
        # ``now`` is as old as the last sweep, so a deadline counted from it gets that much longer.
        self.header_seconds = settings.header_timeout_seconds + self.tick_seconds
        self.body_seconds = settings.body_timeout_seconds + self.tick_seconds
        self.max_header_bytes = settings.max_header_bytes
        self.max_connections = settings.max_connections
        self.on_refused = on_refused
        self.connections: set[_Guarded] = set()
        self.now = 0.0
        self.armed = False

    def add(self, connection: _Guarded) -> None:
        if not self.armed:
            self._arm(connection.loop)
        self.connections.add(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.armed = False
        if self.connections:
            self._arm(loop)
            for connection in tuple(self.connections):
                if _IDLE < connection.due <= self.now:
                    connection.expire()

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self.armed = True
        self.now = loop.time()
        loop.call_later(self.tick_seconds, self._sweep, loop)


class _Pipeline(list[Any]):
    """Requests whose turn has not come, for a protocol that has none as a rule: an empty deque takes 600 bytes."""

    def appendleft(self, request: object) -> None:
        self.insert(0, request)


class _Flow(FlowControl):
    """uvicorn's, without an event for a connection that never waits to write: another 800 bytes of each stalled one."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False

    @cached_property
    def _is_writable_event(self) -> asyncio.Event:  # type: ignore[override] # uvicorn only reads it
        event = asyncio.Event()
        event.set()
        return event


class _Guarded(HttpToolsProtocol):
    watch: ClassVar[_Watch]

    # Slots beside uvicorn's attributes: with these five too, instances would no longer share the keys of their dicts.
    __slots__ = ("due", "oversized", "progress", "refused", "unfinished_bytes")

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self.pipeline = _Pipeline()  # type: ignore[assignment] # all that uvicorn asks of its deque
        self.due = _IDLE
        self.refused = False
        self.oversized = False
        self.progress = False  # whether the parser finished anything in the bytes just fed to it
        self.unfinished_bytes = 0  # fed since it last did: a header line or a trailer that does not end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)
        crowded = len(self.watch.connections) >= self.watch.max_connections
        self.watch.add(self)
        self.due = self.watch.now + self.watch.header_seconds
        if crowded:
            self._refuse(503, "too_many_connections", "Too many connections. Try again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        self.watch.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.progress = False
        self.unfinished_bytes += len(data)
        HttpToolsProtocol.data_received(self, data)  # by name, here and below: super() costs more than the guard
        if self.progress:
            self.unfinished_bytes = 0
        elif not self.transport.is_closing():
            self._bound_unfinished()

    def _bound_unfinished(self) -> None:
        if self.unfinished_bytes > self.watch.max_header_bytes:
            self._refuse_headers()
        elif self.due == _IDLE:  # the first bytes of the next request, or blank lines: the keep-alive timer has stopped
            self.due = self.watch.now + self.watch.header_seconds

    def on_headers_complete(self) -> None:
        self.progress = True
        watch = self.watch
        if self.unfinished_bytes > watch.max_header_bytes:
            self._bound_headers()
        self.due = watch.now + watch.body_seconds
        HttpToolsProtocol.on_headers_complete(self)

    def _bound_headers(self) -> None:
        # Rare: the bytes fed may hold a body too, or another request, so they are counted one by one.
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.watch.max_header_bytes:
            self.oversized = True
            raise ValueError("headers too large")  # through the parser to send_400_response

    def on_body(self, body: bytes) -> None:
        self.progress = True
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self.progress = True
        self.due = _IDLE
        HttpToolsProtocol.on_message_complete(self)

    def send_400_response(self, msg: str) -> None:
        if self.oversized:
            self._refuse_headers()
        else:
            self._refuse(400, "bad_request", "This is not HTTP/1.1 as RFC 9112 has it.")

    def expire(self) -> None:
        """The deadline has passed."""
        if self.refused:  # and the sender does not read the answer
            self.transport.abort()
        elif self.flow.read_paused:  # we are the slow one
            self.due = self.watch.now + self.watch.body_seconds
        elif self._is_answering():
            self.cycle.keep_alive = False
            self.due = self.watch.now + self.watch.header_seconds
        else:
            self._refuse(408, RequestTimeout.code, "The request did not arrive in time. Send it again.")

    def _is_answering(self) -> bool:
        # A whole request is being answered while the next one, pipelined, stalls: the answer goes first.
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _refuse_headers(self) -> None:
        limit = self.watch.max_header_bytes
        self._refuse(431, "headers_too_large", f"Request line and headers are over {limit} bytes.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        cycle = self.cycle
        half_sent = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None:
            cycle.disconnected = True
        if not half_sent:
            self.transport.write(_answer(status, code, message, answer_headers(dict(self.headers or ()))))
            self.watch.on_refused(status)
        self.refused = True
        self.due = self.watch.now + 2 * self.watch.tick_seconds
        self.transport.close()


def _answer(status: int, code: str, message: str, more: Headers) -> bytes:
    fault: dict[str, Any] = {"success": False, "code": code, "message": message}
    body = orjson.dumps(fault)
    retry = f"retry-after: {_RETRY_AFTER_SECONDS}\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{retry}connection: close\r\n"
    )
    return head.encode() + b"".join(b"%b: %b\r\n" % header for header in more) + b"\r\n" + body
