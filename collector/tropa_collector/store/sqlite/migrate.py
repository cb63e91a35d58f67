"""Numbered SQL files, each applied in one transaction together with its record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tropa_collector.errors import StoreError


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of every migration that this version ships, in order."""
    folder = Path(__file__).with_name("migrations")  # importlib.resources would cost the writer 0.7 MiB
    return sorted((int(file.name[:4]), file.name, file.read_text("utf-8")) for file in folder.glob("*.sql"))


def statements(script: str) -> Iterator[str]:
    """Split a script where SQLite says that a statement is complete (triggers hold semicolons)."""
    waiting = ""
    for line in script.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""
    if waiting.strip():
        raise StoreError(f"A migration ends in the middle of a statement: {waiting.strip()[:80]!r}")


def migrate(connection: sqlite3.Connection) -> int:
    """Bring the schema up to date and return its number.

    Raises:
        StoreError: the file was written by a newer version.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)"
    )
    (current,) = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
    available = migrations()
    newest = available[-1][0]
    if current > newest:
        raise StoreError(f"The store has schema {current}, this version knows {newest}: install the newer version again.")
    for number, name, script in available:
        if number <= current:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(script):
                connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?, ?, datetime('now'))", (number, name))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return newest
