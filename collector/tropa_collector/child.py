"""A process that the collector starts beside itself, and the socket over which whole messages go to and from it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any

from tropa_collector.frames import Frames, encode

_SOCKET_BYTES = 4 << 20


class Channel(asyncio.Protocol):
    """The collector's end of the socket. ``on_lost`` is called once, when the other end has hung up or ``close`` was called."""

    def __init__(self, on_message: Callable[[tuple[Any, ...]], None], on_lost: Callable[[Channel], None] | None = None) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # a stream transport by construction

    def data_received(self, data: bytes) -> None:
        for message in self._frames.feed(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._on_lost is not None:
            self._on_lost(self)

    def send(self, message: tuple[Any, ...]) -> None:
        """Nothing is said of a message that goes to a process which has ended: whoever waits learns it from the end."""
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(encode(message))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def start_child(module: str, *arguments: str, channel: Channel) -> asyncio.subprocess.Process:
    """``python -m module SOCKET_FD *arguments``, with ``channel`` at the other end of the socket.

    Raises:
        OSError: no process or socket can be had.
    """
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, str(theirs.fileno()), *arguments,
            pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    ours.setblocking(False)
    await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours)
    return process
