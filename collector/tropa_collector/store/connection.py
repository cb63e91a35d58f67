"""The seam under SQL that both stores speak: standard statements with ``?`` marks over whatever answers them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol


class Answer(Protocol):
    """Rows of one statement."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A database inside a transaction, asked from one thread: SQLite's own connection, or ``postgres.session.Session``."""

    def execute(self, sql: str, values: Any = ..., /) -> Answer: ...

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Answer: ...


def number(connection: Connection, sql: str, *values: Any) -> int:
    """The first column of the first row."""
    return int(connection.execute(sql, values).fetchone()[0])


def number_or_none(connection: Connection, sql: str, *values: Any) -> int | None:
    """The same, and None without a row."""
    row = connection.execute(sql, values).fetchone()
    return None if row is None else int(row[0])
