"""The worker's end of the topic: a consumer of the group, in a thread of its own.

Partitions come and go cooperatively: only those that move stop. Before one goes, its holder may finish what it has taken from it,
and its offset is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tropa_collector.errors import SettingsError
from tropa_collector.kafka.address import KafkaAddress

logger = logging.getLogger("tropa.kafka")

FETCHED_AHEAD_KBYTES: Final = 16_384
TROUBLE_SECONDS: Final = 1.0  # to find out whether the brokers are back
ASK_SECONDS: Final = 1.0  # one broker, for the ends of a partition
CLOSE_SECONDS: Final = 4.5  # to leave the group, ``on_revoked`` included
_T = TypeVar("_T")


class Taken(NamedTuple):
    """A record of the topic."""

    partition: int
    offset: int
    at_us: int  # when it was written, UTC microseconds
    value: bytes


class Holder(Protocol):
    """Who holds the partitions; called in the event loop."""

    async def on_assigned(self, partitions: Sequence[int]) -> None: ...

    async def on_revoked(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Finish what is in hand of them, soon, and say the offsets to commit."""
        ...

    async def on_lost(self, partitions: Sequence[int]) -> None:
        """They are another worker's already."""
        ...

    def on_not_committed(self) -> None: ...

    def on_trouble(self, message: str) -> None: ...


class Subscription:
    """Records of the topic, for as long as it is open. Open it in the event loop that awaits its methods."""

    def __init__(self, address: KafkaAddress, holder: Holder) -> None:
        self._address = address
        self._holder = holder
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._paused = False
        self._gone: set[int] = set()  # partitions that went during one call
        try:
            self._consumer = Consumer(self._config())
        except KafkaException as error:
            raise SettingsError(f"log: {error.args[0].str()}") from None
        self._closed = False
        Thread(target=self._serve, name="kafka consumer", daemon=True).start()
        self._consumer.subscribe([address.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def _config(self) -> dict[str, Any]:
        return {
            "client.id": "tropa-work",
            "session.timeout.ms": 10_000,
            "reconnect.backoff.max.ms": 1_000,
            "queued.max.messages.kbytes": FETCHED_AHEAD_KBYTES,
            "fetch.wait.max.ms": 100,
            **self._address.properties_of("consumer"),
            "bootstrap.servers": self._address.brokers,
            "group.id": self._address.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "partition.assignment.strategy": "cooperative-sticky",
            "error_cb": self._on_error,
            "on_commit": self._on_commit,
            "logger": logger,
        }

    async def _in_thread(self, function: Callable[..., _T], *arguments: Any) -> _T:
        answer: Future[_T] = Future()
        self._calls.put(partial(_answer, answer, function, *arguments))
        return await asyncio.wrap_future(answer)

    def _serve(self) -> None:
        """In the thread. It is a daemon, unlike an executor's: a consumer whose brokers are away may not come back from a call."""
        while not self._closed:
            self._calls.get()()

    async def take(self, records: int, seconds: float) -> list[Taken]:
        """Wait for something, then take what is there. It also keeps the worker in the group.

        Raises:
            KafkaException: the consumer cannot go on.
        """
        taken = []
        for message in await self._in_thread(self._consume, records, seconds):
            error = message.error()
            if error is None:
                taken.append(_taken(message))
            elif error.fatal():
                raise KafkaException(error)
            else:
                self._holder.on_trouble(error.str())
        return taken

    def _consume(self, records: int, seconds: float) -> list[Message]:
        """``consume`` with a time limit waits for all it was asked for; this waits for one and takes the others that are there."""
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        self._gone.clear()
        others = self._consumer.consume(records - 1, 0)
        return others if first.partition() in self._gone else [first, *others]  # it is the next owner's

    async def pause(self) -> None:
        """Take nothing more, and stay in the group."""
        self._paused = True
        await self._in_thread(lambda: self._consumer.pause(self._consumer.assignment()))

    async def resume(self) -> None:
        self._paused = False
        await self._in_thread(lambda: self._consumer.resume(self._consumer.assignment()))

    @property
    def paused(self) -> bool:
        return self._paused

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Have the brokers note how far the group has come; ``on_not_committed`` says when they did not."""
        if offsets:
            topic = self._address.topic
            positions = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
            self._consumer.commit(offsets=positions, asynchronous=True)

    async def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset behind the newest record of each partition that something was fetched from."""
        return await self._in_thread(self._ends, partitions)

    def _ends(self, partitions: Iterable[int]) -> dict[int, int]:
        found = {}
        for partition in partitions:
            marks = self._consumer.get_watermark_offsets(TopicPartition(self._address.topic, partition), cached=True)
            if marks is not None and marks[1] >= 0:
                found[partition] = marks[1]
        return found

    async def behind(self, nexts: Mapping[int, int | None]) -> int:
        """Records at or behind the next offset of each partition, or behind what its group committed; the brokers are asked.

        Raises:
            KafkaException: the leader of a partition does not answer.
        """
        return await self._in_thread(self._behind, nexts)

    def _behind(self, nexts: Mapping[int, int | None]) -> int:
        begun = [TopicPartition(self._address.topic, number, offset) for number, offset in nexts.items() if offset is not None]
        fresh = [TopicPartition(self._address.topic, number) for number, offset in nexts.items() if offset is None]
        records = 0
        for position in begun + (self._consumer.committed(fresh, timeout=ASK_SECONDS) if fresh else []):
            start, end = self._consumer.get_watermark_offsets(position, timeout=ASK_SECONDS)
            records += end - max(start, position.offset)
        return records

    async def trouble(self) -> str:
        """What is wrong with the topic or its brokers now; empty when nothing is."""
        return await self._in_thread(self._trouble)

    def _trouble(self) -> str:
        topic = self._address.topic
        try:
            found = self._consumer.list_topics(topic, TROUBLE_SECONDS).topics[topic]
        except KafkaException as error:
            return str(error.args[0].str())
        return str(found.error.str()) if found.error else ""

    async def close(self) -> None:
        """Leave the group; partitions are revoked first. Brokers that are away are not waited for."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._in_thread(self._close), CLOSE_SECONDS)

    def _close(self) -> None:
        self._consumer.close()
        self._closed = True

    # -- in the consumer's thread

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        if self._paused:
            consumer.pause(partitions)
        self._ask(self._holder.on_assigned(_numbers(partitions)))

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._gone.update(_numbers(partitions))
        self.commit(self._ask(self._holder.on_revoked(_numbers(partitions))))

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._gone.update(_numbers(partitions))
        self._ask(self._holder.on_lost(_numbers(partitions)))

    def _on_commit(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            logger.warning("offsets were not committed: %s", error.str())
            self._loop.call_soon_threadsafe(self._holder.on_not_committed)

    def _on_error(self, error: KafkaError) -> None:
        logger.warning("%s", error.str())
        if error.fatal() or error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._loop.call_soon_threadsafe(self._holder.on_trouble, error.str())

    def _ask(self, question: Coroutine[Any, Any, _T]) -> _T:
        """Let the event loop answer."""
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()


def _answer(answer: Future[_T], function: Callable[..., _T], *arguments: Any) -> None:
    if answer.set_running_or_notify_cancel():
        try:
            answer.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)


def _taken(message: Message) -> Taken:
    partition, offset, value = message.partition(), message.offset(), message.value()
    assert partition is not None
    assert offset is not None
    at_us = max(0, message.timestamp()[1]) * 1_000
    return Taken(partition, offset, at_us, value if isinstance(value, bytes) else b"")


def _numbers(partitions: Sequence[TopicPartition]) -> list[int]:
    return [one.partition for one in partitions]
