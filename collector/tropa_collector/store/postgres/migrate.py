"""Numbered SQL files, each applied in one transaction together with its record, by one collector at a time."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from tropa_collector.errors import StoreError
from tropa_collector.store.postgres.connect import LOCK_CLASS, MIGRATION, Connection

MIGRATION_SECONDS: Final = 3_600.0  # of one file


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration that this version ships, in order."""
    folder = files("tropa_collector.store.postgres").joinpath("migrations")
    found = [(int(item.name[:4]), item.name, item.read_text("utf-8")) for item in folder.iterdir() if item.name.endswith(".sql")]
    return sorted(found)


async def migrate(connection: Connection) -> int:
    """Bring the schema up to date and return its number. Others that start meanwhile wait.

    Raises:
        StoreError: the database was written by a newer version.
    """
    await connection.execute("SET lock_timeout = 0")
    await connection.execute("SELECT pg_advisory_lock($1, $2)", LOCK_CLASS, MIGRATION, timeout=MIGRATION_SECONDS)
    try:
        return await _migrate(connection)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1, $2)", LOCK_CLASS, MIGRATION)
        await connection.execute("RESET lock_timeout")


async def _migrate(connection: Connection) -> int:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL)"
    )
    current: int = await connection.fetchval("SELECT coalesce(max(number), 0) FROM migrations")
    available = migrations()
    newest = available[-1][0]
    if current > newest:
        raise StoreError(f"The store has schema {current}, this version knows {newest}: install the newer version again.")
    for number, name, script in available:
        if number > current:
            async with connection.transaction():
                await connection.execute(script, timeout=MIGRATION_SECONDS)
                await connection.execute("INSERT INTO migrations VALUES ($1, $2, now())", number, name)
    return newest
