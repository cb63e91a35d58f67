"""What a contact's page shows beside the contact itself, over SQLite."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson

from tropa_collector.identity.policy import DAY
from tropa_collector.store.contacts.shares import HIGHEST, Share, moment, shares_of, table_of
from tropa_collector.store.protocol import Ref
from tropa_collector.store.sqlite.reading.contacts import HISTORY
from tropa_collector.store.sqlite.reading.timeline import OLDEST, TAIL, blocks, newest, newest_figures
from tropa_collector.store.summaries import profile as shared
from tropa_collector.store.summaries.profile import LOOKED_AT, PLOTTED, Profile, around, visited
from tropa_collector.store.views import Visits

_VISITED = (
    "SELECT e.id, e.received_at, e.timestamp, e.original_at, e.source, e.trust, {contact}, e.body, i.kind"
    " FROM events AS e LEFT JOIN identifiers AS i ON i.id = e.identifier WHERE e.id IN ({ids})"
)
_SURROUNDINGS = (
    "SELECT timestamp, json_extract(text_of(body), '$.enriched.geo', '$.enriched.device') FROM events WHERE id IN ({ids})"
)
_RUN_DAYS = (
    f"WITH {{mine}} SELECT t.timestamp / {DAY}, count(*) FROM timeline_runs AS r CROSS JOIN mine CROSS JOIN timeline AS t"
    " ON t.run = r.run AND t.identifier = mine.identifier AND t.timestamp BETWEEN mine.since AND mine.until - 1"
    f" WHERE r.run BETWEEN ? AND ? AND t.event_id >= {OLDEST} GROUP BY 1"
)
_TAIL_DAYS = f"WITH {{mine}} SELECT timestamp / {DAY}, count(*) {TAIL} GROUP BY 1"


def portrait(connection: sqlite3.Connection, ref: Ref) -> dict[str, Any] | None:
    """``ProfileReader.portrait``."""
    return shared.portrait(connection, ref, HISTORY, newest_figures)


def visits(connection: sqlite3.Connection, contact: int, before: str | None, limit: int) -> Visits:
    """``ProfileReader.visits``.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    places = newest(connection, shares_of(connection, contact), moment(before), limit + 1)
    wanted = places[:limit]
    sql = _VISITED.format(contact=contact, ids=_ids(wanted))
    found = {row[0]: row for row in connection.execute(sql)}
    rows = [visited(found[event_id]) for _, event_id in wanted if event_id in found]
    return Visits(rows, len(places) > limit)


def days(connection: sqlite3.Connection, contact: int) -> dict[str, Any]:
    """``ProfileReader.days``: the latest runs first, until enough was counted."""
    shares = shares_of(connection, contact)
    if not shares:
        return {"days": [], "counted": 0, "complete": True}
    counts = Counter(dict[int, int](connection.execute(_TAIL_DAYS.format(mine=table_of(shares))).fetchall()))
    complete = True
    for first, last in blocks(connection):
        if counts.total() >= PLOTTED:
            complete = False
            break
        _count_days(connection, counts, shares, (first, last))
    return {"days": sorted(counts.items()), "counted": counts.total(), "complete": complete}


def _count_days(connection: sqlite3.Connection, counts: Counter[int], shares: Sequence[Share], runs: tuple[int, int]) -> None:
    for day, count in connection.execute(_RUN_DAYS.format(mine=table_of(shares)), runs):
        counts[day] += count


def surroundings(connection: sqlite3.Connection, contact: int) -> dict[str, Any]:
    """``ProfileReader.surroundings``."""
    wanted = newest(connection, shares_of(connection, contact), (HIGHEST, HIGHEST), LOOKED_AT)
    looks = connection.execute(_SURROUNDINGS.format(ids=_ids(wanted)))
    return around((at, *orjson.loads(facts)) for at, facts in looks) | {"looked_at": len(wanted)}


def _ids(moments: Iterable[tuple[int, int]]) -> str:
    return ",".join(str(event_id) for _, event_id in moments)


PROFILE: Final = Profile(portrait, visits, days, surroundings)
