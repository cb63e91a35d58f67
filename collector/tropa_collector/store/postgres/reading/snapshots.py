"""Connections for reading: each call is one function over one snapshot, in a thread, never in a commit's way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import asyncpg

from tropa_collector.errors import StoreError, Unavailable
from tropa_collector.store.postgres.connect import Connection, connect, sentence
from tropa_collector.store.postgres.session import Session

CONNECTIONS: Final = 3
#: For looks that find their rows by key, whatever the planner thinks of a table.
BY_KEY: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
_TOO_LONG: Final = "PostgreSQL gave this look up because it took too long; nothing is wrong with what is stored:"
Result = TypeVar("Result")


class Snapshots:
    """Connections are made when they are first needed, at most ``connections``; more callers wait their turn.

    ``settings`` are PostgreSQL's for a session.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS, settings: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._settings = settings or {}
        self._turns = asyncio.Semaphore(connections)
        self._idle: deque[Connection] = deque()

    async def stop(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def read(self, function: Callable[[Session], Result]) -> Result:
        """Run a function over a snapshot. Who no longer waits for it leaves it to end: its connection is busy until then.

        Raises:
            Unavailable: the database is away, or it took too long.
        """
        return await asyncio.shield(asyncio.create_task(self._read(function)))

    async def _read(self, function: Callable[[Session], Result]) -> Result:
        async with self.snapshot() as connection:
            session = Session(connection, asyncio.get_running_loop())
            return await asyncio.to_thread(function, session)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection that sees one state of the store. A page and its total agree."""
        async with self._turns:
            connection = await self._connection()
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    yield connection
            except asyncpg.QueryCanceledError as error:
                raise Unavailable(f"{_TOO_LONG} {sentence(error)}", code="too_slow", retry_after_seconds=10) from None
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.OperatorInterventionError) as error:
                raise _away(error) from None
            finally:
                if not connection.is_closed():
                    self._idle.append(connection)

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await connect(self._url, reading=True, **self._settings)
        except StoreError as error:
            raise _away(error) from None


def _away(error: BaseException) -> Unavailable:
    return Unavailable(f"PostgreSQL cannot be read now: {sentence(error)}", code="store_down", retry_after_seconds=1)
