"""``EventLog`` over PostgreSQL: a bounded queue, a few connections that each commit what waits, and their return after a loss.

A lost connection is a fault like any other: what it had taken is answered 503 (a retry is safe, dedupe is the store's; whether
the last commit took place is settled by the retry), new requests are refused until a connection is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from tropa_collector.errors import RequestError, StoreError, Unavailable
from tropa_collector.identity.policy import to_json
from tropa_collector.identity_rules import policy_of
from tropa_collector.settings import Settings
from tropa_collector.store.contacts.rules import KEEP
from tropa_collector.store.postgres.connect import Connection, connect, sentence
from tropa_collector.store.postgres.migrate import migrate
from tropa_collector.store.postgres.writing.identity import Resolution
from tropa_collector.store.postgres.writing.memory import Memory
from tropa_collector.store.postgres.writing.operations import operate
from tropa_collector.store.postgres.writing.retention import purge
from tropa_collector.store.postgres.writing.transaction import Transaction
from tropa_collector.store.postgres.writing.words import index_words
from tropa_collector.store.protocol import Operation, StoreState, Submission

logger = logging.getLogger("tropa.store")

WRITERS: Final = 2  # commits in flight: while one waits for the disk, the next is read and decided
BATCH_EVENTS: Final = 5_000
BATCH_BYTES: Final = 4_000_000
IDLE_SECONDS: Final = 1.0  # a connection that has nothing to do is asked whether it lives
PROBE_SECONDS: Final = 2.0
RECONNECT_SECONDS: Final = 0.05
LONGEST_RECONNECT_SECONDS: Final = 0.5
PURGE_SECONDS: Final = 60.0
_LOST: Final = "The connection to PostgreSQL was lost."


class Waiting(NamedTuple):
    """A submission whose sender has no answer yet."""

    submission: Submission
    size: int
    future: asyncio.Future[Sequence[int]]
    since: float


class PostgresLog:
    """Commits of one collector. Others may share the database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.store
        self._queue_events = settings.queue_events
        self._queue_bytes = settings.queue_bytes
        self._queue_seconds = settings.queue_seconds
        self._memory = Memory()
        self._policy = policy_of(settings)
        self._waiting: deque[Waiting] = deque()
        self._taken: dict[int, list[Waiting]] = {}  # by writer
        self._arrived = asyncio.Event()
        self._events = 0
        self._bytes = 0
        self._state = StoreState(False, "starting", "The store is being opened.")
        self._facts: dict[str, Any] = {}
        self._connected = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._stop = asyncio.Event()
        self._trouble = ""
        self.reconnects = 0
        self.commit_seconds = 0.0  # of the newest commit, queue included

    # -- what the stages see

    @property
    def state(self) -> StoreState:
        return self._state

    def refusal(self) -> Unavailable | None:
        """Why a submission made now would be refused, or None."""
        if not self._state.ready:
            return Unavailable(self._state.message, code=self._state.code, retry_after_seconds=1)
        if self._events >= self._queue_events or self._bytes >= self._queue_bytes or self._oldest_seconds() > self._queue_seconds:
            message = "More events are waiting for the database than it takes in time. Send again."
            return Unavailable(message, code="overloaded", retry_after_seconds=1)
        return None

    def gauges(self) -> dict[str, float]:
        return {
            "queue_events": self._events,
            "queue_bytes": self._bytes,
            "queue_oldest_seconds": self._oldest_seconds(),
            "commit_seconds": self.commit_seconds,
            "reconnects": self.reconnects,
        }

    async def commit(self, submission: Submission) -> Sequence[int]:
        if (refused := self.refusal()) is not None:
            raise refused
        size = submission.size
        future: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(submission, size, future, time.monotonic()))
        self._events += submission.events
        self._bytes += size
        self._arrived.set()
        return await future

    async def operate(self, operation: Operation) -> Any:
        if (refused := self.refusal()) is not None:
            raise refused
        earlier = [one.future for batch in (*self._taken.values(), self._waiting) for one in batch]
        if earlier:
            await asyncio.wait(earlier)  # what was sent before it is there to be operated on
        return await operate(self._url, operation, self._policy, self._settings.searchable_traits)

    def _oldest_seconds(self) -> float:
        oldest = [batch[0].since for batch in (*self._taken.values(), self._waiting) if batch]
        return time.monotonic() - min(oldest) if oldest else 0.0

    # -- the connections

    async def start(self) -> None:
        """Connect and bring the schema up to date.

        Raises:
            StoreError: the database cannot be reached or holds a newer schema.
        """
        connections = [await connect(self._url) for _ in range(WRITERS)]
        try:
            schema = await migrate(connections[0])
            await index_words(connections[0], frozenset(self._settings.searchable_traits))
            await connections[0].execute(KEEP.replace("?", "$1"), to_json(self._policy))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreError(f"The schema in PostgreSQL cannot be brought up to date: {sentence(error)}") from None
        version = connections[0].get_server_version()
        self._facts = {"schema": schema, "postgresql": f"{version.major}.{version.micro}"}
        self._tasks = [
            asyncio.create_task(self._write(number, connection), name=f"store writer {number}")
            for number, connection in enumerate(connections)
        ]
        self._tasks.append(asyncio.create_task(self._purge(), name="store retention"))
        self._connected = WRITERS
        self._set_state(StoreState(True, facts=self._facts))

    async def _write(self, number: int, connection: Connection | None) -> None:
        """Commit on one connection until the collector stops; make a new one whenever it is lost."""
        while connection is not None:
            try:
                await self._commit_what_waits(number, self._transaction(connection))
            except Exception as error:  # noqa: BLE001 - the writer loop: whatever it was, senders are answered and it goes on
                self._lost(number, error)
            connection.terminate()
            connection = None if self._stopping else await self._reconnect()

    def _transaction(self, connection: Connection) -> Transaction:
        memory = self._memory
        return Transaction(connection, memory, Resolution(connection, memory, self._policy, self._settings.searchable_traits))

    async def _commit_what_waits(self, number: int, transaction: Transaction) -> None:
        """Until the collector stops, or an error says that this connection is of no more use."""
        while not self._stopping:
            batch = self._take()
            if not batch:
                await self._wait(transaction)
                continue
            self._taken[number] = batch
            outcomes = await transaction.commit([one.submission for one in batch])
            for one, flags in zip(batch, outcomes, strict=True):
                self._settle(one, flags)
            self._taken[number] = []
            self._set_state(StoreState(True, facts=self._facts))

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        events = size = 0
        while self._waiting and events < BATCH_EVENTS and size < BATCH_BYTES:
            one = self._waiting.popleft()
            batch.append(one)
            events, size = events + one.submission.events, size + one.size
        return batch

    async def _wait(self, transaction: Transaction) -> None:
        self._arrived.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self._arrived.wait()
                return
        await transaction.probe(PROBE_SECONDS)

    def _settle(self, one: Waiting, result: Sequence[int] | RequestError) -> None:
        self._events -= one.submission.events
        self._bytes -= one.size
        self.commit_seconds = time.monotonic() - one.since
        if one.future.done():
            return  # the request was cancelled; what it sent is committed all the same
        if isinstance(result, RequestError):
            one.future.set_exception(result)
        else:
            one.future.set_result(result)

    def _lost(self, number: int, error: Exception) -> None:
        """Answer what this connection had taken; when it was the last one, all that waits."""
        self._connected -= 1
        logger.error("store connection lost: %s", sentence(error))
        unavailable = Unavailable(_LOST, code="store_down", retry_after_seconds=1)
        for one in self._taken.pop(number, []):
            self._settle(one, unavailable)
        if not self._connected and not self._stopping:
            self._set_state(StoreState(False, "store_down", _LOST))
            while self._waiting:
                self._settle(self._waiting.popleft(), unavailable)

    async def _reconnect(self) -> Connection | None:
        """A new connection, however long it takes; None when the collector stops first."""
        delay = RECONNECT_SECONDS
        while not self._stopping:
            await asyncio.sleep(delay)
            try:
                connection = await connect(self._url)
            except StoreError as error:
                self._say(str(error))
                delay = min(2 * delay, LONGEST_RECONNECT_SECONDS)
                continue
            self.reconnects += 1
            self._connected += 1
            self._trouble = ""
            self._set_state(StoreState(True, facts=self._facts))
            return connection
        return None

    async def _purge(self) -> None:
        """Now and then, on a connection of its own."""
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), PURGE_SECONDS)
                return
            try:
                connection = await connect(self._url)
            except StoreError:
                continue  # the writers have said so
            try:
                await purge(connection, self._settings)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.warning("purging waits for the next time: %s", sentence(error))
            finally:
                connection.terminate()

    def _say(self, trouble: str) -> None:
        """What keeps the store from opening: each trouble once, not at every try."""
        if trouble != self._trouble:
            logger.error("the store does not open: %s", trouble)
        self._trouble = trouble

    def _set_state(self, state: StoreState) -> None:
        if state.ready != self._state.ready and not self._stopping:
            level = logging.INFO if state.ready else logging.ERROR
            logger.log(level, "store %s", "ready" if state.ready else f"down: {state.message}")
        self._state = state

    async def stop(self, *, seconds: float) -> int:
        """Commit what waits, close, and say how many events were left unanswered (0 unless time ran out)."""
        deadline = time.monotonic() + seconds
        while self._events and time.monotonic() < deadline:  # noqa: ASYNC110 - a bounded wait at stop
            await asyncio.sleep(0.005)
        left = self._events
        self._stopping = True
        self._arrived.set()
        self._stop.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=max(0.5, deadline - time.monotonic()))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._set_state(StoreState(False, "stopped", "The collector is stopping."))
        return left
