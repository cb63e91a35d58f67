"""Which events there are and what they hold: read from the roll-ups in slices, and from a bounded sample of the log."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

SLICE_ROWS = 20_000  # of roll-ups in one call
MINUTES_OF_SAMPLE = 30  # that one sample is taken from
EVENTS_LOOKED_AT = 20_000  # in one of them
_MINUTE = 60_000_000
_HOLDERS = {"identify": "$.traits", "group": "$.traits"}


def census(connection: sqlite3.Connection, after: int, until: int) -> dict[str, Any]:
    """``SchemaReader.census``."""
    beyond = connection.execute(
        "SELECT minute FROM rollups WHERE minute > ? AND minute <= ? ORDER BY minute LIMIT 1 OFFSET ?", (after, until, SLICE_ROWS)
    ).fetchone()
    # Whole minutes: a single one with more rows than a slice is taken all the same.
    through = until if beyond is None else max(beyond[0] - 1, after + 1)
    rows = connection.execute(
        "SELECT type, name, min(minute) * 60, max(minute) * 60, sum(count), group_concat(DISTINCT source) FROM rollups"
        " WHERE minute > ? AND minute <= ? AND outcome = 0 GROUP BY type, name",
        (after, through),
    ).fetchall()
    return {"rows": rows, "through": through}


def oldest_minute(connection: sqlite3.Connection) -> int:
    """The minute of the first roll-up, 0 without any."""
    (minute,) = connection.execute("SELECT coalesce(min(minute), 0) FROM rollups").fetchone()
    return int(minute)


def sample(connection: sqlite3.Connection, type_: str, name: str, until: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """``SchemaReader.sample``. The roll-ups say in which minutes to look: no index on names, and no scan without one."""
    minutes = connection.execute(
        "SELECT DISTINCT minute FROM"
        " (SELECT minute, type, name, outcome FROM rollups WHERE minute <= ? ORDER BY minute DESC LIMIT ?)"
        " WHERE type = ? AND name = ? AND outcome = 0 ORDER BY minute DESC LIMIT ?",
        (until // 60, SLICE_ROWS, type_, name, MINUTES_OF_SAMPLE),
    ).fetchall()
    found: list[tuple[int, dict[str, Any]]] = []
    for (minute,) in minutes:
        rows = connection.execute(
            "SELECT received_at, json_extract(body, ?) FROM events WHERE id IN (SELECT id FROM (SELECT id, type, name FROM events"
            " WHERE received_at >= ? AND received_at < ? ORDER BY received_at DESC LIMIT ?) WHERE type = ? AND name = ? LIMIT ?)"
            " ORDER BY id DESC",
            (
                _HOLDERS.get(type_, "$.properties"),
                minute * _MINUTE,
                (minute + 1) * _MINUTE,
                EVENTS_LOOKED_AT,
                type_,
                name,
                limit - len(found),
            ),
        )
        found += [(at // 1_000_000, _object(text)) for at, text in rows]
        if len(found) >= limit:
            break
    return found


def _object(text: str | None) -> dict[str, Any]:
    value = orjson.loads(text) if isinstance(text, str) and text.startswith("{") else {}
    return value if isinstance(value, dict) else {}
