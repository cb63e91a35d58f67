"""``LogFeed`` over the embedded store's file: short read-only snapshots in a thread, so that no checkpoint waits for them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from tropa_collector.errors import StoreError
from tropa_collector.store.connection import number, number_or_none
from tropa_collector.store.contacts.explanations import CHANGES
from tropa_collector.store.contacts.feed import change_before, changes_between, identifier_rows
from tropa_collector.store.contacts.shares import EVENT
from tropa_collector.store.protocol import IdentifierRow, Logged, Stream, Stretch, stored_event
from tropa_collector.store.sqlite.file import FILE_NAME, open_reading
from tropa_collector.store.sqlite.numbering import NEWEST_EVENT

Result = TypeVar("Result")

_EVENTS: Final = f"SELECT {EVENT}, identifier FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_ACTIONS: Final = ",".join(f"'{action}'" for action in CHANGES)
_TABLES: Final[dict[Stream, tuple[str, str]]] = {"events": ("events", "received_at"), "changes": ("identity_log", "at")}
_HEADS: Final[dict[Stream, str]] = {
    "events": f"SELECT {NEWEST_EVENT}",
    "changes": "SELECT coalesce(max(id), 0) FROM identity_log",
}
_OUT_OF_ORDER: Final = 5_000  # events are received in one order and committed in another, but not by more than this


class SqliteFeed:
    """One connection, used by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE_NAME
        self._connection: sqlite3.Connection | None = None
        self._turn = threading.Lock()

    async def head(self, stream: Stream) -> int:
        return await self._read(lambda connection: number(connection, _HEADS[stream]))

    async def read(self, stream: Stream, *, after: int, through: int, limit: int, max_bytes: int) -> Stretch:
        if stream == "events":
            return await self._read(lambda connection: _events(connection, after, through, limit, max_bytes))
        return await self._read(lambda connection: changes_between(connection, after, through, limit))

    async def waiting_since(self, stream: Stream, after: int) -> int | None:
        table, at = _TABLES[stream]
        where = "id > ?" if stream == "events" else f"id > ? AND action IN ({_ACTIONS})"
        sql = f"SELECT {at} FROM {table} WHERE {where} ORDER BY id LIMIT 1"
        return await self._read(lambda connection: number_or_none(connection, sql, after))

    async def before(self, stream: Stream, at: int) -> int:
        return await self._read(lambda connection: (_event_before if stream == "events" else change_before)(connection, at))

    async def identifiers(self, ids: Sequence[int], contacts: Sequence[int]) -> list[IdentifierRow]:
        return await self._read(lambda connection: identifier_rows(connection, ids, contacts))

    async def stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        return await asyncio.to_thread(self._in_snapshot, function)

    def _in_snapshot(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._turn:
            connection = self._connection or self._open()
            connection.execute("BEGIN")
            try:
                return function(connection)
            finally:
                connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection:
        if not self._file.is_file():
            raise StoreError(f"There is no store in {self._file.parent}.")
        self._connection = open_reading(self._file, any_thread=True)
        self._connection.execute("PRAGMA cache_size = -8000")
        return self._connection


def _events(connection: sqlite3.Connection, after: int, through: int, limit: int, max_bytes: int) -> Stretch:
    entries: list[Logged] = []
    size = 0
    for *row, identifier in connection.execute(_EVENTS, (after, through, limit)):
        entries.append(Logged(row[0], row[1], stored_event(row), (identifier,) if identifier else ()))
        size += len(row[7])
        if size >= max_bytes:
            break
    if not entries:
        return Stretch([], through, through - after)
    whole = size < max_bytes and len(entries) < limit
    # Ids are dense until retention deletes from the left: what is not there any more was purged.
    return Stretch(entries, through if whole else entries[-1].position, entries[0].position - after - 1)


def _event_before(connection: sqlite3.Connection, at: int) -> int:
    sql = "SELECT min(id) FROM (SELECT id FROM events WHERE received_at >= ? ORDER BY received_at LIMIT ?)"
    (first,) = connection.execute(sql, (at, _OUT_OF_ORDER)).fetchone()
    return number(connection, _HEADS["events"]) if first is None else first - 1
