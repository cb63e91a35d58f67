"""What the minute roll-ups tell: the last day in sums, which events there are, what has come of late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tropa_collector.store.connection import Connection

BUCKET_MINUTES: Final = 5
SLICE_ROWS: Final = 20_000  # of one call of a census
LOOKED_AT: Final = 20_000  # newest rows that milestones are looked for in
MINUTES_OF_SAMPLE: Final = 30  # that one sample is taken from
MINUTE_US: Final = 60_000_000
DAY_MINUTES: Final = 1_440
_TOP: Final = 12

_SUMS = ", ".join(f"CAST(sum(CASE WHEN outcome = {outcome} THEN count ELSE 0 END) AS bigint)" for outcome in range(3))
_BY_TIME = f"SELECT minute / ?2 * ?2 AS bucket, {_SUMS} FROM rollups WHERE minute > ?1 GROUP BY bucket ORDER BY bucket"
_BY_NAME = (
    "SELECT type, name, CAST(sum(count) AS bigint) AS events FROM rollups WHERE minute > ? AND outcome = 0"
    " GROUP BY type, name ORDER BY events DESC, type, name LIMIT ?"
)
_BY_SOURCE = (
    f"SELECT source, {_SUMS}, max(minute) * 60 FROM rollups WHERE minute > ? GROUP BY source ORDER BY sum(count) DESC, source"
)
_CENSUS = (
    "SELECT type, name, source, min(minute) * 60, max(minute) * 60, CAST(sum(count) AS bigint) FROM rollups"
    " WHERE minute > ? AND minute <= ? AND outcome = 0 GROUP BY type, name, source"
)
_BEYOND = "SELECT minute FROM rollups WHERE minute > ? AND minute <= ? ORDER BY minute LIMIT 1 OFFSET ?"
_OF_NAME = (
    "SELECT DISTINCT minute FROM (SELECT minute, type, name, outcome FROM rollups WHERE minute <= ? ORDER BY minute DESC LIMIT ?)"
    " AS newest WHERE type = ? AND name = ? AND outcome = 0 ORDER BY minute DESC LIMIT ?"
)
_OF_SOURCES = (
    "SELECT source, type, max(minute) * 60 FROM (SELECT minute, source, type, outcome FROM rollups ORDER BY minute DESC LIMIT ?)"
    " AS newest WHERE outcome = 0 GROUP BY source, type"
)


def last_day(connection: Connection, now: int) -> dict[str, Any]:
    """``OverviewReader.traffic`` without the rate."""
    since = now // MINUTE_US - DAY_MINUTES
    by_time = connection.execute(_BY_TIME, (since, BUCKET_MINUTES))
    return {
        "minutes": [(minute * 60, *counts) for minute, *counts in by_time],
        "top": connection.execute(_BY_NAME, (since, _TOP)).fetchall(),
        "sources": connection.execute(_BY_SOURCE, (since,)).fetchall(),
    }


def census(connection: Connection, after: int, until: int) -> dict[str, Any]:
    """``SchemaReader.census``."""
    beyond = connection.execute(_BEYOND, (after, until, SLICE_ROWS)).fetchone()
    # Whole minutes: a single one with more rows than a slice is taken all the same.
    through = until if beyond is None else max(beyond[0] - 1, after + 1)
    return {"rows": connection.execute(_CENSUS, (after, through)).fetchall(), "through": through}


def oldest_minute(connection: Connection) -> int:
    """The minute of the first roll-up, 0 without any."""
    (minute,) = connection.execute("SELECT coalesce(min(minute), 0) FROM rollups").fetchone()
    return int(minute)


def minutes_of(connection: Connection, type_: str, name: str, until: int) -> list[int]:
    """The newest minutes up to ``until`` (s since 1970) in which events of a name were stored."""
    found = connection.execute(_OF_NAME, (until // 60, SLICE_ROWS, type_, name, MINUTES_OF_SAMPLE))
    return [minute for (minute,) in found]


def milestones(connection: Connection, browser: Sequence[str], server: Sequence[str]) -> dict[str, int]:
    """``SetupReader.milestones``."""
    rows = connection.execute(_OF_SOURCES, (LOOKED_AT,)).fetchall()
    found = {
        "page": [at for source, type_, at in rows if type_ == "page" and source in browser],
        "identify": [at for _, type_, at in rows if type_ == "identify"],
        "server": [at for source, _, at in rows if source in server],
    }
    return {step: max(times, default=0) for step, times in found.items()}
