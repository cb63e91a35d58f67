"""The read-only side: aiosqlite connections that open the file ``mode=ro`` and never write or checkpoint."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from tropa_collector.errors import StoreError
from tropa_collector.store.contacts.refs import inside
from tropa_collector.store.contacts.shares import EVENT
from tropa_collector.store.hashing import hash64
from tropa_collector.store.pages import QUARANTINE, cursor, event_page, last_hour, quarantine_page
from tropa_collector.store.protocol import EventQuery, Page
from tropa_collector.store.sqlite.file import FILE_NAME

CONNECTIONS = 2


class SqliteReader:
    """``EventReader`` over the embedded store's file."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE_NAME
        self._idle: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        self._open: list[aiosqlite.Connection] = []

    async def start(self) -> None:
        """Open the connections.

        Raises:
            StoreError: there is no store in the directory, or none that can be read.
        """
        if not self._file.is_file():
            raise StoreError(f"There is no store in {self._file.parent}. `tropa serve --data {self._file.parent}` makes one.")
        try:
            for _ in range(CONNECTIONS):
                self._idle.put_nowait(await self._connected())
        except sqlite3.DatabaseError as error:
            await self.stop()  # each has a thread that the process would wait for
            raise StoreError(f"{self._file} cannot be read: {error}. Look at `tropa doctor`.") from None

    async def _connected(self) -> aiosqlite.Connection:
        uri, types = f"{self._file.absolute().as_uri()}?mode=ro", sqlite3.PARSE_DECLTYPES
        connection = await aiosqlite.connect(uri, uri=True, isolation_level=None, detect_types=types)
        self._open.append(connection)
        await connection.execute("PRAGMA cache_size = -8000")
        await connection.execute_fetchall("SELECT max(number) FROM migrations")  # a file without them is no store
        return connection

    async def stop(self) -> None:
        for connection in self._open:
            await connection.close()

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[aiosqlite.Connection]:
        """One connection inside one read transaction: a page and its total agree."""
        connection = await self._idle.get()
        try:
            await connection.execute("BEGIN")
            try:
                yield connection
            finally:
                await connection.execute("ROLLBACK")
        finally:
            self._idle.put_nowait(connection)

    async def events(self, query: EventQuery) -> Page:
        async with self._snapshot() as connection:
            among = None if query.message_id is None else await _ids_of_message(connection, query.message_id)
            return await _events(connection, query, among)

    async def quarantine(
        self, *, code: str | None = None, ids: Sequence[int] = (), before: str | None = None, limit: int = 100
    ) -> Page:
        where, values = ["1"], list[Any]()
        if code is not None:
            where.append("code = ?")
            values.append(code)
        if ids:
            where.append(f"id IN ({','.join('?' * len(ids))})")
            values.extend(ids)
        if before is not None:
            where.append("id < ?")
            values.extend(cursor(before, 1))
        async with self._snapshot() as connection:
            sql = f"SELECT {QUARANTINE} FROM quarantine WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
            return quarantine_page(await _all(connection, sql, [*values, limit + 1]), limit)

    async def totals(self) -> dict[str, Any]:
        async with self._snapshot() as connection:
            counters = dict(await _all(connection, "SELECT name, value FROM counters"))
            # Ids are dense until retention deletes from the left: no count over the table.
            ((newest, oldest),) = await _all(connection, "SELECT coalesce(max(id), 0), coalesce(min(id), 1) FROM events")
            ((quarantined,),) = await _all(connection, "SELECT count(*) FROM quarantine")
            ((pages,),) = await _all(connection, "PRAGMA page_count")
            minutes = await _all(
                connection,
                "SELECT minute, source, outcome, sum(count) FROM rollups WHERE minute > (SELECT max(minute) - 60 FROM rollups)"
                " GROUP BY minute, source, outcome",
            )
            names = await _all(
                connection,
                "SELECT type, name, sum(count) AS n FROM rollups WHERE outcome = 0"
                " AND minute > (SELECT max(minute) - 60 FROM rollups)"
                " GROUP BY type, name ORDER BY n DESC LIMIT 20",
            )
        return {
            "events_stored": newest - oldest + 1 if newest else 0,
            "events_purged": counters["events_purged"],
            "quarantined": quarantined,
            "quarantine_dropped": counters["quarantine_dropped"],
            "quarantine_released": counters["quarantine_released"],
            "quarantine_bytes": counters["quarantine_bytes"],
            "events_erased": counters["events_erased"],  # stored as empty shells
            "erased_refused": counters["erased_refused"],  # later events that carried an erased identifier
            "store_bytes": pages * 4096,
            **last_hour(minutes, names),
        }


async def _all(connection: aiosqlite.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    return list(await connection.execute_fetchall(sql, values))


async def _events(connection: aiosqlite.Connection, query: EventQuery, among: Collection[int] | None) -> Page:
    where, values = ["1" if among is None else f"id IN ({inside(among)})"], list[Any]()
    for column, value in (("type", query.type), ("name", query.name), ("source", query.source)):
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    if query.since is not None:
        where.append("received_at >= ?")
        values.append(query.since)
    if query.before is not None:
        where.append("(received_at, id) < (?, ?)")
        values.extend(cursor(query.before, 2))
    sql = f"SELECT {EVENT} FROM events WHERE {' AND '.join(where)} ORDER BY received_at DESC, id DESC LIMIT ?"
    return event_page(await _all(connection, sql, [*values, query.limit + 1]), query.limit)


async def _ids_of_message(connection: aiosqlite.Connection, message_id: str) -> set[int]:
    """From the log's tail and the dedupe index: a debugging look-up pays for itself, not every event."""
    rows = await _all(
        connection,
        "SELECT id FROM events WHERE id > (SELECT value FROM counters WHERE name = 'dedupe_through_id') AND message_id = ?",
        (message_id,),
    )
    sources = [name for (name,) in await _all(connection, "SELECT DISTINCT source FROM rollups")]
    keys = [hash64(message_id) ^ hash64("source\0" + source) for source in sources]
    rows += await _all(
        connection,
        "SELECT id FROM events WHERE message_id = ? AND id IN"
        f" (SELECT event_id FROM dedupe WHERE key IN ({','.join('?' * len(keys))}))",
        (message_id, *keys),
    )
    return {row[0] for row in rows}
