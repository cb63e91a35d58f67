"""A real file that calls are delivered to, as the writer does."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.identity.memory_store import MemoryStore

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Call
from tropa_collector.store.protocol import Record, Submission
from tropa_collector.store.sqlite.file import connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing.identity import Resolution
from tropa_collector.store.sqlite.writing.submissions import received
from tropa_collector.store.sqlite.writing.transaction import Transaction

NOW = 100_000_000  # so early that no claim of the streams is clamped


def record_of(one: Call, *, received_at: int = NOW, name: str = "Seen", body: str = "{}") -> Record:
    packed = [(ident.key, ident.trust, ident.rank, ident.no_merge) for ident in one.identifiers]
    identity = (packed, one.traits, one.previous) if packed else None
    return Record(one.source, one.trust, "track", name, one.event_id, received_at, one.ts, one.ts, body, identity)


def unpackable(size: int) -> str:
    """A body of so many bytes even when it is packed: of base64 zstd makes three quarters at best."""
    return base64.b64encode(os.urandom(size)).decode()


class FileStore:
    """A transaction over a real file, opened as the writer opens it."""

    def __init__(self, path: Path, policy: Policy) -> None:
        self.path, self.policy = path, policy
        self.open()

    def open(self) -> None:
        self.connection = connect(self.path, synchronous="OFF")
        migrate(self.connection)
        self.transaction = Transaction(self.connection)
        self.transaction.resolution = Resolution(self.connection, self.policy)

    def reopen(self) -> None:
        """As after a kill: nothing but the file is left."""
        self.connection.close()
        self.open()

    def close(self) -> None:
        self.connection.close()

    def count_as(self, memory: MemoryStore) -> None:
        """A writer that starts gives out again the ids that were made and forgotten within an event: nobody has seen them."""
        memory.sequence = self.transaction.resolution.next_ids

    def deliver(self, calls: Iterable[Call]) -> list[int]:
        return list(self.commit(Submission([record_of(one) for one in calls]))[0])

    def commit(self, *submissions: Submission) -> list[bytes]:
        return self.transaction.commit([received(one) for one in submissions])

    def commit_at_once(self, submission: Submission) -> None:
        """Without a look for what breaks it."""
        self.transaction._commit([received(submission)])

    def refuse_events(self, *, refuse: bool) -> None:
        """Whether the log takes no events."""
        fail = "BEGIN SELECT RAISE(FAIL, 'disk I/O error'); END"
        self.connection.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON events {fail}" if refuse else "DROP TRIGGER refuse")

    def watch(self, note: Callable[[str], None] | None) -> None:
        """Tell of every statement."""
        self.connection.set_trace_callback(note)

    def rows(self, sql: str) -> list[Any]:
        return self.connection.execute(sql).fetchall()
