"""Everything that ``tropa serve`` runs: two listeners in one process, built in order, stopped in stages."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tropa_collector.admin.api import AdminParts, admin_app, health, ready_response
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.errors import SettingsError
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.receive.endpoint import Endpoint
from tropa_collector.receive.guard import guarded_protocol
from tropa_collector.receive.keys import Credentials, credentials
from tropa_collector.receive.rates import Rates
from tropa_collector.settings import Settings
from tropa_collector.store.sqlite.client import SqliteLog
from tropa_collector.store.sqlite.contacts import SqliteContacts
from tropa_collector.store.sqlite.reader import SqliteReader
from tropa_collector.store.sqlite.writer import FILE_NAME

logger = logging.getLogger("tropa")

#: What the connection guard answers before a request reaches the endpoint, by the codes of the errors tree.
GUARD_CODES = {408: "request_timeout", 431: "headers_too_large", 503: "too_many_connections"}


LAST_REQUEST_SECONDS = 0.3  # for requests that were sent before the listener closed and are not yet read
BACKLOG_SECONDS = 0.03  # for connections that the kernel has made and nobody has accepted yet
_CLOSE = (b"connection", b"close")
_SO_ATTACH_FILTER = 26  # Linux; Python has no name for it
#: Classic BPF over a TCP header: a packet with SYN set (byte 13, bit 2) is dropped, every other one passes.
_NO_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 2), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the collector, and stops without resetting what was sent to it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn closes every connection that is between two requests; closing one with an unread request resets it.

        So does closing a listener with connections in its backlog. Here both are served first, each with its last answer.
        """
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        for listening in sockets or ():
            _let_nobody_in(listening)
        await asyncio.sleep(BACKLOG_SECONDS)
        for server in self.servers:
            server.close()
        if self.server_state.connections:
            await asyncio.sleep(LAST_REQUEST_SECONDS)
        await super().shutdown(sockets)


def _let_nobody_in(listening: socket.socket) -> None:
    """Who connects from here on gets no answer, tries again a second later and is refused; who is in stays in."""
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _NO_SYN))
    with contextlib.suppress(OSError):  # a sandbox without socket filters: a few connections may be reset
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(_NO_SYN), ctypes.addressof(program)))


@dataclass(slots=True)
class _Listener:
    server: _Server
    sockets: list[socket.socket]
    task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        host, port = self.sockets[0].getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        self.task = asyncio.create_task(self.server.serve(sockets=self.sockets))
        while not self.server.started and not self.task.done():  # noqa: ASYNC110 - a bounded wait at start or stop
            await asyncio.sleep(0.002)

    async def stop(self, *, seconds: float) -> None:
        """No new connections; what is in flight is answered."""
        self.server.should_exit = True
        if self.task is None:
            return
        done, _ = await asyncio.wait([self.task], timeout=seconds)
        if not done:
            self.server.force_exit = True
            await asyncio.wait([self.task], timeout=1)


class Collector:
    """The collector of one data directory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.credentials: Credentials = credentials(settings)
        self.counters = Counters()
        self.log = SqliteLog(settings)
        self.reader = SqliteReader(settings.data)
        self.contacts = SqliteContacts(settings.data / FILE_NAME)
        self.devices = Devices(settings.enrich_cache_items)
        self.places = Places(settings.geo_databases, settings.enrich_cache_items)
        self.pipeline = Pipeline(settings, self.log, self.counters, self.devices, self.places)
        self._public: _Listener | None = None
        self._admin: _Listener | None = None

    @property
    def addresses(self) -> tuple[str, str]:
        """Of the public and of the admin listener, once started."""
        assert self._public is not None
        assert self._admin is not None
        return self._public.address, self._admin.address

    async def start(self) -> None:
        """Open the store, warm what is slow the first time, then listen.

        Raises:
            StoreError: the store does not open.
            SettingsError: an address cannot be listened on.
        """
        settings = self.settings
        store = asyncio.create_task(self.log.start())
        self.devices.warm()
        self.places.lookup("8.8.8.8")
        await store
        await self.reader.start()
        ring = self.credentials.ring
        endpoint = Endpoint(settings, ring, self.pipeline, self.log, self.counters, Rates(settings), self._public_app())
        token_hash = self.credentials.admin_token_hash
        parts = AdminParts(self.log, self.reader, self.pipeline, ring, self.counters, token_hash, settings, self.contacts)
        self._public = _listener(endpoint, settings, settings.host, settings.port, self.counters)
        self._admin = _listener(admin_app(parts), settings, settings.admin_host, settings.admin_port, self.counters)
        gc.collect()
        gc.freeze()  # what lives for ever need not be looked at again
        gc.set_threshold(50_000, 20, 100)  # an event makes a dozen dicts and no cycle
        await self._admin.start()
        await self._public.start()

    def _public_app(self) -> Starlette:
        """Everything on the public listener that is not an ingest path. Nothing here returns stored data."""

        async def ready(_: Request) -> Response:
            return ready_response(self.log)

        return Starlette(
            routes=[Route("/health", health), Route("/ready", ready)],
            exception_handlers={HTTPException: _not_here},
        )

    async def stop(self) -> int:
        """Refuse new, answer what is in flight, commit, close. The number of events left unanswered, 0 if all went well."""
        budget = self.settings.drain_seconds
        deadline = time.monotonic() + budget
        if self._public is not None:
            await self._public.stop(seconds=0.75 * budget)
        left = await self.log.stop(seconds=max(1.0, deadline - time.monotonic()))
        if self._admin is not None:
            await self._admin.stop(seconds=0.5)
        await self.contacts.stop()
        await self.reader.stop()
        return left


def server_config(app: object, settings: Settings, *, http: Any) -> uvicorn.Config:
    """uvicorn's settings, the same for both listeners; ``http`` is its protocol class."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type] # an ASGI application
        http=http,
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
    )


def _listener(app: object, settings: Settings, host: str, port: int, counters: Counters) -> _Listener:
    def refused(status: int) -> None:
        counters.requests_refused[GUARD_CODES.get(status, "bad_request")] += 1

    config = server_config(app, settings, http=guarded_protocol(settings, refused))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise SettingsError(f"Cannot listen on {host}:{port}: {error.strerror}. Is another collector running?") from None
    return _Listener(_Server(config), [listening])


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "error")
    message = f"There is no {request.method} {request.url.path} here. Events go to /v1/track, /v1/batch and their like."
    return JSONResponse({"success": False, "code": code, "message": message}, status_code=error.status_code)


async def serve(collector: Collector) -> int:
    """Run until SIGTERM or SIGINT; the exit status is 0 when nothing was left unanswered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await collector.start()
        public, admin = collector.addresses
        logger.info("listening on %s, admin on %s", public, admin)
        await stop.wait()
        logger.info("stopping: answering what is in flight")
    finally:
        left = await collector.stop()
    logger.log(logging.ERROR if left else logging.INFO, "stopped, %d events left unanswered", left)
    return 1 if left else 0
