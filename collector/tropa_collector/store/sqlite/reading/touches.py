"""What first and last brought a contact here: a campaign, an ad or another site."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from tropa_collector.store.contacts.document import touch
from tropa_collector.store.contacts.shares import Share, table_of
from tropa_collector.store.deeds import TOUCH, is_touch
from tropa_collector.store.sqlite.reading.timeline import OLDEST, TAIL

_IN_RUNS = (
    "WITH {mine} SELECT d.timestamp, d.event_id FROM timeline_runs AS r CROSS JOIN mine CROSS JOIN deeds AS d"
    f" ON d.run = r.run AND d.deed = {TOUCH} AND d.identifier = mine.identifier AND d.timestamp = ("
    # of each run only its own first or last one is sorted: a long history has a touch in every visit
    f"SELECT timestamp FROM deeds WHERE run = r.run AND deed = {TOUCH} AND identifier = mine.identifier"
    f" AND timestamp BETWEEN mine.since AND mine.until - 1 AND event_id >= {OLDEST} ORDER BY timestamp {{order}} LIMIT 1)"
    f" WHERE d.event_id >= {OLDEST} ORDER BY 1 {{order}}, 2 {{order}} LIMIT 1"
)
_IN_TAIL = f"WITH {{mine}} SELECT timestamp, id {TAIL} AND is_touch(body)"


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
