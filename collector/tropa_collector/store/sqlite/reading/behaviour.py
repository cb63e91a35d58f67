"""What contacts did: first and last touch of one, and who did one thing since a time and not another."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from tropa_collector.store.contacts.document import touch
from tropa_collector.store.contacts.shares import LOWEST, Share, table_of
from tropa_collector.store.deeds import TOUCH, deed_of, is_touch
from tropa_collector.store.sqlite.reading.timeline import OLDEST, THROUGH

#: How much later than it was received an event may be committed: a slow body, a queue.
COMMIT_LAG_US = 600_000_000

_IN_RUNS = (
    "WITH {mine} SELECT d.timestamp, d.event_id FROM timeline_runs AS r CROSS JOIN mine CROSS JOIN deeds AS d"
    f" ON d.run = r.run AND d.deed = {TOUCH} AND d.identifier = mine.identifier AND d.timestamp = ("
    # of each run only its own first or last one is sorted: a long history has a touch in every visit
    f"SELECT timestamp FROM deeds WHERE run = r.run AND deed = {TOUCH} AND identifier = mine.identifier"
    f" AND timestamp BETWEEN mine.since AND mine.until - 1 AND event_id >= {OLDEST} ORDER BY timestamp {{order}} LIMIT 1)"
    f" WHERE d.event_id >= {OLDEST} ORDER BY 1 {{order}}, 2 {{order}} LIMIT 1"
)
_IN_TAIL = (
    "WITH {mine} SELECT timestamp, id FROM events CROSS JOIN mine ON mine.identifier = events.identifier"
    f" WHERE id > {THROUGH} AND timestamp >= since AND timestamp < until AND is_touch(body)"
)


def touches(connection: sqlite3.Connection, shares: Sequence[Share]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The first and the last event that a campaign, an ad or another site brought."""
    if not shares:
        return None, None
    connection.create_function("is_touch", 1, is_touch, deterministic=True)
    mine = table_of(shares)
    found = connection.execute(_IN_TAIL.format(mine=mine)).fetchall()
    for order in ("ASC", "DESC"):
        found += connection.execute(_IN_RUNS.format(mine=mine, order=order)).fetchall()
    if not found:
        return None, None
    first, last = (
        connection.execute("SELECT timestamp, id, body FROM events WHERE id = ?", (at[1],)).fetchone()
        for at in (min(found), max(found))
    )
    return touch(first), touch(last)


def gather_doers(connection: sqlite3.Connection, table: str, name: str, since: int | None) -> None:
    """Make a temporary table of the contacts that did ``name`` since a time, by the event's own, corrected clock.

    Like all that a snapshot makes, it goes with the snapshot. What was done on a device since it is shared is nobody's:
    whether the earliest deed lies before that is all there is to know.
    """
    start = LOWEST if since is None else since
    values = {"deed": deed_of(name), "name": name, "since": start, "run": _first_run(connection, since)}
    connection.execute(f"CREATE TEMP TABLE {table}_by (identifier INTEGER PRIMARY KEY, first INTEGER)")
    for deeds in (_DEEDS_IN_RUNS, _DEEDS_IN_TAIL):
        connection.execute(f"INSERT INTO temp.{table}_by {deeds} {_EARLIEST}", values)
    connection.execute(f"CREATE TEMP TABLE {table} (contact INTEGER PRIMARY KEY)")
    connection.execute(
        f"INSERT OR IGNORE INTO temp.{table} SELECT i.contact FROM temp.{table}_by AS by CROSS JOIN identifiers AS i"
        " ON i.id = by.identifier WHERE i.shared_from IS NULL OR by.first < i.shared_from"
    )


_DEEDS_IN_RUNS = (
    "SELECT d.identifier, min(d.timestamp) FROM timeline_runs AS r CROSS JOIN deeds AS d ON d.run = r.run AND d.deed = :deed"
    f" WHERE r.run >= :run AND d.timestamp >= :since AND d.event_id >= {OLDEST} GROUP BY r.run, d.identifier"
)
_DEEDS_IN_TAIL = (
    "SELECT identifier, timestamp FROM events"
    f" WHERE id > {THROUGH} AND type = 'track' AND name = :name AND identifier IS NOT NULL AND timestamp >= :since"
)
_EARLIEST = "ON CONFLICT (identifier) DO UPDATE SET first = excluded.first WHERE excluded.first < first"


def _first_run(connection: sqlite3.Connection, since: int | None) -> int:
    """No event is later than its receipt: runs that were received before ``since`` need not be read."""
    if since is None:
        return 0
    row = connection.execute(
        "SELECT max(run) FROM timeline_runs WHERE run <="
        " (SELECT id FROM events WHERE received_at >= ? ORDER BY received_at, id LIMIT 1)",
        (since - COMMIT_LAG_US,),
    ).fetchone()
    return int(row[0] or 0)
