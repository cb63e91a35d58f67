"""The read-only side: aiosqlite connections that open the file ``mode=ro`` and never write or checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from tropa_collector.errors import StoreError
from tropa_collector.events.timestamps import to_iso
from tropa_collector.store.contacts.shares import EVENT
from tropa_collector.store.hashing import hash64
from tropa_collector.store.pages import OUTCOMES, cursor, quarantine_entry
from tropa_collector.store.protocol import EventQuery, Page, stored_event
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
            StoreError: there is no store in the directory.
        """
        if not self._file.is_file():
            raise StoreError(f"There is no store in {self._file.parent}. `tropa serve --data {self._file.parent}` makes one.")
        for _ in range(CONNECTIONS):
            connection = await aiosqlite.connect(f"{self._file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            await connection.execute("PRAGMA cache_size = -8000")
            self._open.append(connection)
            self._idle.put_nowait(connection)

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
            if query.message_id is not None:
                return await _events_by_message_id(connection, query)
            return await _events_by_time(connection, query)

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
            rows = await connection.execute_fetchall(
                "SELECT id, received_at, source, code, path, message, message_id, type, name, original, receipt FROM quarantine"
                f" WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
                [*values, limit + 1],
            )
        rows = list(rows)
        return Page([quarantine_entry(row) for row in rows[:limit]], str(rows[limit - 1][0]) if len(rows) > limit else None)

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
            "minutes": [
                {"minute": to_iso(minute * 60_000_000), "source": source, "outcome": OUTCOMES[outcome], "count": count}
                for minute, source, outcome, count in minutes
            ],
            "top_events": [{"type": type_, "event": name, "count": count} for type_, name, count in names],
        }


async def _all(connection: aiosqlite.Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    return list(await connection.execute_fetchall(sql, values))


async def _events_by_time(connection: aiosqlite.Connection, query: EventQuery) -> Page:
    where, values = ["1"], list[Any]()
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
    rows = await _all(
        connection,
        f"SELECT {EVENT} FROM events WHERE {' AND '.join(where)} ORDER BY received_at DESC, id DESC LIMIT ?",
        [*values, query.limit + 1],
    )
    more = len(rows) > query.limit
    return Page(
        [stored_event(row) for row in rows[: query.limit]],
        f"{rows[query.limit - 1][1]}-{rows[query.limit - 1][0]}" if more else None,
    )


async def _events_by_message_id(connection: aiosqlite.Connection, query: EventQuery) -> Page:
    """The log's tail, then the dedupe index read from its newest end: a debugging look-up pays for itself, not every event."""
    rows = await _all(
        connection,
        f"SELECT {EVENT} FROM events WHERE id > (SELECT value FROM counters WHERE name = 'dedupe_through_id') AND message_id = ?",
        (query.message_id,),
    )
    sources = [name for (name,) in await _all(connection, "SELECT DISTINCT source FROM rollups")]
    keys = [hash64(query.message_id or "") ^ hash64("source\0" + source) for source in sources]
    rows += await _all(
        connection,
        f"SELECT {EVENT} FROM events WHERE message_id = ? AND id IN"
        f" (SELECT event_id FROM dedupe WHERE key IN ({','.join('?' * len(keys))}))",
        (query.message_id, *keys),
    )
    found = {row[0]: row for row in rows}
    return Page([stored_event(found[event_id]) for event_id in sorted(found, reverse=True)][: query.limit])
