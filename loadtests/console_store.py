"""A large store for the console: what a collector stored of a few thousand real events, multiplied with its visitors.

One person, who was there before them, has one event in ``ONE_IN``, spread over all the days. Some events are of two other
names: what few did at any time, and what many did long ago and nobody since. The last events are left to the tail of the log,
as in a store at work.
"""

from __future__ import annotations

import sqlite3
import time
from typing import NamedTuple

from loadtests.bodies import stream
from loadtests.collector_process import CollectorProcess
from tropa_collector.store.deeds import deed_of, deeds_of
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.store.sqlite.reading.timeline import THROUGH
from tropa_collector.store.sqlite.writing.trailing import RUN_EVENTS

DAYS = 30
SEED_EVENTS = 4_000
BATCH = 50
ONE_IN = 25  # of five million events the person has 200 000
DEVICES = 8
MANY, SOME = "Products Searched", "Product Viewed"  # names of the seed's events
LONG_AGO, LONG_AGO_ONE_IN = "Newsletter Opened", 10  # it is what ``MANY`` was in the first tenth of the log
SELDOM, SELDOM_ONE_IN = "Order Completed", 50  # of the events of the name ``SOME``
EMAIL, PHONE = "anna.long@example.org", "+79161234567"
_DAY_US = 86_400_000_000
_PEOPLE = ("identifiers", "contacts", "cores", "edges", "traits", "trait_words")
#: Columns that name an identifier, a contact or a core; 0 names none.
_NAMES = {"a": 0, "b": 0, "identifier": 0, "alias_of": 0, "contact": 1, "merged_into": 1, "shared_contact": 1, "core": 2}
#: What an ``id`` is in the table itself.
_OWN = {"identifiers": 0, "contacts": 1, "cores": 2}


class _Copy(NamedTuple):
    """Where one copy of the seed lies: after how many events, how much later, and by how much its people's ids are higher."""

    number: int
    start: int
    shifts: tuple[int, ...]


def make(collector: CollectorProcess, events: int) -> None:
    """Fill the collector's empty data directory; it does not run before nor after."""
    with collector:
        _post(collector, [_identify(device) for device in range(DEVICES)])
        persons = _highest(collector)
        made = stream(1)
        for _ in range(SEED_EVENTS // BATCH):
            _post(collector, [next(made) for _ in range(BATCH)])
    highest = _highest(collector)
    connection = _open(collector)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    connection.execute("BEGIN")
    _seed(connection, persons)
    _multiply(connection, events, persons[0], highest)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _identify(device: int) -> dict[str, object]:
    traits = {"email": EMAIL, "phone": PHONE, "name": "Anna"}
    return {"type": "identify", "userId": "anna", "anonymousId": f"device-{device}", "traits": traits}


def _post(collector: CollectorProcess, batch: list[dict[str, object]]) -> None:
    status, answer = collector.post("/v1/batch", {"batch": batch})
    assert status == 200, answer


def _open(collector: CollectorProcess) -> sqlite3.Connection:
    return sqlite3.connect(collector.data / FILE_NAME, isolation_level=None)


def _highest(collector: CollectorProcess) -> tuple[int, ...]:
    """The highest identifier, contact and core."""
    connection = _open(collector)
    found = tuple(connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0] for table in _OWN)
    connection.close()
    return found


def _seed(connection: sqlite3.Connection, persons: tuple[int, ...]) -> None:
    """Put aside what is copied: all the events, and the people but for the one."""
    for table in _PEOPLE:
        own = {"contacts": persons[1], "cores": persons[2]}.get(table, persons[0])
        key = {"edges": "a", "traits": "identifier", "trait_words": "identifier"}.get(table, "id")
        connection.execute(f"CREATE TEMP TABLE seed_{table} AS SELECT * FROM {table} WHERE {key} > {own}")
    connection.execute("CREATE TEMP TABLE seed_events AS SELECT * FROM events")
    connection.execute("CREATE TEMP TABLE seed_deeds (deed INTEGER, id INTEGER, identifier INTEGER)")
    told = connection.execute("SELECT type, name, touch, identifier, id FROM events").fetchall()
    deeds = [
        (deed[0], deed[3], deed[1])
        for type_, name, touch, whose, at in told
        for deed in deeds_of(type_, name, (whose, 0, at), touch=touch)
    ]
    connection.executemany("INSERT INTO temp.seed_deeds VALUES (?, ?, ?)", deeds)
    connection.execute("DELETE FROM events")


def _multiply(connection: sqlite3.Connection, events: int, persons: int, highest: tuple[int, ...]) -> None:
    (seeded,) = connection.execute("SELECT count(*) FROM temp.seed_events").fetchone()
    step, through = DAYS * _DAY_US // events, (events // RUN_EVENTS - 1) * RUN_EVENTS
    since = time.time_ns() // 1_000 - events * step
    for table in ("identifiers", "contacts"):
        connection.execute(f"UPDATE {table} SET first_seen = {since}")
    connection.execute(f"UPDATE counters SET value = {through} WHERE name = 'dedupe_through_id'")
    for number, start in enumerate(range(0, events, seeded)):
        copy = _Copy(number, start, tuple(number * top for top in highest))
        if number:
            _copy_people(connection, copy, since + start * step, since + (start + seeded) * step)
        _copy_events(connection, copy, events, f"{since} + (id + {start}) * {step}", persons)
    connection.execute("INSERT INTO timeline_runs SELECT DISTINCT run FROM timeline")
    connection.execute("DELETE FROM identifier_values")
    connection.execute("INSERT INTO identifier_values SELECT value, id FROM identifiers ORDER BY value")
    connection.execute("UPDATE counters SET value = (SELECT max(id) FROM identifiers) WHERE name = 'values_through_id'")
    connection.execute("DELETE FROM rollups")
    connection.execute(
        "INSERT INTO rollups SELECT received_at / 60000000, source, type, name, 0, count(*) FROM events GROUP BY 1, 2, 3, 4"
    )


def _copy_people(connection: sqlite3.Connection, copy: _Copy, since: int, until: int) -> None:
    for table in _PEOPLE:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        changed = {name: f"{name} + ({name} != 0) * {copy.shifts[_NAMES[name]]}" for name in names if name in _NAMES}
        if table in _OWN:
            changed["id"] = f"id + {copy.shifts[_OWN[table]]}"
        if table == "identifiers":
            changed |= {"value": f"value || '-{copy.number}'", "last_day": str(until // _DAY_US)}
        if table in {"identifiers", "contacts"}:
            changed["first_seen"] = str(since)
        columns = ", ".join(changed.get(name, name) for name in names)
        connection.execute(f"INSERT INTO {table} SELECT {columns} FROM temp.seed_{table}")


def _copy_events(connection: sqlite3.Connection, copy: _Copy, events: int, at: str, persons: int) -> None:
    event_id = f"id + {copy.start}"
    whose = (
        f"CASE WHEN ({event_id}) % {ONE_IN} = 0 THEN 1 + ({event_id}) / {ONE_IN} % {persons}"
        f" WHEN identifier <= {persons} THEN identifier ELSE identifier + {copy.shifts[0]} END"
    )
    named = f"CASE WHEN name = '{SOME}' AND ({event_id}) % {SELDOM_ONE_IN} = 0 THEN '{SELDOM}' ELSE name END"
    deeds = f"CASE WHEN deed = {deed_of(SOME)} AND ({event_id}) % {SELDOM_ONE_IN} = 0 THEN {deed_of(SELDOM)} ELSE deed END"
    if copy.start < events // LONG_AGO_ONE_IN:
        named = f"CASE name WHEN '{MANY}' THEN '{LONG_AGO}' ELSE {named} END"
        deeds = f"CASE deed WHEN {deed_of(MANY)} THEN {deed_of(LONG_AGO)} ELSE {deeds} END"
    changed = {"id": event_id, "identifier": whose, "received_at": at, "timestamp": at, "name": named}
    names = [row[1] for row in connection.execute("PRAGMA table_info(events)")]
    columns = ", ".join(changed.get(name, name) for name in names)
    connection.execute(f"INSERT INTO events SELECT {columns} FROM temp.seed_events WHERE {event_id} <= {events} ORDER BY id")
    run = f"({event_id} - 1) / {RUN_EVENTS} * {RUN_EVENTS} + 1"
    inside = f"WHERE {event_id} <= {THROUGH} ORDER BY 1, 2, 3"
    connection.execute(f"INSERT INTO timeline SELECT {run}, {whose}, {at}, {event_id} FROM temp.seed_events {inside}")
    connection.execute(f"INSERT INTO deeds SELECT {run}, {deeds}, {whose}, {at}, {event_id} FROM temp.seed_deeds {inside}")
