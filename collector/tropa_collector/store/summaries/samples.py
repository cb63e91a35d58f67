"""What events of one name hold, in a bounded sample of the newest: no index on names, and no scan without one."""

from __future__ import annotations

from typing import Any, Final

import orjson

from tropa_collector.store.connection import Connection
from tropa_collector.store.summaries.rollups import MINUTE_US, minutes_of

EVENTS_LOOKED_AT: Final = 20_000  # in one minute
_HOLDERS: Final = {"identify": "traits", "group": "traits"}
#: The range is named twice: the inner one bounds the look, the outer one says in which day's table the rows are.
_OF_MINUTE: Final = (
    "SELECT received_at, body FROM events WHERE received_at >= ?1 AND received_at < ?2 AND id IN"
    " (SELECT id FROM (SELECT id, type, name FROM events WHERE received_at >= ?1 AND received_at < ?2"
    " ORDER BY received_at DESC LIMIT ?3) AS newest WHERE type = ?4 AND name = ?5 LIMIT ?6) ORDER BY id DESC"
)


def sample(connection: Connection, type_: str, name: str, until: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """``SchemaReader.sample``. The roll-ups say in which minutes to look."""
    holder, found = _HOLDERS.get(type_, "properties"), list[tuple[int, dict[str, Any]]]()
    for minute in minutes_of(connection, type_, name, until):
        span = minute * MINUTE_US, (minute + 1) * MINUTE_US
        rows = connection.execute(_OF_MINUTE, (*span, EVENTS_LOOKED_AT, type_, name, limit - len(found)))
        found += [(at // 1_000_000, _held(body, holder)) for at, body in rows]
        if len(found) >= limit:
            break
    return found


def _held(body: str, holder: str) -> dict[str, Any]:
    value = orjson.loads(body).get(holder)
    return value if isinstance(value, dict) else {}
