"""Servers that events are forwarded to, and that should not be there: one takes its time, one fails, one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loadtests.collector_process import free_port
from loadtests.oracle.exchange import header

SLOW_SECONDS = 30.0


@asynccontextmanager
async def receiver(*, seconds: float, status: int) -> AsyncIterator[int]:
    """The port of a server that reads a request, waits, and answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(header(head, b"content-length") or 0))
            await asyncio.sleep(seconds)
            writer.write(b"HTTP/1.1 %d Answer\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it hung up, or all is over
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def nobody() -> int:
    """A port where nobody listens."""
    return free_port()
