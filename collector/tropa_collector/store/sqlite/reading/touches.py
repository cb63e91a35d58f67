"""What first and last brought a contact here: a campaign, an ad or another site."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from tropa_collector.store.contacts.document import touch
from tropa_collector.store.contacts.refs import inside
from tropa_collector.store.contacts.shares import HIGHEST, LOWEST, Moment, Share, table_of
from tropa_collector.store.deeds import TOUCH
from tropa_collector.store.sqlite.reading.timeline import COMMIT_LAG_US, OLDEST, TAIL, blocks, first_run

#: Of each run and identifier its own first or last touch is one look at the index, however many touches there are.
_IN_RUNS = (
    f"WITH {{mine}} SELECT {{best}}((SELECT timestamp FROM deeds WHERE run = r.run AND deed = {TOUCH}"
    f" AND identifier = mine.identifier AND timestamp BETWEEN mine.since AND mine.until - 1 AND event_id >= {OLDEST}"
    " ORDER BY timestamp {order} LIMIT 1)),"
    " r.run, mine.identifier FROM timeline_runs AS r CROSS JOIN mine WHERE r.run BETWEEN ? AND ?"
)
_OF_RUN = (
    f"SELECT timestamp, event_id FROM deeds WHERE timestamp = ? AND run = ? AND deed = {TOUCH} AND identifier = ?"
    f" AND event_id >= {OLDEST} ORDER BY event_id LIMIT 1"
)
_IN_TAIL = f"WITH {{mine}} SELECT timestamp, id {TAIL} AND touch"


def touches(connection: sqlite3.Connection, shares: Sequence[Share]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The first and the last event that a campaign, an ad or another site brought."""
    if not shares:
        return None, None
    mine = table_of(shares)
    found = connection.execute(_IN_TAIL.format(mine=mine)).fetchall()
    found += _first(connection, shares, mine) + _last(connection, mine, max(found, default=(LOWEST, 0)))
    if not found:
        return None, None
    first, last = (
        connection.execute("SELECT timestamp, id, body FROM events WHERE id = ?", (at[1],)).fetchone()
        for at in (min(found), max(found))
    )
    return touch(first), touch(last)


def _first(connection: sqlite3.Connection, shares: Sequence[Share], mine: str) -> list[Moment]:
    """In any run since they were first seen: what was done long ago may come late, but nothing is from before that."""
    seen = f"SELECT min(first_seen) FROM identifiers WHERE id IN ({inside([share.identifier for share in shares])})"
    (since,) = connection.execute(seen).fetchone()
    sql = _IN_RUNS.format(mine=mine, best="min", order="ASC")
    early = first_run(connection, since + COMMIT_LAG_US)  # where what was received at that time lies
    found = _best(connection, sql, first_run(connection, since), early)
    return found if found and found[0][0] == since else found + _best(connection, sql, early + 1, HIGHEST)


def _last(connection: sqlite3.Connection, mine: str, known: Moment) -> list[Moment]:
    """In the runs from the newest on, while they may hold a later one than is known."""
    found = [known]
    for first, last in blocks(connection):
        if last < first_run(connection, max(found)[0]):
            break
        found += _best(connection, _IN_RUNS.format(mine=mine, best="max", order="DESC"), first, last)
    return found[1:]


def _best(connection: sqlite3.Connection, sql: str, first: int, last: int) -> list[Moment]:
    at = connection.execute(sql, (first, last)).fetchone()
    return [] if at[0] is None else connection.execute(_OF_RUN, at).fetchall()
