"""Connections, and what an error of one means: the database is away, a conflict that a second try settles, or a row is at fault."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from tropa_collector.errors import StoreError

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 30.0  # a database that answers later than this counts as gone
#: Advisory locks, all of one class. MIGRATION: while the schema changes. IDENTITY: who decides who is who. ERASURE: commits share
#: it, an erasure has it alone. RETENTION: who purges. NEW_DAY: who makes a day's table.
LOCK_CLASS: Final = 1414680399
MIGRATION, IDENTITY, ERASURE, RETENTION, NEW_DAY = 1, 2, 3, 4, 5

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[Any]
else:
    Connection = asyncpg.Connection

#: Every statement of the writing side finds its rows by key. A plan made while the tables were small must go on doing so.
_SETTINGS: Final = {
    "application_name": "tropa",
    "timezone": "UTC",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "60s",
}
_READING: Final = {"application_name": "tropa reader", "timezone": "UTC", "jit": "off", "statement_timeout": "60s"}
#: Of SQLSTATE: a value that a column does not take, a rule of the schema.
_ROW_FAULTS: Final = ("22", "23")
TRIES: Final = 8  # of a transaction that loses against others
_RETRY: Final = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available


async def connect(url: str, *, reading: bool = False, **settings: str) -> Connection:
    """A connection to the primary; ``settings`` are PostgreSQL's, of a reading one.

    Raises:
        StoreError: it cannot be had; the message names the database without its password.
    """
    try:
        if reading:
            return await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=_READING | settings)
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings=_SETTINGS,
            target_session_attrs=asyncpg.connect_utils.SessionAttribute.read_write,
        )
        await be_durable(connection)
        return connection
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreError(f"PostgreSQL at {place_of(url)} cannot be used: {sentence(error)}") from None


async def be_durable(connection: Connection) -> None:
    """A commit is on disk when it returns, whatever the server's default; a stricter one (``remote_apply``) stays."""
    if await connection.fetchval("SHOW synchronous_commit") == "off":
        await connection.execute("SET synchronous_commit = on")


def place_of(url: str) -> str:
    """Host and database of an address, without what is secret."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or parts.query.partition("host=")[2].partition("&")[0] or "localhost"
        return f"{host}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return "an address that cannot be read"


def sentence(error: BaseException) -> str:
    """What an operator is told of an error: its first line, and its kind where it has none."""
    text = str(error).partition("\n")[0]
    return f"{text or type(error).__name__}."


def is_retryable(error: BaseException) -> bool:
    """Did it lose against another transaction? The same again will do."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in _RETRY


async def step_back(attempt: int) -> None:
    """Wait at random, longer after each lost attempt (from 1), so that those who lost together do not meet again."""
    await asyncio.sleep(random.uniform(0.01, min(0.5, 0.02 * 2**attempt)))  # noqa: S311 - no secret


def is_fault_of_a_row(error: BaseException) -> bool:
    """Is it about what was to be written, so that others can be written without it?"""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(_ROW_FAULTS)
    away = (OSError, asyncio.CancelledError, asyncpg.InterfaceError, MemoryError)
    return isinstance(error, asyncpg.exceptions._base.DataError) or not isinstance(error, away)
