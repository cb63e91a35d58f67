"""The log's days: a table each, made outside of any commit, attached without a lock that readers would wait for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from tropa_collector.store.postgres.connect import LOCK_CLASS, NEW_DAY, Connection

DAY: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def day_of(received_at: int) -> int:
    """Days since the epoch."""
    return received_at // DAY


def table_of(day: int) -> str:
    return f"events_{_EPOCH + timedelta(days=day):%Y_%m_%d}"


async def make_days(connection: Connection, days: Iterable[int]) -> None:
    """Make the tables of these days where there are none. Of several collectors one does it, the others wait."""
    for day in sorted(days):
        if not await _exists(connection, day):
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCK_CLASS, NEW_DAY)
                if not await _exists(connection, day):
                    await _make(connection, day)


async def _exists(connection: Connection, day: int) -> bool:
    found = await connection.fetchval(
        "SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhparent = 'events'::regclass", table_of(day)
    )
    return found is not None


async def _make(connection: Connection, day: int) -> None:
    name = table_of(day)
    await connection.execute(f"CREATE TABLE {name} (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    await connection.execute(f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES FROM ({day * DAY}) TO ({(day + 1) * DAY})")


async def days_before(connection: Connection, day: int) -> list[int]:
    """Days that have a table, attached or about to be dropped, and lie before this one; the oldest first."""
    rows = await connection.fetch(
        """
        SELECT day.relname FROM pg_class AS day
          JOIN pg_class AS log ON log.oid = 'events'::regclass AND log.relnamespace = day.relnamespace
         WHERE day.relkind = 'r' AND day.relname ~ '^events_[0-9]{4}_[0-9]{2}_[0-9]{2}$' AND day.relname < $1 ORDER BY 1
        """,
        table_of(day),
    )
    return [(datetime.strptime(row[0], "events_%Y_%m_%d").replace(tzinfo=UTC) - _EPOCH).days for row in rows]


async def drop_day(connection: Connection, day: int) -> None:
    """Drop a day's table, without a lock that commits or readers would wait for; its events are counted as purged."""
    name = table_of(day)
    pending = await connection.fetchval(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = to_regclass($1) AND inhparent = 'events'::regclass", name
    )
    if pending is not None:
        await connection.execute(f"ALTER TABLE events DETACH PARTITION {name} {'FINALIZE' if pending else 'CONCURRENTLY'}")
    async with connection.transaction():
        await connection.execute(f"DROP TABLE {name}")
        await connection.execute(
            "WITH gone AS (DELETE FROM days WHERE day = $1 RETURNING events)"
            " UPDATE counters SET value = value + (SELECT coalesce(sum(events), 0) FROM gone) WHERE name = 'events_purged'",
            day,
        )
