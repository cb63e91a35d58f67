"""The collector's end of the writer process: what waits for its commit, bounded in events, bytes and time; supervision.

What came in one turn of the event loop goes to the writer as one frame, whatever the writer is at: it takes all that has
arrived whenever it is free, so that nobody here has to guess how much makes a good commit.

The writer's death is a fault like any other: what it had not answered is answered 503 (a retry is safe, dedupe is the
store's), new requests are refused until the next writer has opened the file, and that one is started at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from tropa_collector.child import Channel, start_child
from tropa_collector.errors import Conflict, NotFound, StoreError, Unavailable
from tropa_collector.identity.policy import to_json
from tropa_collector.identity_rules import policy_of
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Operation, StoreState, Submission
from tropa_collector.store.sqlite.bodies import pack
from tropa_collector.store.sqlite.writing.options import WriterOptions
from tropa_collector.store.sqlite.writing.pace import Pace
from tropa_collector.store.sqlite.writing.submissions import encode_submission

logger = logging.getLogger("tropa.store")

SEND_BYTES = 50_000  # encoded: of so much it pays to send it before the turn of the loop is over
PACE_SHARE = 0.7  # of queue_seconds: a checkpoint may come in between
RESTART_SECONDS = 0.05
LONGEST_RESTART_SECONDS = 1.0
START_SECONDS = 30.0  # a long recovery or migration
_OVERLOADED = "More events are waiting for the disk than it takes in time. Send again."
_REOPENING = "The store is being opened again."


class Waiting(NamedTuple):
    """A submission without its content."""

    events: int
    size: int
    future: asyncio.Future[Sequence[int]]
    since: float


class SqliteLog:
    """``EventLog`` over a supervised writer process."""

    #: What is started: a test that breaks a promise on purpose puts its own module here.
    writer_module = "tropa_collector.store.sqlite.writing.writer"

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.data
        self._options = WriterOptions(
            retention_days=settings.retention_days,
            quarantine_days=settings.quarantine_days,
            quarantine_bytes=settings.quarantine_bytes,
            dedupe_days=settings.dedupe_days,
            policy=to_json(policy_of(settings)),
            searchable_traits=settings.searchable_traits,
        )
        self._queue_events = settings.queue_events
        self._pace = Pace(settings.queue_bytes, PACE_SHARE * settings.queue_seconds)
        self._busy_since = 0.0  # when the writer could begin with the frame that it is to answer next
        self._queue_seconds = settings.queue_seconds
        self._waiting: dict[int, Waiting] = {}  # by number
        self._unsent: list[bytes] = []  # encoded at once, while their values are warm
        self._unsent_bytes = 0
        self._events = 0
        self._bytes = 0
        self._number = 0
        self._state = StoreState(False, "starting", "The store is being opened.")
        self._channel: Channel | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = False
        self.restarts = 0
        self.commit_seconds = 0.0  # of the newest answered frame, queue included

    # -- what the stages see

    @property
    def state(self) -> StoreState:
        return self._state

    def refusal(self) -> Unavailable | None:
        """Why a submission made now would be refused, or None."""
        if not self._state.ready:
            return Unavailable(self._state.message, code=self._state.code, retry_after_seconds=1)
        if self._events >= self._queue_events or self._bytes >= self._pace.bytes or self._oldest_seconds() > self._queue_seconds:
            return Unavailable(_OVERLOADED, code="overloaded", retry_after_seconds=1)
        return None

    def gauges(self) -> dict[str, float]:
        return {
            "queue_events": self._events,
            "queue_bytes": self._bytes,
            "queue_bytes_allowed": self._pace.bytes,
            "queue_oldest_seconds": self._oldest_seconds(),
            "commit_seconds": self.commit_seconds,
            "writer_restarts": self.restarts,
        }

    async def operate(self, operation: Operation) -> Any:
        answer: Any = await self.commit(Submission(operation=operation))
        outcome, result = answer
        if outcome == "absent":
            raise NotFound(result)
        if outcome == "refused":
            raise Conflict(result)
        return result

    async def commit(self, submission: Submission) -> Sequence[int]:
        if (refused := self.refusal()) is not None:
            raise refused
        future = self._take(submission)
        del submission  # while its request waits, nothing holds it
        return await future

    def _take(self, submission: Submission) -> asyncio.Future[Sequence[int]]:
        self._number += 1
        encoded = encode_submission(self._number, submission)
        loop, now = asyncio.get_running_loop(), time.monotonic()
        waiting = Waiting(submission.events, submission.size, loop.create_future(), now)
        if not self._waiting:
            self._busy_since = now
        self._waiting[self._number] = waiting
        self._events += waiting.events
        self._bytes += waiting.size
        self._unsent.append(encoded)
        self._unsent_bytes += len(encoded)
        if self._unsent_bytes >= SEND_BYTES:
            self._send()
        elif len(self._unsent) == 1:
            loop.call_soon(self._send)
        return waiting.future

    # -- frames

    def _oldest_seconds(self) -> float:
        if self._waiting:
            return time.monotonic() - next(iter(self._waiting.values())).since
        return 0.0

    def _send(self) -> None:
        if self._unsent and self._channel is not None:  # without one, whoever waits is answered once the writer has ended
            self._channel.send(tuple(self._unsent))
            self._forget_unsent()

    def _forget_unsent(self) -> None:
        self._unsent, self._unsent_bytes = [], 0

    def _on_message(self, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == "acks":
            self._keep_pace(message[1])
            for number, flags in message[1]:
                self._settle(number, flags)
        elif kind == "nack":
            error = Unavailable(message[3], code=message[2], retry_after_seconds=2)
            self._set_state(StoreState(False, message[2], message[3]))
            for number in message[1]:
                self._settle(number, error)
        elif kind == "state":
            self._set_state(StoreState(True))

    def _keep_pace(self, answers: Sequence[tuple[int, Any]]) -> None:
        now, size = time.monotonic(), sum(self._waiting[number].size for number, _ in answers)
        if size:  # an operator's request says nothing of the disk
            self._pace.committed(size, now - self._busy_since)
        self._busy_since = now

    def _settle(self, number: int, result: Sequence[int] | Unavailable) -> None:
        events, size, future, since = self._waiting.pop(number)
        self._events -= events
        self._bytes -= size
        self.commit_seconds = time.monotonic() - since
        if future.done():
            return  # the request was cancelled; what it sent is on disk all the same
        if isinstance(result, Unavailable):
            future.set_exception(result)
        else:
            future.set_result(result)

    def _set_state(self, state: StoreState) -> None:
        if state.ready != self._state.ready and not self._stopping:
            level = logging.INFO if state.ready else logging.ERROR
            logger.log(level, "store %s", "ready" if state.ready else f"down: {state.message}")
        self._state = state

    # -- the process

    async def start(self) -> None:
        """Open the store.

        Raises:
            StoreError: the directory is in use, cannot be written, or holds a newer schema.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self._directory} cannot be made ({error.strerror}). Choose another --data.") from None
        process = await self._spawn()
        pack("{}")  # reads the dictionary now: the first request would wait 10 ms for it
        self._supervisor = asyncio.create_task(self._supervise(process), name="store supervisor")

    async def _spawn(self) -> asyncio.subprocess.Process:
        opened: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()

        def hear(message: tuple[Any, ...]) -> None:
            if opened.done():
                self._on_message(message)
            else:
                opened.set_result(message)

        def lose(lost: Channel) -> None:
            if not opened.done():
                opened.set_result(("failed", "The writer process ended while it opened the store."))
            self._on_channel_lost(lost)

        channel = Channel(hear, lose)
        options = json.dumps(asdict(self._options))
        process = await start_child(self.writer_module, str(self._directory), options, channel=channel)
        try:
            async with asyncio.timeout(START_SECONDS):
                hello = await opened
        except TimeoutError:
            process.kill()
            channel.close()
            raise StoreError(f"The store in {self._directory} did not open within {START_SECONDS:.0f} s.") from None
        if hello[0] != "hello":
            channel.close()
            await process.wait()
            raise StoreError(hello[1])
        self._channel = channel
        self._set_state(StoreState(True, facts={"schema": hello[1], "sqlite": hello[2], "writer_pid": process.pid}))
        return process

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        while True:
            code = await process.wait()
            self._lost_writer(code)
            if self._stopping:
                return
            reopened = await self._reopen()
            if reopened is None:
                return
            process = reopened
            self._end_if_late()

    def _end_if_late(self) -> None:
        """A writer that came up after the collector began to stop ends as soon as it sees its socket closed."""
        if self._stopping and self._channel is not None:
            self._channel.close()

    async def _reopen(self) -> asyncio.subprocess.Process | None:
        """Start writers until one opens the store; None when the collector stops first."""
        delay = RESTART_SECONDS
        while not self._stopping:
            await asyncio.sleep(delay)
            self.restarts += 1
            try:
                return await self._spawn()
            except (StoreError, OSError) as error:
                logger.error("the store does not open: %s", error)
            delay = min(2 * delay, LONGEST_RESTART_SECONDS)
        return None

    def _on_channel_lost(self, channel: Channel) -> None:
        """The writer hung up: nothing more is taken. What it owes is answered once its process has ended."""
        if channel is self._channel:
            self._channel = None
            if not self._stopping:
                self._set_state(StoreState(False, "store_down", _REOPENING))

    def _lost_writer(self, code: int) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if not self._stopping:
            logger.error("writer process ended with %s", code)
            self._set_state(StoreState(False, "store_down", _REOPENING))
        lost = Unavailable(_REOPENING, code="store_down", retry_after_seconds=1)
        self._forget_unsent()
        for number in list(self._waiting):
            self._settle(number, lost)

    async def stop(self, *, seconds: float) -> int:
        """Commit what waits, close the file, and say how many events were left unanswered (0 unless time ran out)."""
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:  # noqa: ASYNC110 - a bounded wait at start or stop
            await asyncio.sleep(0.005)
        left = self._events
        self._stopping = True
        if self._channel is not None:
            self._channel.close()
        if self._supervisor is not None:
            await asyncio.wait([self._supervisor], timeout=max(0.5, deadline - time.monotonic()))
        self._set_state(StoreState(False, "stopped", "The collector is stopping."))
        return left
