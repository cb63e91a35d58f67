"""The other yardstick: what is left of a collector that checks, enriches, recognises and resolves nothing.

    python -m loadtests.barest PORT FILE

Under the collector's uvicorn settings a body is parsed, each event becomes a row, a writer process puts the waiting rows into
SQLite in one synced commit, and only then they are answered. What the collector answers less than this is the price of
validation, enrichment, dedupe and identity; what this answers less than the do-nothing handler no collector of this build
gets back.
"""

from __future__ import annotations

import asyncio
import marshal
import socket
import sqlite3
import subprocess
import sys
import time
from itertools import chain
from typing import Any

import orjson
import uvicorn
import uvloop

from tropa_collector.child import Channel
from tropa_collector.frames import Frames, encode
from tropa_collector.listeners import server_config
from tropa_collector.receive.guard import guarded_protocol
from tropa_collector.receive.request import Receive, Scope, Send
from tropa_collector.settings import Settings

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"16")]}
BODY = {"type": "http.response.body", "body": b'{"success":true}'}
COLUMNS = 8
CHUNKS = (256, 64, 16, 4, 1)
INSERT = {rows: "INSERT INTO events VALUES " + ",".join(["(NULL" + COLUMNS * ",?" + ")"] * rows) for rows in CHUNKS}


class Barest:
    """The handler and its end of the writer's socket: what came in one turn of the loop is one frame, as the collector has it."""

    def __init__(self) -> None:
        self.channel = Channel(self._answered)
        self._waiting: list[tuple[int, bytes]] = []
        self._futures: dict[int, asyncio.Future[None]] = {}
        self._number = 0

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        parts = [message["body"]]
        while message.get("more_body"):
            message = await receive()
            parts.append(message["body"])
        self._number += 1
        loop = asyncio.get_running_loop()
        future = self._futures[self._number] = loop.create_future()
        self._waiting.append((self._number, _rows(orjson.loads(b"".join(parts)))))
        if len(self._waiting) == 1:
            loop.call_soon(self._send)
        await future
        await send(START)
        await send(BODY)

    def _send(self) -> None:
        self.channel.send(tuple(self._waiting))
        self._waiting.clear()

    def _answered(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            self._futures.pop(number).set_result(None)


def _rows(body: dict[str, Any]) -> bytes:
    now = time.time_ns() // 1_000
    return marshal.dumps([
        ("web", 0, event["type"], event.get("event") or "", event["messageId"], now, now, orjson.dumps(event).decode())
        for event in body.get("batch") or (body,)
    ])  # fmt: skip


def write(channel: socket.socket, file: str) -> None:
    """The writer process: all that waits in one commit."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000")
    connection.execute(
        "CREATE TABLE events (id INTEGER PRIMARY KEY, source, trust, type, name, message_id, received_at, timestamp, body)"
    )
    frames = Frames()
    while data := channel.recv(1 << 20):
        waiting = list(frames.feed(data))
        if waiting:
            submissions = [submission for frame in waiting for submission in frame]
            connection.execute("BEGIN IMMEDIATE")
            _insert(connection, [row for _, rows in submissions for row in marshal.loads(rows)])
            connection.execute("COMMIT")
            channel.sendall(encode(tuple(number for number, _ in submissions)))


def _insert(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
    start = 0
    for chunk in CHUNKS:
        while len(rows) - start >= chunk:
            connection.execute(INSERT[chunk], list(chain.from_iterable(rows[start : start + chunk])))
            start += chunk


async def serve(port: int, file: str) -> None:
    barest, (ours, theirs) = Barest(), socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    with theirs:
        command = [sys.executable, "-m", "loadtests.barest", "writer", str(theirs.fileno()), file]
        writer = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: ASYNC220 - before anything is served
    ours.setblocking(False)
    await asyncio.get_running_loop().create_unix_connection(lambda: barest.channel, sock=ours)
    config = server_config(barest, Settings(), http=guarded_protocol(Settings()))
    config.host, config.port = "127.0.0.1", port
    try:
        await asyncio.wait_for(uvicorn.Server(config).serve(), 3_600)
    finally:
        barest.channel.close()
        writer.wait(10)


if __name__ == "__main__":
    if sys.argv[1] == "writer":
        write(socket.socket(fileno=int(sys.argv[2])), sys.argv[3])
    else:
        uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
