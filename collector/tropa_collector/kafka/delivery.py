"""An idempotent producer with a thread of its own that waits for delivery reports and brings them to the event loop.

librdkafka calls back for each record in the thread that polls. A call into the loop for each would cost more than the record, so
reports are written down and the loop is called once for all that are there when it comes to look.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from tropa_collector.errors import SettingsError
from tropa_collector.kafka.record import Encoded

logger = logging.getLogger("tropa.kafka")

_POLL_SECONDS: Final = 0.1
_PURGE_SECONDS: Final = 1.0

Done = Callable[[KafkaError | None], None]


class Deliveries:
    """``send`` records; ``done`` is called in the event loop once all of them are reported, with an error unless all arrived."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        on_trouble: Callable[[KafkaError], None],
        producer: Callable[[dict[str, Any]], Producer] = Producer,
    ) -> None:
        self._config = {**config, "error_cb": self._on_error, "logger": logger}
        self._on_trouble = on_trouble
        self._make_producer = producer
        self._loop = asyncio.get_running_loop()
        self._producer = self._new_producer()
        self._poller = threading.Thread(target=self._poll, name="kafka delivery reports", daemon=True)
        self._reports: deque[tuple[_Delivery, KafkaError | None]] = deque()
        self._loop_called = False
        self._broken = False
        self._closing = False
        self.restarts = 0
        self._poller.start()

    def _new_producer(self) -> Producer:
        try:
            return self._make_producer(self._config)
        except KafkaException as error:
            raise SettingsError(f"log: {error.args[0].str()}") from None

    def send(self, topic: str, records: Sequence[Encoded], done: Done) -> None:
        """Hand records to the producer.

        Raises:
            BufferError, KafkaException: it took some or none of them, and ``done`` is not called.
        """
        delivery = _Delivery(self, len(records), done)
        for key, value in records:
            self._producer.produce(topic, value, key, on_delivery=delivery)

    # -- in the poller's thread

    def _poll(self) -> None:
        while not self._closing:
            self._producer.poll(_POLL_SECONDS)
            if self._broken:
                self._replace()
        self._abandon()

    def _replace(self) -> None:
        """After a fatal error a producer takes nothing more: its records are reported undelivered, and another one begins."""
        self._abandon()
        self._producer = self._new_producer()
        self._broken = False
        self.restarts += 1

    def _abandon(self) -> None:
        self._producer.purge()
        self._producer.flush(_PURGE_SECONDS)

    def _on_error(self, error: KafkaError) -> None:
        logger.warning("%s", error.str())
        self._broken = self._broken or error.fatal()
        if error.fatal() or error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._loop.call_soon_threadsafe(self._on_trouble, error)

    def report(self, delivery: _Delivery, error: KafkaError | None) -> None:
        self._reports.append((delivery, error))
        if not self._loop_called:
            self._loop_called = True
            self._loop.call_soon_threadsafe(self._read_reports)

    # -- in the event loop

    def _read_reports(self) -> None:
        self._loop_called = False  # first: whatever is reported from here on calls again
        while self._reports:
            delivery, error = self._reports.popleft()
            delivery.reported(error)

    async def stop(self) -> None:
        """Report what has not been delivered as undelivered, and end the thread."""
        self._closing = True
        await asyncio.to_thread(self._poller.join)
        self._read_reports()


class _Delivery:
    """The records of one call of ``send``; librdkafka calls it for each."""

    __slots__ = ("_deliveries", "_done", "_error", "_waiting")

    def __init__(self, deliveries: Deliveries, records: int, done: Done) -> None:
        self._deliveries = deliveries
        self._waiting = records
        self._done = done
        self._error: KafkaError | None = None

    def __call__(self, error: KafkaError | None, _: object) -> None:
        self._deliveries.report(self, error)

    def reported(self, error: KafkaError | None) -> None:
        self._waiting -= 1
        self._error = error or self._error
        if not self._waiting:
            self._done(self._error)
