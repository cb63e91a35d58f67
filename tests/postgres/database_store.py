"""A real database that calls are delivered to, as a collector does: what ``FileStore`` is for SQLite."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from loadtests.postgres_server import PostgresServer
from tests.contacts.file_store import record_of
from tests.identity.memory_store import MemoryStore

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Call, NextIds, Plan, Snapshot
from tropa_collector.store.postgres.connect import connect
from tropa_collector.store.postgres.migrate import migrate
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.postgres.writing.identity import Resolution
from tropa_collector.store.postgres.writing.memory import Memory
from tropa_collector.store.postgres.writing.transaction import Transaction
from tropa_collector.store.protocol import Submission

Result = TypeVar("Result")


class Loop:
    """An event loop in a thread: tests stay plain functions."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def wait(self, answer: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(answer, self.loop).result(60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class WaitingResolution:
    """``Resolution`` whose answers are waited for, each write in a transaction of its own."""

    def __init__(self, loop: Loop, resolution: Resolution) -> None:
        self._loop, self._resolution = loop, resolution

    @property
    def next_ids(self) -> NextIds:
        return self._loop.wait(self._resolution.next_ids())

    def load(self, contacts: Collection[int], *, merged: bool = False) -> Snapshot:
        return self._loop.wait(self._resolution.load(contacts, merged=merged))

    def write(self, plan: Plan) -> None:
        self._loop.wait(self._resolution.write(plan))

    def forget_rows(self) -> None:
        """Nothing is remembered that could be out of date."""


class WaitingTransaction:
    def __init__(self, loop: Loop, transaction: Transaction) -> None:
        self._loop, self._transaction = loop, transaction
        self.resolution = WaitingResolution(loop, transaction.resolution)

    def commit(self, submissions: Sequence[Submission]) -> list[bytes]:
        return self._loop.wait(self._transaction.commit(submissions))

    def _commit(self, submissions: Sequence[Submission]) -> list[bytes]:
        """Without a search for the row that is at fault."""
        return self._loop.wait(self._transaction._commit(submissions))


_CLIENTS_OWN = ("WITH RECURSIVE typeinfo_tree", "SELECT\n")
_TABLES = (
    "events, days, dedupe, quarantine, rollups, identifiers, contacts, cores, edges, cannot_link, traits, trait_words,"
    " identity_log, erasure_key, identity_policy"
)
_CLEAR = (
    f"TRUNCATE {_TABLES} RESTART IDENTITY; UPDATE counters SET value = 0; SELECT setval('event_ids', 1, false),"
    " setval('identifier_ids', 1, false), setval('contact_ids', 1, false), setval('log_ids', 1, false)"
)


class Databases:
    """Empty databases with the schema, emptied and used again: making one takes ten times as long."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._idle: list[str] = []

    def take(self) -> str:
        return self._idle.pop() if self._idle else self._server.new_database()

    def give_back(self, url: str) -> None:
        asyncio.run(self._clear(url))
        self._idle.append(url)

    async def _clear(self, url: str) -> None:
        connection = await connect(url)
        await migrate(connection)
        await connection.execute(_CLEAR)
        await connection.close()


class DatabaseStore:
    """A transaction over a real database, opened as a collector opens it."""

    def __init__(self, url: str, policy: Policy) -> None:
        self.url, self.policy = url, policy
        self._note: Callable[[Any], None] | None = None
        self.loop = Loop()
        self.open()

    def open(self) -> None:
        connection = self.loop.wait(connect(self.url))
        self.loop.wait(migrate(connection))
        self.raw = connection
        self.connection = Session(connection, self.loop.loop)
        memory = Memory()
        self.transaction = WaitingTransaction(
            self.loop, Transaction(connection, memory, Resolution(connection, memory, self.policy))
        )

    def reopen(self) -> None:
        """As after a kill: nothing but the database is left."""
        self.loop.wait(self.raw.close())
        self.open()

    def close(self) -> None:
        self.loop.wait(self.raw.close())
        self.loop.close()

    def count_as(self, memory: MemoryStore) -> None:
        memory.sequence = self.transaction.resolution.next_ids

    def deliver(self, calls: Iterable[Call]) -> list[int]:
        return list(self.commit(Submission([record_of(one) for one in calls]))[0])

    def commit(self, *submissions: Submission) -> list[bytes]:
        return self.transaction.commit(submissions)

    def commit_at_once(self, submission: Submission) -> None:
        """Without a look for what breaks it."""
        self.transaction._commit([submission])

    def refuse_events(self, *, refuse: bool) -> None:
        """Whether the log takes no events."""
        change = "ADD CONSTRAINT refuse CHECK (false) NOT VALID" if refuse else "DROP CONSTRAINT refuse"
        self.connection.execute(f"ALTER TABLE events {change}")

    def watch(self, note: Callable[[str], None] | None) -> None:
        """Tell of every statement but those by which the client learns a type, once a connection."""
        if self._note is not None:
            self.raw.remove_query_logger(self._note)
        self._note = None if note is None else _of_ours(note)
        if self._note is not None:
            self.raw.add_query_logger(self._note)

    def rows(self, sql: str) -> list[Any]:
        return self.connection.execute(sql).fetchall()


def _of_ours(note: Callable[[str], None]) -> Callable[[Any], None]:
    return lambda record: None if record.query.lstrip().startswith(_CLIENTS_OWN) else note(record.query)
