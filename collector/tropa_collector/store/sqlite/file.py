"""The store's file: what it is called, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tropa_collector.store.sqlite.bodies import readable

FILE_NAME = "tropa.sqlite3"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class RemovedError(sqlite3.OperationalError):
    """The file under the connection is no longer the one that its path names."""


class Place:
    """The store's file and its log as they were opened. One that is removed still takes commits, and ends with its process."""

    def __init__(self, path: Path) -> None:
        self._paths = (path, path.with_name(f"{path.name}-wal"))
        self._opened = self._named()

    def expect_unchanged(self) -> None:
        """Once before each commit: it costs two microseconds.

        Raises:
            RemovedError: one of them was removed, moved or replaced.
        """
        if self._named() != self._opened:
            raise RemovedError(
                "The store's file, or its log, was removed or replaced under the running collector. Put it back, or save a copy of"
                " what `lsof +L1` still shows of it; then stop the collector and start it over the copy."
            )

    def _named(self) -> list[tuple[int, int]]:
        return [_number(path) for path in self._paths]


def _number(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def is_damage(error: Exception) -> bool:
    """Does SQLite say that the file is not what it wrote?"""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def connect(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """The writing connection. Checkpoints are run by hand, after the answers are out."""
    make_private(path)
    connection = readable(sqlite3.connect(path, isolation_level=None, cached_statements=256, detect_types=sqlite3.PARSE_DECLTYPES))
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten: retention and erasure mean it
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA cache_size = -16000")
    connection.execute("PRAGMA journal_size_limit = 268435456")  # cutting the log and growing it again costs 30 ms a time
    return connection


def make_private(path: Path) -> None:
    """An empty file that nobody but its owner reads, where there is none. SQLite gives its log the same mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def open_reading(file: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection that never writes."""
    uri = f"{file.absolute().as_uri()}?mode=ro"
    return readable(
        sqlite3.connect(uri, uri=True, isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES, check_same_thread=not any_thread)
    )


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of the store and never writes."""
    with closing(open_reading(file)) as connection:
        connection.execute("BEGIN")
        yield connection
