"""The erased identifiers in the writer's memory, and their key in a file beside the store."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from tropa_collector.store.operations.erased import MARK, ErasedKeys
from tropa_collector.store.sqlite.bodies import text_of

KEY_FILE: Final = "erasure.key"
_KEY_BYTES: Final = 32


def directory_of(connection: sqlite3.Connection) -> Path | None:
    """Where the store's file is; None for one in memory."""
    (file,) = (row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
    return Path(file).parent if file else None


def read_key(directory: Path | None) -> bytes | None:
    try:
        return (directory / KEY_FILE).read_bytes() if directory is not None else None
    except FileNotFoundError:
        return None


def make_key(directory: Path | None) -> bytes:
    """The key, made and synced the first time that it is needed."""
    key = read_key(directory)
    if key is not None or directory is None:
        return key or b"in memory"
    key = os.urandom(_KEY_BYTES)
    partial = directory / (KEY_FILE + ".partial")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / KEY_FILE)
    return key


class Erased(ErasedKeys):
    """Those of the embedded store, in its writer's memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection
        self.reload()

    @staticmethod
    def text_of(body: str | bytes) -> str:
        return text_of(body)

    def reload(self) -> None:
        """After an erasure."""
        rows = self._connection.execute("SELECT value FROM identifiers WHERE state = 3 AND value >= ?", (MARK,)).fetchall()
        hashes = {value for (value,) in rows if value.startswith(MARK)}
        self.replace(hashes, (read_key(directory_of(self._connection)) or b"in memory") if hashes else b"")
