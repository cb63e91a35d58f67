"""Who did one thing since a time.

What half the contacts did is not gathered for a page of them: the newest deeds are read, and of older runs each contact is
asked. An identifier that is younger than a run is not in it, so that few runs are asked of those who were met first.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from functools import cached_property
from typing import Final, NamedTuple

from tropa_collector.store.contacts.search import Member, Members
from tropa_collector.store.contacts.shares import LOWEST
from tropa_collector.store.deeds import deed_of
from tropa_collector.store.sqlite.reading.timeline import OLDEST, THROUGH, first_run

READ: Final = 10_000  # deeds that are read; older runs are asked

_IN_TAIL = (
    "SELECT identifier, min(timestamp), max(timestamp) FROM events"
    f" WHERE id > {THROUGH} AND type = 'track' AND name = :name AND identifier IS NOT NULL AND timestamp >= :since GROUP BY 1"
)
_IN_RUNS = (
    "SELECT d.run, d.identifier, d.timestamp FROM timeline_runs AS r CROSS JOIN deeds AS d ON d.run = r.run AND d.deed = :deed"
    f" WHERE r.run >= :run AND d.event_id >= {OLDEST} ORDER BY r.run DESC LIMIT :most"
)
_ALL_IN_RUNS = (
    "SELECT d.identifier, min(d.timestamp), max(d.timestamp)"
    " FROM timeline_runs AS r CROSS JOIN deeds AS d ON d.run = r.run AND d.deed = :deed"
    f" WHERE r.run >= :run AND d.timestamp >= :since AND d.event_id >= {OLDEST} GROUP BY r.run, d.identifier"
)
_EACH = "ON CONFLICT (identifier) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)"
_YOUNGEST = (
    "SELECT run, (SELECT max(identifier) FROM deeds WHERE run = r.run AND deed = ?) AS youngest"
    " FROM timeline_runs AS r WHERE run >= ? AND run < ?"
)
_IN_RUN = (
    "SELECT 1 FROM temp.{table} AS r CROSS JOIN deeds AS d ON d.run = r.run AND d.deed = ?2 AND d.identifier = ?3"
    f" AND d.timestamp >= ?4 AND d.timestamp < ?5 WHERE r.run >= ?1 AND d.event_id >= {OLDEST} ORDER BY r.run DESC LIMIT 1"
)


class _Runs(NamedTuple):
    """Runs that hold such a deed, and of each the youngest identifier in it or an older one."""

    table: str
    numbers: list[int]
    youngest: list[int]


class SqliteDoers:
    """``Doers``. ``known`` has the first and the last deed of each, as far as they were read."""

    def __init__(self, connection: sqlite3.Connection, name: str, since: int | None) -> None:
        self._connection = connection
        self._deed = deed_of(name)
        self._since = LOWEST if since is None else since
        self._first_run = first_run(connection, self._since)
        tail = connection.execute(_IN_TAIL, {"name": name, "since": self._since})
        self.known = {identifier: (first, last) for identifier, first, last in tail}
        self._read_from = self._read()
        self.complete = self._read_from <= self._first_run

    def _read(self) -> int:
        """Read the newest runs, and say which is the oldest of them."""
        known, since = self.known, self._since
        rows = self._connection.execute(_IN_RUNS, {"deed": self._deed, "run": self._first_run, "most": READ}).fetchall()
        for _, identifier, at in rows:
            if at >= since:
                first, last = known.get(identifier, (at, at))
                known[identifier] = min(first, at), max(last, at)
        return rows[-1][0] + 1 if len(rows) == READ else self._first_run  # the last one may go on

    def asked(self, members: Members) -> set[int]:
        return {contact for contact, own in members.items() if any(self._did_before(one) for one in own)}

    def _did_before(self, one: Member) -> bool:
        """Before the runs that were read."""
        runs = self._older
        start = bisect_left(runs.youngest, one.id)
        if start == len(runs.numbers):
            return False
        values = (runs.numbers[start], self._deed, one.id, max(self._since, one.since), one.until)
        return self._connection.execute(_IN_RUN.format(table=runs.table), values).fetchone() is not None

    @cached_property
    def _older(self) -> _Runs:
        table = f"runs_{self._deed}"
        self._connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} (run INTEGER PRIMARY KEY, youngest INTEGER)")
        self._connection.execute(
            f"INSERT OR IGNORE INTO temp.{table} SELECT * FROM ({_YOUNGEST}) WHERE youngest IS NOT NULL",
            (self._deed, self._first_run, self._read_from),
        )
        rows = self._connection.execute(f"SELECT run, max(youngest) OVER (ORDER BY run) FROM temp.{table} ORDER BY run").fetchall()
        return _Runs(table, [run for run, _ in rows], [identifier for _, identifier in rows])


def gather_doers(connection: sqlite3.Connection, table: str, name: str, since: int | None) -> None:
    """Make a temporary table of all the contacts that did ``name`` since a time, for a list that is not read by pages.

    Like all that a snapshot makes, it goes with the snapshot. Of each identifier the first and the last deed are all there
    is to know.
    """
    start = LOWEST if since is None else since
    values = {"deed": deed_of(name), "name": name, "since": start, "run": first_run(connection, start)}
    connection.execute(f"CREATE TEMP TABLE {table}_by (identifier INTEGER PRIMARY KEY, first INTEGER, last INTEGER)")
    for deeds in (_ALL_IN_RUNS, _IN_TAIL):
        connection.execute(f"INSERT INTO temp.{table}_by {deeds} {_EACH}", values)
    connection.execute(f"CREATE TEMP TABLE {table} (contact INTEGER PRIMARY KEY)")
    connection.execute(
        f"INSERT OR IGNORE INTO temp.{table} SELECT i.contact FROM temp.{table}_by AS by CROSS JOIN identifiers AS i"
        " ON i.id = by.identifier WHERE (i.shared_from IS NULL OR by.first < i.shared_from)"
        " AND (i.known_from IS NULL OR by.last >= i.known_from)"
    )
