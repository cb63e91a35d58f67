"""``LogFeed`` over PostgreSQL: what is behind a position, up to where no transaction can still put an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tropa_collector.store.connection import number
from tropa_collector.store.contacts.explanations import CHANGES
from tropa_collector.store.contacts.feed import change_before, changes_between, identifier_rows
from tropa_collector.store.contacts.shares import EVENT
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.protocol import IdentifierRow, Logged, Stream, Stretch, stored_event

_EVENTS: Final = f"SELECT {EVENT}, identifier FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
_ACTIONS: Final = ",".join(f"'{action}'" for action in CHANGES)
_OUT_OF_ORDER: Final = 20_000  # events are received in one order and numbered in another, but not by more than this


class PostgresFeed:
    """Ids of events are taken in one order and committed in another: each reading ends at what ``log_through`` said before it.

    Changes are written under one lock, in the order of their ids.
    """

    def __init__(self, url: str) -> None:
        self._snapshots = Snapshots(url)

    async def head(self, stream: Stream) -> int:
        if stream == "events":
            return await self._snapshots.read(lambda session: number(session, "SELECT log_through()"))
        return await self._snapshots.read(lambda session: number(session, "SELECT coalesce(max(id), 0) FROM identity_log"))

    async def read(self, stream: Stream, *, after: int, through: int, limit: int, max_bytes: int) -> Stretch:
        if stream == "changes":
            return await self._snapshots.read(lambda session: changes_between(session, after, through, limit))
        certain = min(through, await self.head("events"))  # in a snapshot of its own, before the one that is read
        if certain <= after:
            return Stretch([], after)
        return await self._snapshots.read(lambda session: _events(session, after, certain, limit, max_bytes))

    async def waiting_since(self, stream: Stream, after: int) -> int | None:
        sql = (
            "SELECT received_at FROM events WHERE id > ? ORDER BY id LIMIT 1"
            if stream == "events"
            else f"SELECT at FROM identity_log WHERE id > ? AND action IN ({_ACTIONS}) ORDER BY id LIMIT 1"
        )
        row = await self._snapshots.read(lambda session: session.execute(sql, (after,)).fetchone())
        return None if row is None else int(row[0])

    async def before(self, stream: Stream, at: int) -> int:
        head = await self.head(stream)
        return await self._snapshots.read(
            lambda session: _event_before(session, at, head) if stream == "events" else change_before(session, at)
        )

    async def identifiers(self, ids: Sequence[int], contacts: Sequence[int]) -> list[IdentifierRow]:
        return await self._snapshots.read(lambda session: identifier_rows(session, ids, contacts))

    async def stop(self) -> None:
        await self._snapshots.stop()


def _events(session: Session, after: int, through: int, limit: int, max_bytes: int) -> Stretch:
    entries: list[Logged] = []
    size = 0
    for *row, identifier in session.execute(_EVENTS, (after, through, limit)):
        entries.append(Logged(row[0], row[1], stored_event(row), (identifier,) if identifier else ()))
        size += len(row[7])
        if size >= max_bytes:
            break
    whole = size < max_bytes and len(entries) < limit
    return Stretch(entries, through if whole else entries[-1].position, _purged(session, after, through))


def _purged(session: Session, after: int, through: int) -> int:
    """Of what lay behind ``after``, at most, how much retention has dropped. (A transaction that failed leaves a gap, too.)"""
    purged, oldest = session.execute(
        "SELECT (SELECT value FROM counters WHERE name = 'events_purged'), (SELECT min(id) FROM events)"
    ).fetchone()
    return int(min(purged, max(0, (through + 1 if oldest is None else oldest) - after - 1)))


def _event_before(session: Session, at: int, head: int) -> int:
    sql = "SELECT min(id) FROM (SELECT id FROM events WHERE received_at >= ? ORDER BY received_at LIMIT ?) AS first"
    (first,) = session.execute(sql, (at, _OUT_OF_ORDER)).fetchone()
    return head if first is None else int(first) - 1
