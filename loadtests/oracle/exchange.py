"""HTTP/1.1 over a raw socket: what a client library hides (was it refused, reset or cut?) is what the oracle asks."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

IDLE_SECONDS = 10.0  # the collector's keep_alive_seconds is 15


class Exchange(NamedTuple):
    """A request and what came of it. ``how``: answered, refused (no connection), reset, cut (end of stream), late."""

    how: str
    status: int = 0
    head: bytes = b""
    body: bytes = b""
    sent_at: float = 0.0  # monotonic seconds; 0: it never went out
    seconds: float = 0.0


class Connection:
    """One sender's connection, kept alive while the collector wishes, opened anew when it was lost."""

    def __init__(self, port: int, *, seconds: float = 10.0, keep_alive: bool = True) -> None:
        self._port = port
        self._seconds = seconds
        self._keep_alive = keep_alive
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = 0.0

    async def exchange(self, request: bytes) -> Exchange:
        """Send a request and wait for its whole answer; never raises for what the network does."""
        started, sent_at, how = time.monotonic(), 0.0, "refused"
        try:
            async with asyncio.timeout(self._seconds):
                reader, writer = await self._open()
                how = "reset"
                writer.write(request)
                await writer.drain()
                sent_at = time.monotonic()
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(header(head, b"content-length") or 0))
        except asyncio.IncompleteReadError:
            how = "cut"
        except TimeoutError:
            how = "late"
        except OSError:
            pass
        else:
            if not self._keep_alive or header(head, b"connection") == b"close":
                self.close()
            return Exchange("answered", int(head[9:12]), head, body, sent_at, time.monotonic() - started)
        self.close()
        return Exchange(how, sent_at=sent_at, seconds=time.monotonic() - started)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and (self._streams[0].at_eof() or self._streams[1].is_closing() or self._is_stale()):
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        self._used_at = time.monotonic()
        return self._streams

    def _is_stale(self) -> bool:
        """About to be closed by the collector for want of use: what is sent now may meet the closing."""
        return time.monotonic() - self._used_at > IDLE_SECONDS

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def header(head: bytes, name: bytes) -> bytes:
    """A header's value in a head as it came off the wire; empty when it is not there."""
    start = head.lower().find(b"\r\n" + name + b":")
    return head[start + len(name) + 3 : head.index(b"\r\n", start + 2)].strip() if start >= 0 else b""


def post(path: str, body: bytes, *headers: str) -> bytes:
    """The bytes of a POST."""
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"POST {path} HTTP/1.1\r\nhost: oracle\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body
