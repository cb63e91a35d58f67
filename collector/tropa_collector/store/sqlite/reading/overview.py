"""The last day in figures: sums over the minute roll-ups, and an even sample of the log for what these do not hold."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tropa_collector.identity.policy import KINDS

SAMPLE_EVENTS = 2_000
BUCKET_MINUTES = 5
RATE_US = 10_000_000
_MINUTE, _DAY = 60_000_000, 86_400_000_000
_TOP = 12
_CHUNK = 400  # rows looked up in one statement
_ANONYMOUS = ",".join(f"'{kind.name}'" for kind in KINDS if not kind.known)  # names of ours, not of a sender

_BY_TIME = (
    "SELECT minute / :bucket * :bucket, sum(count * (outcome = 0)), sum(count * (outcome = 1)), sum(count * (outcome = 2))"
    " FROM rollups WHERE minute > :since GROUP BY 1 ORDER BY 1"
)
_BY_NAME = (
    "SELECT type, name, sum(count) AS events FROM rollups WHERE minute > :since AND outcome = 0"
    " GROUP BY type, name ORDER BY events DESC, type, name LIMIT :top"
)
_BY_SOURCE = (
    "SELECT source, sum(count * (outcome = 0)), sum(count * (outcome = 1)), sum(count * (outcome = 2)), max(minute) * 60"
    " FROM rollups WHERE minute > :since GROUP BY source ORDER BY sum(count) DESC, source"
)
_SAMPLED = (
    "SELECT json_extract(e.body, '$.enriched.geo.country'), json_extract(e.body, '$.enriched.device.type'),"
    " json_extract(e.body, '$.enriched.device.browser.name'),"
    " CASE WHEN i.shared_from IS NOT NULL AND e.timestamp >= i.shared_from THEN i.shared_contact ELSE i.contact END"
    " FROM events AS e LEFT JOIN identifiers AS i ON i.id = e.identifier WHERE e.id IN ({ids})"
)


def traffic(connection: sqlite3.Connection, now: int) -> dict[str, Any]:
    """``OverviewReader.traffic``."""
    asked = {"since": (now - _DAY) // _MINUTE, "bucket": BUCKET_MINUTES, "top": _TOP}
    return {
        "minutes": [(minute * 60, *counts) for minute, *counts in connection.execute(_BY_TIME, asked)],
        "top": connection.execute(_BY_NAME, asked).fetchall(),
        "sources": connection.execute(_BY_SOURCE, asked).fetchall(),
        "rate": _events_since(connection, now - RATE_US)[1] / (RATE_US / 1e6),
    }


def visitors(connection: sqlite3.Connection, now: int) -> dict[str, Any]:
    """``OverviewReader.visitors``."""
    first, events = _events_since(connection, now - _DAY)
    step = max(1, events // SAMPLE_EVENTS)
    rows = _sampled(connection, range(first, first + events, step))
    countries, devices, browsers, contacts = (Counter(column) for column in zip(*rows, strict=True)) if rows else [Counter()] * 4
    people = sorted(contact for contact in contacts if contact)
    return {
        "sampled": len(rows),
        "of": events,
        "countries": _commonest(countries),
        "devices": _commonest(devices),
        "browsers": _commonest(browsers),
        "visitors": len(people),
        "new": _count(connection, f"SELECT count(*) FROM contacts WHERE first_seen >= {now - _DAY} AND id IN ({{ids}})", people),
        "identified": _count(
            connection,
            f"SELECT count(DISTINCT contact) FROM identifiers WHERE contact IN ({{ids}}) AND kind NOT IN ({_ANONYMOUS})",
            people,
        ),
    }


def _events_since(connection: sqlite3.Connection, since: int) -> tuple[int, int]:
    """The first event received since then, and how many there are: ids are dense and in the order of commit."""
    found = connection.execute("SELECT id FROM events WHERE received_at >= ? ORDER BY received_at LIMIT 1", (since,)).fetchone()
    if found is None:
        return 0, 0
    (newest,) = connection.execute("SELECT max(id) FROM events").fetchone()
    return found[0], newest - found[0] + 1


def _sampled(connection: sqlite3.Connection, ids: Sequence[int]) -> list[Any]:
    return [row for chunk in _chunks(ids) for row in connection.execute(_SAMPLED.format(ids=chunk))]


def _count(connection: sqlite3.Connection, sql: str, ids: Sequence[int]) -> int:
    return sum(connection.execute(sql.format(ids=chunk)).fetchone()[0] for chunk in _chunks(ids))


def _chunks(ids: Sequence[int]) -> Iterable[str]:
    """Integers of ours, so that no mark is needed for each."""
    return (",".join(map(str, ids[start : start + _CHUNK])) for start in range(0, len(ids), _CHUNK))


def _commonest(counts: Counter[Any]) -> list[tuple[str | None, int]]:
    return counts.most_common(8)
