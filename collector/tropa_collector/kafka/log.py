"""The collector's end of the topic: a submission is durable once the brokers have reported its delivery.

The producer is idempotent and waits for all replicas in sync. A report that says anything but delivered, a time-out above all,
leaves it unknown whether the brokers have the record: the request is answered 503, and when a retry brings the events again, the
worker that stores them recognises them.

Whether a record can be delivered is found out by delivering one: an empty submission at the start, while something is wrong, and
when there was nothing to deliver for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from tropa_collector.errors import Conflict, Unavailable
from tropa_collector.kafka.address import kafka_address
from tropa_collector.kafka.delivery import Deliveries
from tropa_collector.kafka.record import encode
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Operation, Outcome, StoreState, Submission

logger = logging.getLogger("tropa.kafka")

RECORD_OVERHEAD_BYTES: Final = 1_024  # key and framing, on top of a value of ``kafka_record_bytes``
RETRY_SECONDS: Final = 0.5  # between two trials while the log is down
QUIET_SECONDS: Final = 10.0  # without a delivery, after which one is tried
_NO_TOPIC: Final = frozenset((KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION))
_OVERLOADED: Final = "More events are waiting for the log than it takes in time. Send again."


class _Waiting(NamedTuple):
    events: int
    size: int
    since: float
    answer: asyncio.Future[None]


class KafkaLog:
    """``EventLog`` over a topic. Whether an event is new is the worker's to say: here it is stored once the log has it."""

    def __init__(self, settings: Settings) -> None:
        assert settings.log is not None
        self._settings = settings
        self._address = kafka_address(settings.log)
        self._deliveries: Deliveries | None = None
        self._trials: asyncio.Task[None] | None = None
        self._trouble = asyncio.Event()
        self._state = StoreState(False, "starting", "The log has not taken a record yet.")
        self._events = 0
        self._bytes = 0
        self._delivered_at = 0.0
        self._delivery_seconds = 0.0  # of the newest delivered record
        self._failures = 0

    # -- what the stages see

    @property
    def state(self) -> StoreState:
        return self._state

    def refusal(self) -> Unavailable | None:
        if not self._state.ready:
            return Unavailable(self._state.message, code=self._state.code, retry_after_seconds=1)
        if self._events >= self._settings.queue_events or self._bytes >= self._settings.queue_bytes:
            return Unavailable(_OVERLOADED, code="overloaded", retry_after_seconds=1)
        return None

    def gauges(self) -> dict[str, float]:
        return {
            "queue_events": self._events,
            "queue_bytes": self._bytes,
            "commit_seconds": self._delivery_seconds,
            "delivery_failures": self._failures,
            "producer_restarts": self._deliveries.restarts if self._deliveries else 0,
        }

    async def operate(self, operation: Operation) -> Any:
        raise Conflict(f"This collector keeps nothing that {operation.name!r} could change. Ask the admin API of a worker.")

    async def commit(self, submission: Submission) -> Sequence[int]:
        if (refused := self.refusal()) is not None:
            raise refused
        records, delivered = len(submission.records), self._send(submission)
        del submission  # the producer has its bytes; nothing of it need wait for the report
        await delivered
        return bytes([Outcome.STORED]) * records

    def _send(self, submission: Submission) -> asyncio.Future[None]:
        """Hand a submission to the producer.

        Raises:
            PayloadTooLarge: one of its events fits no record.
            Unavailable: the producer takes no more.
        """
        assert self._deliveries is not None
        records = list(encode(submission, max_bytes=self._settings.kafka_record_bytes))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(submission.events, sum(len(one.value) for one in records), time.monotonic(), answer)
        try:
            self._deliveries.send(self._address.topic, records, partial(self._settle, waiting))
        except BufferError:
            raise Unavailable(_OVERLOADED, code="overloaded", retry_after_seconds=1) from None
        except KafkaException as error:
            self._fail(error.args[0])
            raise self._refused() from None
        self._events += waiting.events
        self._bytes += waiting.size
        return answer

    def _settle(self, waiting: _Waiting, error: KafkaError | None) -> None:
        self._events -= waiting.events
        self._bytes -= waiting.size
        if error is None:
            self._delivered_at = time.monotonic()
            self._delivery_seconds = self._delivered_at - waiting.since
            self._set_state(StoreState(True, facts={"log": str(self._address)}))
        else:
            self._fail(error)
        if waiting.answer.done():
            return  # the request was cancelled; what it sent is in the log all the same
        if error is None:
            waiting.answer.set_result(None)
        else:
            waiting.answer.set_exception(self._refused())

    # -- can it take a record?

    def _fail(self, error: KafkaError) -> None:
        self._failures += 1
        self._set_state(StoreState(False, "log_down", self._said(error)))
        self._trouble.set()

    def _said(self, error: KafkaError) -> str:
        if error.code() in _NO_TOPIC:
            return f"The log has no topic {self._address.topic!r}. Create it; the collector goes on by itself."
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return "The topic's max.message.bytes is smaller than kafka_record_bytes. Raise the one or lower the other."
        return f"The log did not confirm in time that it has the events ({error.str()}). Send again."

    def _refused(self) -> Unavailable:
        return Unavailable(self._state.message, code=self._state.code, retry_after_seconds=1)

    def _set_state(self, state: StoreState) -> None:
        if self._state.code == "stopped":
            return
        if state.ready != self._state.ready:
            level = logging.INFO if state.ready else logging.ERROR
            logger.log(level, "log %s", "ready" if state.ready else f"down: {state.message}")
        self._state = state

    async def _try(self) -> None:
        """Deliver an empty submission; the report sets the state."""
        with contextlib.suppress(Unavailable):
            await self._send(Submission())

    async def _keep_trying(self) -> None:
        while True:
            if self._state.ready:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._trouble.wait(), QUIET_SECONDS)
            else:
                await asyncio.sleep(RETRY_SECONDS)
            self._trouble.clear()
            if not self._state.ready or time.monotonic() - self._delivered_at > QUIET_SECONDS:
                await self._try()

    # -- start and stop

    async def start(self) -> None:
        """Connect, and wait for the first report; with brokers that are down the collector starts and is not ready.

        Raises:
            SettingsError: librdkafka does not know one of the address's properties.
        """
        self._deliveries = Deliveries(self._producer_config(), on_trouble=self._fail)
        await self._try()
        self._trials = asyncio.create_task(self._keep_trying(), name="log trials")

    def _producer_config(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "client.id": "tropa-serve",
            "linger.ms": 2,
            "compression.type": "lz4",
            "reconnect.backoff.max.ms": 1_000,
            "topic.metadata.propagation.max.ms": 1_000,  # then a topic that is not there is called so
            **self._address.properties_of("producer"),
            "bootstrap.servers": self._address.brokers,
            "enable.idempotence": True,
            "acks": "all",
            "message.timeout.ms": int(settings.kafka_delivery_seconds * 1_000),
            "message.max.bytes": settings.kafka_record_bytes + RECORD_OVERHEAD_BYTES,
            "queue.buffering.max.messages": 0,  # what waits is bounded above, in events and bytes
            "queue.buffering.max.kbytes": 2 * settings.queue_bytes // 1_024,
        }

    async def stop(self, *, seconds: float) -> int:
        """Wait for the reports that are due, and say how many events were left without one (0 unless time ran out)."""
        deadline = time.monotonic() + seconds
        while self._events and time.monotonic() < deadline:  # noqa: ASYNC110 - a bounded wait at the stop
            await asyncio.sleep(0.005)
        left = self._events
        self._state = StoreState(False, "stopped", "The collector is stopping.")
        if self._trials is not None:
            self._trials.cancel()
        if self._deliveries is not None:
            await self._deliveries.stop()
        return left
