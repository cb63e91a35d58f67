"""A contact's events, newest first: those of each of its identifiers, in the runs of ``timeline`` and in the log's tail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tropa_collector.store.contacts.shares import HIGHEST, LOWEST, Figures, Moment, Share, moment, table_of

_EVENT = "id, received_at, timestamp, original_at, source, trust, body"
THROUGH = "(SELECT value FROM counters WHERE name = 'dedupe_through_id')"
#: Events behind the runs: of each its identifier is looked for among the contact's before it is joined with them.
TAIL = (
    "FROM events CROSS JOIN mine ON mine.identifier = events.identifier WHERE events.identifier IN (SELECT identifier FROM mine)"
    f" AND id > {THROUGH} AND timestamp >= since AND timestamp < until"
)
#: How much later than it was received an event may be committed: a slow body, a queue.
COMMIT_LAG_US = 600_000_000
_NEIGHBOURS = 1_000  # of so many events that were received one after the other not all were released from quarantine
#: Purged with the events' age; the timeline's rows follow later.
OLDEST = "(SELECT coalesce(min(id), 0) FROM events)"


def page(connection: sqlite3.Connection, shares: Sequence[Share], before: str | None, limit: int) -> tuple[list[Any], str | None]:
    """Rows of events for ``stored_event`` without the contact's column, newest first, and the next page's ``before``."""
    top = moment(before)
    places = newest(connection, shares, top, limit + 1)
    wanted = places[:limit]
    ids = ",".join(str(event_id) for _, event_id in wanted)
    rows = {row[0]: row for row in connection.execute(f"SELECT {_EVENT} FROM events WHERE id IN ({ids})")}
    following = f"{wanted[-1][0]}.{wanted[-1][1]}" if len(places) > limit else None
    return [rows[event_id] for _, event_id in wanted if event_id in rows], following


def newest(connection: sqlite3.Connection, shares: Sequence[Share], top: Moment, limit: int) -> list[Moment]:
    """The newest moments before ``top``. Blocks of runs are asked only for what is newer than what was found so far."""
    if not shares:
        return []
    values = {"at": top[0], "id": top[1], "limit": limit}
    found = connection.execute(_TAIL.format(mine=table_of(shares)), values).fetchall()
    for first, last in blocks(connection):
        floor = found[limit - 1][0] if len(found) >= limit else LOWEST
        if last < first_run(connection, floor):
            break
        asked = {**values, "first": first, "last": last, "floor": floor}
        found += connection.execute(_RUNS.format(mine=table_of(shares)), asked).fetchall()
        found = sorted(found, reverse=True)[:limit]
    return found


_TAIL = f"WITH {{mine}} SELECT timestamp, id {TAIL} AND (timestamp, id) < (:at, :id) ORDER BY timestamp DESC, id DESC LIMIT :limit"
_RUNS = (
    "WITH {mine} SELECT t.timestamp, t.event_id FROM timeline_runs AS r CROSS JOIN mine CROSS JOIN timeline AS t"
    " ON t.run = r.run AND t.identifier = mine.identifier"
    " AND t.timestamp BETWEEN max(mine.since, :floor) AND min(mine.until - 1, :at)"
    f" WHERE r.run BETWEEN :first AND :last AND (t.timestamp, t.event_id) < (:at, :id) AND t.event_id >= {OLDEST}"
    " ORDER BY t.timestamp DESC, t.event_id DESC LIMIT :limit"
)


def blocks(connection: sqlite3.Connection) -> Iterator[tuple[int, int]]:
    """The runs from the newest on, in blocks that grow: the first ones usually hold all that is asked for."""
    size, last = 8, HIGHEST
    while True:
        runs = connection.execute("SELECT run FROM timeline_runs WHERE run < ? ORDER BY run DESC LIMIT ?", (last, size)).fetchall()
        if not runs:
            return
        yield runs[-1][0], runs[0][0]
        size, last = size * 4, runs[-1][0]


def first_run(connection: sqlite3.Connection, since: int) -> int:
    """No event is later than its receipt: runs before this one, received before ``since``, hold nothing that is newer."""
    row = connection.execute(
        "SELECT max(run) FROM timeline_runs WHERE run <= (SELECT min(id) FROM"
        " (SELECT id FROM events WHERE received_at >= ? ORDER BY received_at, id LIMIT ?))",
        (since - COMMIT_LAG_US, _NEIGHBOURS),
    ).fetchone()
    return int(row[0] or 0)


def figures(connection: sqlite3.Connection, shares: Sequence[Share]) -> dict[int, Figures]:
    """Exact figures of every identifier that anchors an event."""
    return newest_figures(connection, shares, HIGHEST)[0]


def newest_figures(connection: sqlite3.Connection, shares: Sequence[Share], enough: int) -> tuple[dict[int, Figures], bool]:
    """Figures from the newest runs on, until they hold ``enough`` events; and whether they hold them all."""
    found: dict[int, Figures] = {}
    if not shares:
        return found, True
    _add(found, connection.execute(_TAIL_FIGURES.format(mine=table_of(shares))))
    for runs in blocks(connection):
        if sum(one.events for one in found.values()) >= enough:
            return found, False
        _add(found, connection.execute(_RUN_FIGURES.format(mine=table_of(shares)), runs))
    return found, True


def _add(found: dict[int, Figures], rows: Iterable[tuple[int, int, int, int]]) -> None:
    for identifier, count, first, last in rows:
        old = found.get(identifier)
        new = Figures(count, first, last)
        found[identifier] = new if old is None else Figures(old[0] + count, min(old[1], first), max(old[2], last))


_RUN_FIGURES = (
    "WITH {mine} SELECT mine.identifier, count(*), min(t.timestamp), max(t.timestamp)"
    " FROM mine CROSS JOIN timeline_runs AS r CROSS JOIN timeline AS t"
    " ON t.run = r.run AND t.identifier = mine.identifier AND t.timestamp BETWEEN mine.since AND mine.until - 1"
    f" WHERE r.run BETWEEN ? AND ? AND t.event_id >= {OLDEST} GROUP BY mine.identifier"
)
_TAIL_FIGURES = f"WITH {{mine}} SELECT mine.identifier, count(*), min(timestamp), max(timestamp) {TAIL} GROUP BY mine.identifier"
