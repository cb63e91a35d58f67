"""What an erasure leaves in the file's pages goes too, once it is on disk."""

from __future__ import annotations

import sqlite3

from tropa_collector.store.operations.workplace import Workplace


def compact(place: Workplace) -> None:
    """Nothing inside the transaction: the work is ``rewrite``, after it."""


def truncate(connection: sqlite3.Connection) -> dict[str, bool]:
    """Empty the write-ahead log, which still holds the pages as they were; False when a reader did not let go of it in time."""
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:  # a full disk: what was asked is done, only its traces wait
        return {"log_truncated": False}
    return {"log_truncated": not busy}


def rewrite(connection: sqlite3.Connection) -> dict[str, bool]:
    """Write the whole file anew: pages keep copies of rows that were moved out of them by growth."""
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError:  # it needs as much free disk as the store has bytes
        return {"rewritten": False, **truncate(connection)}
    return {"rewritten": True, **truncate(connection)}
