"""A listener: a socket, uvicorn over it, and how it stops without resetting what was sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

from tropa_collector.errors import SettingsError
from tropa_collector.metrics import Counters
from tropa_collector.receive.guard import guarded_protocol
from tropa_collector.settings import Settings

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
class Listener:
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


def listener(app: object, settings: Settings, host: str, port: int, counters: Counters) -> Listener:
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
    return Listener(_Server(config), [listening])
