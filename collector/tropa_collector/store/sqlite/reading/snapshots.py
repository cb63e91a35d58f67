"""Read-only connections for what is read in threads: each call is one function over one snapshot."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tropa_collector.store.sqlite.file import open_reading

Result = TypeVar("Result")


class Snapshots:
    """Connections are opened when they are first needed, at most ``connections`` of them; more callers wait their turn."""

    def __init__(self, file: Path, *, connections: int = 2) -> None:
        self._file = file
        self._turns = asyncio.Semaphore(connections)
        self._idle: deque[sqlite3.Connection] = deque()

    async def stop(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        async with self._turns:
            return await asyncio.to_thread(self._in_snapshot, function)

    def _in_snapshot(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = self._idle.pop() if self._idle else self._open()
        try:
            connection.execute("BEGIN")
            try:
                return function(connection)
            finally:
                connection.execute("ROLLBACK")
        finally:
            self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        connection = open_reading(self._file, any_thread=True)  # one at a time
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection
