"""What one group commit does: everything that was waiting, in one transaction.

``Transaction.commit`` is all or nothing. A row that SQLite itself refuses (it should not exist after validation, but a
poisoned row must not block its neighbours) is found by bisecting and put into quarantine.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Plan
from tropa_collector.store.deeds import Deed, deeds_of
from tropa_collector.store.operations.workplace import Absent, Refused, Workplace
from tropa_collector.store.protocol import Operation, Outcome, Quarantined, Record
from tropa_collector.store.sqlite.bodies import text_of
from tropa_collector.store.sqlite.file import is_damage
from tropa_collector.store.sqlite.numbering import NEWEST_EVENT
from tropa_collector.store.sqlite.writing.archive import ARCHIVE
from tropa_collector.store.sqlite.writing.erased import Erased
from tropa_collector.store.sqlite.writing.identity import Resolution
from tropa_collector.store.sqlite.writing.operations import AFTER_COMMIT, OPERATIONS
from tropa_collector.store.sqlite.writing.submissions import Received, Row
from tropa_collector.store.sqlite.writing.trailing import AHEAD_US, Entry, Trailing

logger = logging.getLogger("tropa.store")

NAMES_A_MINUTE = 400  # roll-up rows of one minute; further names are counted as "(other)"
_CHUNKS = (256, 64, 16, 4, 1)  # rows of one statement: few texts, all of them in the statement cache

#: A record's own fields, its identity not among them, behind what the writer adds to them.
_COLUMNS: Final = ("id", "identifier", "touch", *Record._fields[:-1])
_INTO = f"INSERT INTO events ({','.join(_COLUMNS)}) VALUES "
_INSERT = {rows: _INTO + ",".join(["(" + ",".join("?" * len(_COLUMNS)) + ")"] * rows) for rows in _CHUNKS}
_SOURCE, _TYPE, _NAME = itemgetter(0), itemgetter(2), itemgetter(3)
_MINUTE: Final = 60_000_000
_NOTHING: Final[frozenset[tuple[int, int]]] = frozenset()
_NO_KEYS: Final[tuple[frozenset[int], frozenset[int]]] = frozenset(), frozenset()

Rollup = tuple[int, str, str, str, int]


@dataclass(slots=True)
class _Work:
    """What a transaction is about to write; memory follows only after the commit."""

    records: list[Row] = field(default_factory=list)  # the new ones
    entries: list[Entry] = field(default_factory=list)
    places: list[Entry] = field(default_factory=list)  # of the timeline: identifier, timestamp, event id
    deeds: list[Deed] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    rollups: Counter[Rollup] = field(default_factory=Counter)


class Transaction:
    """Group commits on the one writing connection."""

    def __init__(self, connection: sqlite3.Connection, resolution: Resolution | None = None, *, dedupe: bool = True) -> None:
        self._connection = connection
        self._dedupe = dedupe
        self.trailing = Trailing(connection)
        self.resolution = resolution or Resolution(connection, Policy())
        self.erased = Erased(connection)
        (self._last_id,) = connection.execute(f"SELECT {NEWEST_EVENT}").fetchone()
        self._minute = 0
        self._names: set[Rollup] = set()

    def commit(self, submissions: Sequence[Received]) -> list[bytes]:
        """Commit submissions together; for each, one ``Outcome`` a record.

        Raises:
            sqlite3.Error: nothing was committed (disk full, I/O error): the caller answers 503.
        """
        try:
            return self._commit(submissions)
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError) or is_damage(error):
                raise  # the disk's fault, not a row's
            return self._isolate(submissions, error)  # the writer's boundary: a row that breaks anything is found and set aside

    def operate(self, operation: Operation) -> tuple[str, Any]:
        """An operator's request in a transaction of its own: ``("done", result)``, ``("refused", why)`` or ``("absent", what)``."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = OPERATIONS[operation.name](Workplace(self._connection, self.resolution, ARCHIVE), **operation.arguments)
            self._connection.execute("COMMIT")
        except Refused as refused:
            self._rollback()
            return ("absent" if isinstance(refused, Absent) else "refused"), str(refused)
        except BaseException:
            self._rollback()
            raise
        self.resolution.forget_rows()
        if operation.name in AFTER_COMMIT:
            self.erased.reload()
            self.resolution.values.reload()
            result = {**(result or {}), **AFTER_COMMIT[operation.name](self._connection)}
        return "done", result

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.resolution.forget_rows()

    def _commit(self, submissions: Sequence[Received]) -> list[bytes]:
        work = _Work()
        outcomes = self._sort_out(submissions, work)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            refused = self.erased.refuse(work.records)
            plan = self._resolve(work.records)
            self._insert_events(work, plan.anchors)
            self._insert_quarantined(work.quarantined)
            self._release(work.released)
            if refused:
                self._count("erased_refused", refused)
            self._upsert_rollups(work.rollups)
            self.trailing.write_slice(len(work.entries))
            self.resolution.values.write_slice(len(plan.identifiers))
            connection.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise
        self._last_id += len(work.entries)
        self.resolution.values.committed()
        self.resolution.committed(plan)
        self.trailing.committed()
        self.trailing.extend(work.entries, work.places, work.deeds, ceiling=time.time_ns() // 1_000 + AHEAD_US)
        return outcomes

    def _isolate(self, submissions: Sequence[Received], error: Exception) -> list[bytes]:
        if len(submissions) > 1:
            middle = len(submissions) // 2
            return self.commit(submissions[:middle]) + self.commit(submissions[middle:])
        (submission,) = submissions
        rows = submission.rows
        if len(rows) > 1:
            middle = len(rows) // 2
            first = self.commit([submission._replace(rows=rows[:middle])])
            second = self.commit([Received(rows[middle:])])
            return [first[0] + second[0]]
        if not rows:
            raise error
        # By its type alone: a message may hold what was sent. It is in quarantine, beside the event.
        logger.error("an event was set aside: %s in %s", type(error).__name__, _where(error))
        self._commit([Received((), [*submission.quarantined, _refused(rows[0], error)], submission.released)])
        return [bytes([Outcome.QUARANTINED])]

    def _sort_out(self, submissions: Sequence[Received], work: _Work) -> list[bytes]:
        """Decide stored or duplicate for every record, number the new ones, count everything."""
        records = [row for submission in submissions for row in submission.rows]
        flags = self._number(records, self.trailing.keys(records), work)
        work.rollups.update(_rollups(records, flags))
        outcomes, start = [], 0
        for submission in submissions:
            end = start + len(submission.rows)
            outcomes.append(flags[start:end])
            start = end
            for bad in submission.quarantined:
                work.rollups[bad[1] // _MINUTE, bad[0], bad[2], bad[3], Outcome.QUARANTINED] += 1
            work.quarantined += submission.quarantined
            work.released += submission.released
        return outcomes

    def _number(self, records: Sequence[Row], keys: Sequence[int], work: _Work) -> bytes:
        """Of each record whether it is new (0) or a duplicate; the new ones get the next ids."""
        trailing, dedupe = self.trailing, self._dedupe
        known, (newest, older) = (trailing.known(records, keys), trailing.seen) if dedupe else (_NOTHING, _NO_KEYS)
        flags, fresh, next_id = bytearray(len(keys)), set[int](), self._last_id + 1
        for position, (record, key) in enumerate(zip(records, keys, strict=True)):
            original_at = record[6]
            if key in newest or key in older or (dedupe and key in fresh) or (known and (original_at, key) in known):
                flags[position] = Outcome.DUPLICATE
                continue
            fresh.add(key)
            work.records.append(record)
            work.entries.append((original_at, key, next_id))
            next_id += 1
        return bytes(flags)

    def _resolve(self, records: list[Row]) -> Plan:
        plan = self.resolution.plan(records)
        self.resolution.write(plan, records)
        return plan

    def _insert_events(self, work: _Work, anchors: Sequence[int]) -> None:
        """One statement a chunk: the columns are a record's, in its order, behind the id, the identifier and the touch."""
        values: list[Any] = []
        for entry, anchor, record in zip(work.entries, anchors, work.records, strict=True):
            touch = record[10]
            values += (entry[2], anchor or None, touch)
            values += record[:9]
            if anchor:
                place = (anchor, record[7], entry[2])
                work.places.append(place)
                work.deeds += deeds_of(record[2], record[3], place, touch=touch)
        start = 0
        for rows in _CHUNKS:
            step = rows * len(_COLUMNS)
            while len(values) - start >= step:
                self._connection.execute(_INSERT[rows], values[start : start + step])
                start += step

    def _insert_quarantined(self, quarantined: list[Quarantined]) -> None:
        if not quarantined:
            return
        self._connection.executemany(
            "INSERT INTO quarantine (source, received_at, type, name, code, path, message, message_id, original, receipt)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            quarantined,
        )
        self._count("quarantine_bytes", sum(len(bad[8]) + len(bad[9]) for bad in quarantined))

    def _release(self, ids: list[int]) -> None:
        for quarantine_id in ids:
            row = self._connection.execute(
                "DELETE FROM quarantine WHERE id = ? RETURNING length(original) + length(CAST(receipt AS BLOB))",
                (quarantine_id,),
            ).fetchone()
            if row is not None:
                self._count("quarantine_bytes", -row[0])
                self._count("quarantine_released", 1)

    def _count(self, name: str, by: int) -> None:
        self._connection.execute("UPDATE counters SET value = value + ? WHERE name = ?", (by, name))

    def _upsert_rollups(self, rollups: Counter[Rollup]) -> None:
        """A minute holds a bounded number of names: a stranger's invented names must not grow the table."""
        minute = max((row[0] for row in rollups), default=0)
        if minute > self._minute:
            self._minute = minute
            self._names = set()
        bounded: Counter[Rollup] = Counter()
        for row, count in rollups.items():
            if row in self._names or len(self._names) < NAMES_A_MINUTE:
                self._names.add(row)
                bounded[row] += count
            else:
                bounded[row[0], row[1], row[2], "(other)", row[4]] += count
        self._connection.executemany(
            "INSERT INTO rollups VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*row, count) for row, count in sorted(bounded.items())],
        )


def _rollups(records: Sequence[Row], flags: bytes) -> Iterator[Rollup]:
    minutes = [record[5] // _MINUTE for record in records]
    return zip(minutes, map(_SOURCE, records), map(_TYPE, records), map(_NAME, records), flags, strict=True)


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}, line {frame.lineno}"


def _refused(record: Row, error: Exception) -> Quarantined:
    source, _, type_, name, message_id, received_at, _, _, body, _, _ = record
    return Quarantined(
        source, received_at, type_, name, "store_refused", "$", f"The store could not hold this event: {error}", message_id,
        text_of(body).encode("utf-8", "replace"), "{}",
    )  # fmt: skip
