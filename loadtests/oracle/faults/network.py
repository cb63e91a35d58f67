"""A bad network between a sender and the collector: late, narrow, and cut in the middle of a request or of its reply."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Self

CHUNK_BYTES = 65_536


@dataclass(slots=True)
class Weather:
    """How bad it is. Shares are of what passes in one piece: a reply always does, a large request comes in several."""

    cut_requests: float = 0.0
    cut_replies: float = 0.0
    delay_seconds: float = 0.0
    bytes_per_second: float = 0.0  # of one connection; 0: any number


class Network:
    """A forwarder on a port of its own: ``async with Network(collector.port, Weather(…)) as network``."""

    def __init__(self, port: int, weather: Weather, *, seed: int = 1) -> None:
        self.weather = weather
        self.cut_requests = self.cut_replies = self.replies = 0
        self.port = 0
        self._upstream_port = port
        self._dice = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends, ways = [writer], list[asyncio.Task[None]]()
        try:
            upstream, up = await asyncio.open_connection("127.0.0.1", self._upstream_port)
            ends.append(up)
            ways += [
                asyncio.create_task(self._carry(reader, up)),
                asyncio.create_task(self._carry(upstream, writer, is_reply=True)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # the collector is gone: so is the line to it
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in ends:
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool = False) -> None:
        """Until an end closes or the line is cut; what a cut leaves of the piece has already gone out."""
        weather = self.weather
        while piece := await reader.read(CHUNK_BYTES):
            seconds = weather.delay_seconds + (len(piece) / weather.bytes_per_second if weather.bytes_per_second else 0.0)
            if seconds:
                await asyncio.sleep(seconds)
            self.replies += is_reply
            if self._dice.random() < (weather.cut_replies if is_reply else weather.cut_requests):
                self._count_cut(is_reply)
                writer.write(piece[: self._dice.randrange(len(piece))])
                return
            writer.write(piece)
            await writer.drain()

    def _count_cut(self, is_reply: bool) -> None:
        if is_reply:
            self.cut_replies += 1
        else:
            self.cut_requests += 1
