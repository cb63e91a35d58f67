"""``EventReader`` over PostgreSQL: stored events, quarantine and figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tropa_collector.store.contacts.shares import EVENT
from tropa_collector.store.pages import QUARANTINE, cursor, event_page, last_hour, quarantine_page
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.protocol import EventQuery, Page

_LAST_HOUR = "minute > (SELECT max(minute) - 60 FROM rollups)"


class PostgresReader:
    """Over snapshots that may be shared with other readers."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def start(self) -> None:
        """See that the store can be read.

        Raises:
            Unavailable: it cannot.
        """
        async with self._snapshots.snapshot():
            return

    async def stop(self) -> None:
        await self._snapshots.stop()

    async def events(self, query: EventQuery) -> Page:
        return await self._snapshots.read(lambda session: _events(session, query))

    async def quarantine(
        self, *, code: str | None = None, ids: Sequence[int] = (), before: str | None = None, limit: int = 100
    ) -> Page:
        return await self._snapshots.read(lambda session: _quarantine(session, code, ids, before, limit))

    async def totals(self) -> dict[str, Any]:
        return await self._snapshots.read(_totals)


def _events(session: Session, query: EventQuery) -> Page:
    where, values = ["true"], list[Any]()
    named = (("message_id", query.message_id), ("type", query.type), ("name", query.name), ("source", query.source))
    for column, value in named:
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    if query.since is not None:
        where.append("received_at >= ?")
        values.append(query.since)
    if query.before is not None:
        where.append("received_at <= ? AND (received_at, id) < (?, ?)")  # the first alone leaves days out
        at, number = cursor(query.before, 2)
        values += [at, at, number]
    sql = f"SELECT {EVENT} FROM events WHERE {' AND '.join(where)} ORDER BY received_at DESC, id DESC LIMIT ?"
    return event_page(session.execute(sql, [*values, query.limit + 1]).fetchall(), query.limit)


def _quarantine(session: Session, code: str | None, ids: Sequence[int], before: str | None, limit: int) -> Page:
    where, values = ["true"], list[Any]()
    tests = (("code = ?", code), ("id = ANY(?)", list(ids) or None), ("id < ?", None if before is None else cursor(before, 1)[0]))
    for test, value in tests:
        if value is not None:
            where.append(test)
            values.append(value)
    sql = f"SELECT {QUARANTINE} FROM quarantine WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
    return quarantine_page(session.execute(sql, [*values, limit + 1]).fetchall(), limit)


def _totals(session: Session) -> dict[str, Any]:
    counters = dict(session.execute("SELECT name, value FROM counters").fetchall())
    stored, held, size = session.execute(
        "SELECT (SELECT coalesce(sum(events), 0)::bigint FROM days), (SELECT count(*) FROM quarantine),"
        " pg_database_size(current_database())"
    ).fetchone()
    minutes = session.execute(
        f"SELECT minute, source, outcome, sum(count)::bigint FROM rollups WHERE {_LAST_HOUR}"
        " GROUP BY minute, source, outcome ORDER BY minute, source, outcome"
    )
    names = session.execute(
        f"SELECT type, name, sum(count)::bigint AS n FROM rollups WHERE outcome = 0 AND {_LAST_HOUR}"
        " GROUP BY type, name ORDER BY n DESC LIMIT 20"
    )
    figures = ("events_purged", "quarantine_dropped", "quarantine_released", "quarantine_bytes", "events_erased", "erased_refused")
    return {
        "events_stored": stored,
        "quarantined": held,
        **{name: counters[name] for name in figures},
        "store_bytes": size,
        **last_hour(minutes, names),
    }
