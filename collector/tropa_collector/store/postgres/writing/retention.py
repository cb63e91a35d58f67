"""Purging, by one collector at a time: days past their age as whole tables, quarantine past its age or bytes in small steps."""

from __future__ import annotations

import time
from typing import Final

from tropa_collector.store.postgres.connect import LOCK_CLASS, RETENTION, Connection
from tropa_collector.store.postgres.partitions import DAY, day_of, days_before, drop_day
from tropa_collector.store.retention import RetentionOptions, overdue

STEP_ROWS: Final = 2_000
STEPS: Final = 50  # of one table at a time: what is left waits for the next time


async def purge(connection: Connection, options: RetentionOptions) -> None:
    """Delete what is past its age, unless another collector is at it."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", LOCK_CLASS, RETENTION):
        return
    try:
        now = time.time_ns() // 1_000
        await _quarantine(connection, options, now)
        if options.retention_days:
            await _events(connection, options, now)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1, $2)", LOCK_CLASS, RETENTION)


async def _events(connection: Connection, options: RetentionOptions, now: int) -> None:
    """A day goes when all of it is past its age. Dedupe keys live as long as their event and never less than ``dedupe_days``."""
    before = now - options.retention_days * DAY
    for day in await days_before(connection, day_of(before)):
        await drop_day(connection, day)
    keys_before = now - max(options.retention_days, options.dedupe_days) * DAY
    for table, column, oldest in (("rollups", "minute", before // 60_000_000), ("dedupe", "received_at", keys_before - DAY)):
        found = f"SELECT ctid FROM {table} WHERE {column} < $1 LIMIT {STEP_ROWS}"
        for _ in range(STEPS):
            done = await connection.execute(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({found}))", oldest)
            if done != f"DELETE {STEP_ROWS}":
                break


async def _quarantine(connection: Connection, options: RetentionOptions, now: int) -> None:
    for _ in range(STEPS):
        if await _quarantine_step(connection, options, now) < STEP_ROWS:
            return


async def _quarantine_step(connection: Connection, options: RetentionOptions, now: int) -> int:
    """Drop the oldest rows, as many as are past the age or beyond the bytes; how many."""
    async with connection.transaction():
        held: int = await connection.fetchval("SELECT value FROM counters WHERE name = 'quarantine_bytes' FOR UPDATE")
        rows = await connection.fetch(
            "SELECT id, received_at, octet_length(original) + octet_length(receipt) FROM quarantine ORDER BY id LIMIT $1", STEP_ROWS
        )
        excess, before = held - options.quarantine_bytes, now - options.quarantine_days * DAY
        gone, freed = overdue(rows, excess=excess, before=before)
        if gone:
            await connection.execute("DELETE FROM quarantine WHERE id = ANY($1::bigint[])", gone)
            for name, by in (("quarantine_bytes", -freed), ("quarantine_dropped", len(gone))):
                await connection.execute("UPDATE counters SET value = value + $1 WHERE name = $2", by, name)
    return len(gone)
