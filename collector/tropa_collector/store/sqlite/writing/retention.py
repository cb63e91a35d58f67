"""Purging in small steps, each its own short transaction: events past their age, quarantine past its age or bytes."""

from __future__ import annotations

import sqlite3
import time

from tropa_collector.store.hashing import hash64
from tropa_collector.store.retention import RetentionOptions, overdue
from tropa_collector.store.sqlite.numbering import NEWEST_EVENT, REMEMBER_NEWEST_EVENT
from tropa_collector.store.sqlite.writing.trailing import source_salt

STEP_ROWS = 500
STEP_SECONDS = 0.25
_OLDEST = "SELECT id FROM events WHERE received_at < ? ORDER BY received_at LIMIT ?"
_DAY = 86_400_000_000


class Retention:
    """One step deletes at most ``STEP_ROWS`` rows of each table, or twice what came since the last one: it keeps up."""

    def __init__(self, connection: sqlite3.Connection, options: RetentionOptions) -> None:
        self._connection = connection
        self._options = options
        self._came, self._rows = 0, STEP_ROWS
        self._stepped = time.monotonic()

    def committed(self, events: int) -> int:
        """Traffic that never pauses leaves no idle second: a step is made beside it."""
        self._came += events
        return self.step() if time.monotonic() - self._stepped >= STEP_SECONDS else 0

    def step(self) -> int:
        """Purge what is due; the rows that were written for it."""
        changes = self._connection.total_changes
        now = time.time_ns() // 1_000
        self._rows, self._came, self._stepped = max(STEP_ROWS, 2 * self._came), 0, time.monotonic()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._quarantine(now)
            if self._options.retention_days:
                self._events(now - self._options.retention_days * _DAY)
                self._indexes(now)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return self._connection.total_changes - changes

    def _count(self, name: str, by: int) -> None:
        if by:
            self._connection.execute("UPDATE counters SET value = value + ? WHERE name = ?", (by, name))

    def _events(self, before: int) -> None:
        due = (before, self._rows)
        if self._connection.execute(_OLDEST, (before, 1)).fetchone() is not None:
            self._keep_keys(due)
            self._connection.execute(REMEMBER_NEWEST_EVENT)
            deleted = self._connection.execute(f"DELETE FROM events WHERE id IN ({_OLDEST})", due).rowcount
            self._count("events_purged", deleted)
        self._connection.execute(
            "DELETE FROM rollups WHERE minute < ? AND (minute, source, type, name, outcome) IN"
            " (SELECT minute, source, type, name, outcome FROM rollups ORDER BY minute LIMIT ?)",
            (before // 60_000_000, self._rows),
        )

    def _keep_keys(self, due: tuple[int, int]) -> None:
        """Of events that the index of duplicates has not come to: the writer's memory of them ends with its process."""
        rows = self._connection.execute(
            f"SELECT original_at, source, message_id, id FROM events WHERE id IN ({_OLDEST})"
            " AND id > (SELECT value FROM counters WHERE name = 'dedupe_through_id')",
            due,
        ).fetchall()
        keys = [(original_at, hash64(message) ^ source_salt(source), number) for original_at, source, message, number in rows]
        self._connection.executemany("INSERT OR IGNORE INTO dedupe VALUES (?, ?, ?)", keys)

    def _indexes(self, now: int) -> None:
        """Dedupe keys live as long as their event and never less than ``dedupe_days``."""
        (oldest,) = self._connection.execute(f"SELECT coalesce((SELECT min(id) FROM events), {NEWEST_EVENT} + 1)").fetchone()
        purge_runs(self._connection, oldest, self._rows)
        before = now - max(self._options.retention_days, self._options.dedupe_days) * _DAY
        self._connection.execute(
            "DELETE FROM dedupe WHERE (original_at, key) IN"
            " (SELECT original_at, key FROM dedupe WHERE original_at < ? AND event_id < ? ORDER BY original_at LIMIT ?)",
            (before, oldest, self._rows),
        )

    def _quarantine(self, now: int) -> None:
        (held,) = self._connection.execute("SELECT value FROM counters WHERE name = 'quarantine_bytes'").fetchone()
        excess = held - self._options.quarantine_bytes
        before = now - self._options.quarantine_days * _DAY
        (oldest,) = self._connection.execute("SELECT received_at FROM quarantine ORDER BY id LIMIT 1").fetchone() or (now,)
        if excess <= 0 and oldest >= before:
            return
        rows = self._connection.execute(
            "SELECT id, received_at, length(original) + length(CAST(receipt AS BLOB)) FROM quarantine ORDER BY id LIMIT ?",
            (self._rows,),
        ).fetchall()
        gone, freed = overdue(rows, excess=excess, before=before)
        self._connection.executemany("DELETE FROM quarantine WHERE id = ?", [(number,) for number in gone])
        self._count("quarantine_dropped", len(gone))
        self._count("quarantine_bytes", -freed)


def purge_runs(connection: sqlite3.Connection, oldest: int, rows: int) -> None:
    """Delete some rows, of timeline and deeds, of events that are no more; ``oldest`` is the id of the first that is.

    A run that ends before it is forgotten once it is empty.
    """
    first = connection.execute("SELECT run FROM timeline_runs WHERE run <= ? ORDER BY run LIMIT 1", (oldest,)).fetchone()
    if first is None:
        return
    deleted = 0
    for table, key in (
        ("timeline", "run, identifier, timestamp, event_id"),
        ("deeds", "run, deed, identifier, timestamp, event_id"),
    ):
        deleted += connection.execute(
            f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE run = ? AND event_id < ? LIMIT ?)",
            (*first, oldest, rows),
        ).rowcount
    following = connection.execute("SELECT run FROM timeline_runs WHERE run > ? ORDER BY run LIMIT 1", first).fetchone()
    if not deleted and following is not None and following[0] <= oldest:
        connection.execute("DELETE FROM timeline_runs WHERE run = ?", first)
