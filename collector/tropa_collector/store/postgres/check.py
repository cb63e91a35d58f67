"""What ``tropa doctor`` asks a database: can it be used, does it keep what it commits, is its schema this version's?"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from tropa_collector.errors import StoreError
from tropa_collector.store.postgres.connect import Connection, connect, place_of
from tropa_collector.store.postgres.migrate import migrations

OLDEST_VERSION: Final = 14  # DETACH PARTITION CONCURRENTLY
MOST_SKEW_SECONDS: Final = 2.0

#: what, is it good, a sentence
Check = tuple[str, bool, str]


def check_store(url: str) -> list[Check]:
    """Everything that was looked at."""
    return asyncio.run(_look(url))


async def _look(url: str) -> list[Check]:
    try:
        connection = await connect(url)
    except StoreError as error:
        return [("postgresql", False, str(error))]
    try:
        return [*await _server(connection, url), *await _store(connection)]
    finally:
        await connection.close()


async def _server(connection: Connection, url: str) -> list[Check]:
    version = connection.get_server_version()
    text = f"{version.major}.{version.micro} at {place_of(url)}"
    found = [("postgresql", version.major >= OLDEST_VERSION, f"{text}; {OLDEST_VERSION} or later is needed")]
    found += [await _keeps(connection, name, lost) for name, lost in _DURABILITY]
    skew = abs(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8") - time.time())
    return [*found, ("database clock", skew < MOST_SKEW_SECONDS, f"{skew:.2f} s from this machine's")]


_DURABILITY: Final = (
    ("fsync", "a power cut loses what was acknowledged"),
    ("full_page_writes", "a power cut may leave torn pages"),
)


async def _keeps(connection: Connection, name: str, lost: str) -> Check:
    value: str = await connection.fetchval("SELECT current_setting($1)", name)
    return name, value == "on", value if value == "on" else f"{value}: {lost}"


async def _store(connection: Connection) -> list[Check]:
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return [("store", True, "none yet: `tropa serve` makes the schema")]
    schema: int = await connection.fetchval("SELECT coalesce(max(number), 0) FROM migrations")
    newest = migrations()[-1][0]
    if schema < newest:
        return [("schema", True, f"{schema}; the next start brings it to {newest}")]
    return [("schema", schema <= newest, f"{schema}, this version knows {newest}"), *await _contents(connection)]


async def _contents(connection: Connection) -> list[Check]:
    events: int = await connection.fetchval("SELECT coalesce(sum(events), 0)::bigint FROM days")
    collectors: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tropa'"
        " AND pid != pg_backend_pid()"
    )
    return [("store", True, f"{events} events"), ("in use", True, f"{collectors} writing connections")]
