"""``LogFeed`` over the embedded store's file: short read-only snapshots in a thread, so that no checkpoint waits for them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from tropa_collector.errors import StoreError
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.identity.records import Identifier
from tropa_collector.store.connection import Connection
from tropa_collector.store.protocol import IdentifierRow, Logged, Stream, Stretch, public_id, stored_event
from tropa_collector.store.sqlite.explanations import CHANGES, changes
from tropa_collector.store.sqlite.refs import identifiers, name_of
from tropa_collector.store.sqlite.writer import FILE_NAME

Result = TypeVar("Result")

_CONTACT: Final = (
    "(SELECT CASE WHEN i.shared_from IS NOT NULL AND e.timestamp >= i.shared_from THEN i.shared_contact ELSE i.contact END"
    " FROM identifiers AS i WHERE i.id = e.identifier)"
)
_EVENTS: Final = (
    f"SELECT id, received_at, timestamp, original_at, source, trust, {_CONTACT}, body, identifier"
    " FROM events AS e WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
)
_ACTIONS: Final = ",".join(f"'{action}'" for action in CHANGES)
_TABLES: Final[dict[Stream, tuple[str, str]]] = {"events": ("events", "received_at"), "changes": ("identity_log", "at")}
_MOVING: Final = frozenset(("merge", "unmerge"))  # their detail says what moved
_OUT_OF_ORDER: Final = 5_000  # events are received in one order and committed in another, but not by more than this
_MARKS: Final = 900


class SqliteFeed:
    """One connection, used by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE_NAME
        self._connection: sqlite3.Connection | None = None
        self._turn = threading.Lock()

    async def head(self, stream: Stream) -> int:
        table, _ = _TABLES[stream]
        return await self._read(lambda connection: _one(connection, f"SELECT coalesce(max(id), 0) FROM {table}"))

    async def read(self, stream: Stream, *, after: int, through: int, limit: int, max_bytes: int) -> Stretch:
        if stream == "events":
            return await self._read(lambda connection: _events(connection, after, through, limit, max_bytes))
        return await self._read(lambda connection: changes_between(connection, after, through, limit))

    async def waiting_since(self, stream: Stream, after: int) -> int | None:
        table, at = _TABLES[stream]
        where = "id > ?" if stream == "events" else f"id > ? AND action IN ({_ACTIONS})"
        sql = f"SELECT {at} FROM {table} WHERE {where} ORDER BY id LIMIT 1"
        return await self._read(lambda connection: _maybe(connection, sql, after))

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
        uri = f"{self._file.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA cache_size = -8000")
        return self._connection


def _one(connection: Connection, sql: str, *values: Any) -> int:
    return int(connection.execute(sql, values).fetchone()[0])


def _maybe(connection: Connection, sql: str, *values: Any) -> int | None:
    row = connection.execute(sql, values).fetchone()
    return None if row is None else int(row[0])


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


def changes_between(connection: Connection, after: int, through: int, limit: int) -> Stretch:
    """The stream of changes from behind ``after`` up to ``through``."""
    lines = [line for line in changes(connection, after, limit) if line["id"] <= through]
    concerned = _concerned(connection, [line["id"] for line in lines])
    rows = identifiers(connection, chain.from_iterable(moved for _, moved in concerned.values()))
    entries = []
    for line in lines:
        named, moved = concerned[line["id"]]
        record = _record(line, [_moved(rows, identifier) for identifier in moved])
        entries.append(Logged(line["id"], to_microseconds(line["at"]), record, (*named, *moved)))
    return Stretch(entries, lines[-1]["id"] if len(lines) == limit else through)


def _concerned(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[tuple[int, ...], list[int]]]:
    """Of each change the identifiers that it names, and those that it moved to another contact."""
    found = {}
    for start in range(0, len(ids), _MARKS):
        listed = ",".join(map(str, ids[start : start + _MARKS]))
        for log_id, action, a, b, detail in connection.execute(
            f"SELECT id, action, a, b, detail FROM identity_log WHERE id IN ({listed})"
        ):
            moved = orjson.loads(detail).get("moved", []) if action in _MOVING else []
            found[log_id] = tuple(one for one in (a, b) if one), moved
    return found


def _moved(rows: Mapping[int, Identifier], identifier: int) -> dict[str, Any]:
    """With the contact that it has now."""
    name, row = name_of(dict(rows), identifier), rows.get(identifier)
    return {**(name or {"kind": None, "value": None}), "contact_id": public_id(row.contact) if row is not None else None}


def _record(line: dict[str, Any], moved: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A change as destinations get it: shaped as an event, with a message id of its own, and its cause's beside it."""
    rest = {name: value for name, value in line.items() if name not in ("id", "change", "messageId")}
    shown = {"moved": moved} if moved else {}
    return {"type": f"contact_{line['change']}", "messageId": f"change-{line['id']}", **rest, **shown, "cause": line["messageId"]}


def _event_before(connection: sqlite3.Connection, at: int) -> int:
    sql = "SELECT min(id) FROM (SELECT id FROM events WHERE received_at >= ? ORDER BY received_at LIMIT ?)"
    (first,) = connection.execute(sql, (at, _OUT_OF_ORDER)).fetchone()
    return _one(connection, "SELECT coalesce(max(id), 0) FROM events") if first is None else first - 1


def change_before(connection: Connection, at: int) -> int:
    """By bisection: the log of changes has no index by time, but grows with it."""
    low, high = 0, _one(connection, "SELECT coalesce(max(id), 0) FROM identity_log")
    while low < high:
        middle = (low + high + 1) // 2
        found = _maybe(connection, "SELECT at FROM identity_log WHERE id <= ? ORDER BY id DESC LIMIT 1", middle)
        low, high = (middle, high) if found is None or found < at else (low, middle - 1)
    return low


def identifier_rows(connection: Connection, ids: Sequence[int], contacts: Sequence[int]) -> list[IdentifierRow]:
    """The version is the ledger's newest row: whatever changes an identifier writes one."""
    version = _one(connection, "SELECT coalesce(max(id), 0) FROM identity_log")
    found: dict[int, IdentifierRow] = {}
    for column, wanted in (("id", ids), ("contact", contacts), ("shared_contact", contacts)):
        chosen = sorted({one for one in wanted if one})
        for start in range(0, len(chosen), _MARKS):
            listed = ",".join(map(str, chosen[start : start + _MARKS]))
            where = f"{column} IN ({listed})" + (" AND shared_contact != 0" if column == "shared_contact" else "")
            # Of an erased one there is a keyed hash, which says nothing to anybody.
            value = "CASE WHEN state = 3 THEN '' ELSE value END"
            sql = f"SELECT id, kind, {value}, contact, shared_from, shared_contact FROM identifiers WHERE {where}"
            for row in connection.execute(sql):
                found[row[0]] = IdentifierRow._make((*row, version))
    return list(found.values())
