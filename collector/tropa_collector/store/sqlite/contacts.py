"""``ContactReader`` over the embedded store's file: read-only connections, each call in a thread and in one snapshot."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from tropa_collector.store.protocol import ContactQuery, Page, Ref, stored_event
from tropa_collector.store.sqlite import explanations, search
from tropa_collector.store.sqlite.contact import document
from tropa_collector.store.sqlite.refs import contact_of, identifier_of
from tropa_collector.store.sqlite.timeline import page, shares_of
from tropa_collector.store.sqlite.words import SEARCHABLE

CONNECTIONS = 2
Result = TypeVar("Result")


class SqliteContacts:
    """Connections are opened when they are first needed, at most ``CONNECTIONS`` of them."""

    def __init__(self, file: Path, searchable: Iterable[str] = SEARCHABLE) -> None:
        self._file = file
        self._searchable = frozenset(searchable)
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._idle: deque[sqlite3.Connection] = deque()

    async def stop(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def contact(self, ref: Ref) -> dict[str, Any] | None:
        return await self._read(lambda connection: _found(connection, ref, document))

    async def timeline(self, ref: Ref, *, before: str | None = None, limit: int = 100) -> Page | None:
        return await self._read(lambda connection: _found(connection, ref, _timeline, before, limit))

    async def why(self, ref: Ref, pair: tuple[Ref, Ref] | None = None) -> dict[str, Any] | None:
        return await self._read(lambda connection: _found(connection, ref, _why, pair))

    async def search(self, query: ContactQuery) -> Page:
        return await self._read(lambda connection: search.search(connection, query, self._searchable))

    async def changes(self, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        return await self._read(lambda connection: explanations.changes(connection, after, limit))

    async def apart(self, *, after: str | None = None, limit: int = 100) -> Page:
        return await self._read(lambda connection: explanations.apart(connection, after, limit))

    async def _read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
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
        uri = f"{self._file.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)  # one thread at a time
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection


def _found(connection: sqlite3.Connection, ref: Ref, function: Callable[..., Result], *arguments: Any) -> Result | None:
    contact = contact_of(connection, ref)
    return None if contact is None else function(connection, contact, *arguments)


def _timeline(connection: sqlite3.Connection, contact: int, before: str | None, limit: int) -> Page:
    rows, following = page(connection, shares_of(connection, contact), before, limit)
    return Page([stored_event((*row[:6], contact, row[6])) for row in rows], following)


def _why(connection: sqlite3.Connection, contact: int, pair: tuple[Ref, Ref] | None) -> dict[str, Any] | None:
    if pair is None:
        return explanations.why_one(connection, contact)
    a, b = (identifier_of(connection, ref) for ref in pair)
    if a is None or b is None:
        return None
    return explanations.why_pair(connection, contact, a.id, b.id)
