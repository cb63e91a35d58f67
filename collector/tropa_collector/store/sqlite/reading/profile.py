"""What a contact's page shows beside the contact itself: each a bounded look, however long the history is."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from tropa_collector.identity.policy import DAY, kind_table
from tropa_collector.store.contacts.document import History, document
from tropa_collector.store.contacts.refs import contact_of
from tropa_collector.store.contacts.shares import HIGHEST, Figures, Share, moment, shares_of, table_of
from tropa_collector.store.protocol import Ref, public_id, stored_event
from tropa_collector.store.sqlite.reading.timeline import OLDEST, TAIL, blocks, newest, newest_figures, page
from tropa_collector.store.sqlite.reading.touches import touches
from tropa_collector.store.views import Visits

COUNTED = 50_000  # events that are counted, from the newest run on, before older ones are left out
LOOKED_AT = 400  # newest events that places and devices are read from
_KINDS = kind_table()
_VISITED = (
    "SELECT e.id, e.received_at, e.timestamp, e.original_at, e.source, e.trust, {contact}, e.body, i.kind"
    " FROM events AS e LEFT JOIN identifiers AS i ON i.id = e.identifier WHERE e.id IN ({ids})"
)
_SURROUNDINGS = "SELECT timestamp, json_extract(body, '$.enriched.geo', '$.enriched.device') FROM events WHERE id IN ({ids})"
_RUN_DAYS = (
    f"WITH {{mine}} SELECT t.timestamp / {DAY}, count(*) FROM timeline_runs AS r CROSS JOIN mine CROSS JOIN timeline AS t"
    " ON t.run = r.run AND t.identifier = mine.identifier AND t.timestamp BETWEEN mine.since AND mine.until - 1"
    f" WHERE r.run BETWEEN ? AND ? AND t.event_id >= {OLDEST} GROUP BY 1"
)
_TAIL_DAYS = f"WITH {{mine}} SELECT timestamp / {DAY}, count(*) {TAIL} GROUP BY 1"


def portrait(connection: sqlite3.Connection, ref: Ref) -> dict[str, Any] | None:
    """``ProfileReader.portrait``."""
    contact = contact_of(connection, ref)
    if contact is None:
        return None
    complete = True

    def figures(connection: sqlite3.Connection, shares: Sequence[Share]) -> dict[int, Figures]:
        nonlocal complete
        found, complete = newest_figures(connection, shares, COUNTED)
        return found

    return document(connection, contact, History(page, figures, touches)) | {"complete": complete}


def visits(connection: sqlite3.Connection, contact: int, before: str | None, limit: int) -> Visits:
    """``ProfileReader.visits``.

    Raises:
        ValueError: ``before`` is not of an earlier page.
    """
    places = newest(connection, shares_of(connection, contact), moment(before), limit + 1)
    wanted = places[:limit]
    sql = _VISITED.format(contact=contact, ids=_ids(wanted))
    found = {row[0]: row for row in connection.execute(sql)}
    rows = [_visited(found[event_id]) for _, event_id in wanted if event_id in found]
    return Visits(rows, len(places) > limit)


def _visited(row: Sequence[Any]) -> dict[str, Any]:
    kind = row[8]
    return {
        "id": row[0],
        "at": row[2],
        "place": f"{row[2]}.{row[0]}",
        "known": kind is not None and _KINDS.has(kind) and _KINDS[kind].known,
        "event": stored_event(row[:8]),
    }


def days(connection: sqlite3.Connection, contact: int) -> dict[str, Any]:
    """``ProfileReader.days``: the latest runs first, until enough was counted."""
    shares = shares_of(connection, contact)
    if not shares:
        return {"days": [], "counted": 0, "complete": True}
    counts = Counter(dict[int, int](connection.execute(_TAIL_DAYS.format(mine=table_of(shares))).fetchall()))
    complete = True
    for first, last in blocks(connection):
        if counts.total() >= COUNTED:
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
    places: dict[tuple[str, ...], list[int]] = {}
    devices: dict[tuple[str, ...], list[int]] = {}
    for at, facts in connection.execute(_SURROUNDINGS.format(ids=_ids(wanted))):
        geo, device = orjson.loads(facts)
        if geo:
            places.setdefault((geo.get("country") or "", geo.get("city") or geo.get("region") or ""), []).append(at)
        if device:
            named = ((device.get(part) or {}).get("name") or "" for part in ("browser", "os"))
            devices.setdefault((device.get("type") or "", *named), []).append(at)
    return {"places": _most(places), "devices": _most(devices), "looked_at": len(wanted)}


def _most(found: dict[tuple[str, ...], list[int]]) -> list[tuple[tuple[str, ...], int, int]]:
    """What it is, in how many events, and when last; the most frequent first."""
    rows = [(what, len(times), max(times)) for what, times in found.items()]
    return sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))


def holders(connection: sqlite3.Connection, refs: Iterable[Ref]) -> dict[tuple[str, str], str | None]:
    """``ProfileReader.holders``."""
    return {(ref.kind, ref.value): public_id(contact_of(connection, ref)) for ref in refs}


def _ids(moments: Iterable[tuple[int, int]]) -> str:
    return ",".join(str(event_id) for _, event_id in moments)
