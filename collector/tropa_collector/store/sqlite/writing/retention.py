"""Purging in small steps, each its own short transaction: events past their age, quarantine past its age or bytes."""

from __future__ import annotations

import sqlite3
import time

from tropa_collector.store.retention import RetentionOptions, overdue

STEP_ROWS = 500
_DAY = 86_400_000_000


class Retention:
    """One step deletes at most ``STEP_ROWS`` rows of each table."""

    def __init__(self, connection: sqlite3.Connection, options: RetentionOptions) -> None:
        self._connection = connection
        self._options = options

    def step(self) -> None:
        now = time.time_ns() // 1_000
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

    def _count(self, name: str, by: int) -> None:
        if by:
            self._connection.execute("UPDATE counters SET value = value + ? WHERE name = ?", (by, name))

    def _events(self, before: int) -> None:
        deleted = self._connection.execute(
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE received_at < ? ORDER BY received_at LIMIT ?)",
            (before, STEP_ROWS),
        ).rowcount
        self._count("events_purged", deleted)
        self._connection.execute(
            "DELETE FROM rollups WHERE minute < ? AND (minute, source, type, name, outcome) IN"
            " (SELECT minute, source, type, name, outcome FROM rollups ORDER BY minute LIMIT ?)",
            (before // 60_000_000, STEP_ROWS),
        )

    def _indexes(self, now: int) -> None:
        """Dedupe keys live as long as their event and never less than ``dedupe_days``."""
        (oldest,) = self._connection.execute("SELECT coalesce(min(id), 0) FROM events").fetchone()
        purge_runs(self._connection, oldest, STEP_ROWS)
        before = now - max(self._options.retention_days, self._options.dedupe_days) * _DAY
        self._connection.execute(
            "DELETE FROM dedupe WHERE (original_at, key) IN"
            " (SELECT original_at, key FROM dedupe WHERE original_at < ? AND event_id < ? ORDER BY original_at LIMIT ?)",
            (before, oldest, STEP_ROWS),
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
            (STEP_ROWS,),
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
