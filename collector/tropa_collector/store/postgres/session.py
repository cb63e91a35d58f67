"""A connection that code in a worker thread asks as it asks SQLite: ``?`` marks, plain rows, one statement a call.

Reading and operations are rare beside commits: a hop to the event loop for each statement is cheaper than all of them twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, TypeVar

from tropa_collector.store.postgres.connect import Connection

Result = TypeVar("Result")
_MARK = re.compile(r"'[^']*'|\?(\d*)")


@lru_cache(maxsize=500)
def numbered(sql: str) -> str:
    """``?`` and ``?2`` as PostgreSQL writes them: ``$1``, ``$2``. What stands between quotes stays."""
    places = count(1)
    return _MARK.sub(lambda mark: mark[0] if mark[0][0] == "'" else f"${mark[1] or next(places)}", sql)


def storable(value: Any) -> Any:
    """The value without what no text column takes: neither what is stored, nor what is looked for, can hold it."""
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd") if isinstance(value, str) else value


class Rows:
    """The answer to one statement."""

    def __init__(self, rows: Sequence[Any], rowcount: int = -1) -> None:
        self._rows = rows
        self._next = iter(rows)
        self.rowcount = rowcount if rowcount >= 0 else len(rows)

    def __iter__(self) -> Iterator[Any]:
        return self._next

    def fetchone(self) -> Any:
        return next(self._next, None)

    def fetchall(self) -> list[Any]:
        return list(self._next)


class Session:
    """One connection inside a transaction, and the loop that it lives on."""

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop

    def wait(self, answer: Coroutine[Any, Any, Result]) -> Result:
        """From a worker thread: let the loop do it."""
        return asyncio.run_coroutine_threadsafe(answer, self._loop).result()

    def execute(self, sql: str, values: Any = (), /) -> Rows:
        return self.wait(self._execute(numbered(sql), values))

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Rows:
        self.wait(self._connection.executemany(numbered(sql), list(rows)))
        return Rows(())

    async def _execute(self, sql: str, values: Sequence[Any]) -> Rows:
        statement = await self._connection.prepare(sql)
        rows = [tuple(row) for row in await statement.fetch(*map(storable, values))]
        number = str(statement.get_statusmsg()).rpartition(" ")[2]
        return Rows(rows, int(number) if number.isdigit() else -1)
