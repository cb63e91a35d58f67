"""From the log into the store: take records, have the store commit what they hold, then commit their offsets.

Every record is on its way by itself: the store groups what waits and commits in the order it likes. A partition's offset follows
the oldest of its records that is not stored, so a worker that dies leaves records to be taken again and none out.

- **The store is down**: what is in hand is tried again until it is back; with full hands the partitions are paused, and the worker
  stays in the group.
- **A record that cannot be read** goes to quarantine with its bytes. It does not hold up its partition.
- **A partition goes to another worker**: what is in hand of it is stored first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaException

from tropa_collector.errors import Unavailable
from tropa_collector.kafka.address import KafkaAddress
from tropa_collector.kafka.hand import Hand
from tropa_collector.kafka.recall import Recall
from tropa_collector.kafka.record import Unreadable, decode
from tropa_collector.kafka.storing import Storing
from tropa_collector.kafka.subscription import Subscription, Taken
from tropa_collector.metrics import Counters
from tropa_collector.store.protocol import EventLog, EventReader, Operation, Quarantined, StoreState, Submission

logger = logging.getLogger("tropa.kafka")

TAKE_RECORDS: Final = 100
TAKE_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 1.0  # with full hands, before the partitions are paused
REVOKE_SECONDS: Final = 3.0  # for what is in hand of partitions that go
NOTE_SECONDS: Final = 0.5  # between two commits of offsets: what a worker that dies leaves to be taken again
REOPEN_SECONDS: Final = 1.0


class Worker:
    """One of the group. To the admin API it is the store's ``EventLog``, with what it knows of the log beside it."""

    def __init__(
        self, address: KafkaAddress, store: EventLog, reader: EventReader, counters: Counters, *, hand: type[Hand] = Hand
    ) -> None:
        self._address = address
        self._store = store
        self._recall = Recall(reader)
        self._storing = Storing(store, counters, self._recall)
        self._hand = hand(self._storing)
        self._subscription: Subscription | None = None
        self._stopping = asyncio.Event()
        self._joined = False
        self._trouble = ""
        self._noted_at = 0.0
        self._lag_records = 0
        self._unreadable_records = 0

    # -- what the admin API sees

    @property
    def state(self) -> StoreState:
        if self._trouble:
            return StoreState(False, "log_down", self._trouble)
        if not self._joined:
            return StoreState(False, "starting", "The worker has not joined its group yet.")
        return self._store.state

    def refusal(self) -> Unavailable | None:
        return self._store.refusal()

    def gauges(self) -> dict[str, float]:
        return {
            **self._store.gauges(),
            "log_lag_records": self._lag_records,
            "log_partitions": len(self._hand.partitions),
            "log_paused": float(self._subscription is not None and self._subscription.paused),
            "in_hand_events": self._hand.events,
            "in_hand_records": self._hand.records,
            "retries": self._storing.retries,
            "unreadable_records": self._unreadable_records,
        }

    async def operate(self, operation: Operation) -> Any:
        return await self._store.operate(operation)

    async def commit(self, submission: Submission) -> Sequence[int]:
        """For the admin API's own events, replayed ones for instance: they do not go through the log."""
        return await self._store.commit(submission)

    # -- the loop

    async def run(self) -> None:
        """Take records until ``stop``.

        Raises:
            SettingsError: librdkafka does not know one of the address's properties.
        """
        while not self._stopping.is_set():
            subscription = self._subscription = Subscription(self._address, self)
            try:
                await self._work(subscription)
            except KafkaException as error:
                self.on_trouble(error.args[0].str())
            finally:
                await subscription.close()
                self._hand.put_down(self._hand.partitions)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), REOPEN_SECONDS)

    def stop(self) -> None:
        """Take nothing more; ``run`` ends once what is in hand is stored, or ``REVOKE_SECONDS`` are over."""
        self._stopping.set()

    @property
    def left(self) -> int:
        """Events in hand."""
        return self._hand.events

    async def _work(self, subscription: Subscription) -> None:
        while not self._stopping.is_set():
            await self._make_room(subscription)
            taken = await subscription.take(TAKE_RECORDS, TAKE_SECONDS)
            if unseen := self._hand.unseen({record.partition for record in taken}):
                self._hand.ended_at(await subscription.ends(unseen))
            for record in taken:
                self._hand.begin(record.partition, record.offset, self._read(record))
            if time.monotonic() - self._noted_at > NOTE_SECONDS:
                await self._note(subscription)

    async def _make_room(self, subscription: Subscription) -> None:
        """Wait for the store while hands are full; if it takes long, with the partitions paused until they are half empty."""
        if not subscription.paused:
            await self._hand.wait_for_room(PATIENCE_SECONDS)
        if self._hand.is_full and not subscription.paused:
            logger.info("hands are full: partitions are paused")
            await subscription.pause()
        elif subscription.paused and self._hand.is_half_empty:
            await subscription.resume()

    def _read(self, record: Taken) -> Submission:
        try:
            return decode(record.value)
        except Unreadable as error:
            where = f"{self._address.topic}/{record.partition}/{record.offset}"
            logger.error("record %s cannot be read: %s", where, error)
            self._unreadable_records += 1
            said = f"Record {where} cannot be read. {error}"
            bad = Quarantined("log", record.at_us, "", "", "unreadable_record", "$", said, where, record.value, "{}")
            return Submission((), [bad])

    async def _note(self, subscription: Subscription) -> None:
        """Commit offsets, and look how far behind the worker is."""
        self._noted_at = time.monotonic()
        partitions = self._hand.partitions
        subscription.commit(self._hand.to_commit(partitions))
        self._lag_records = await self._behind(subscription, partitions)
        if self._trouble:
            self._trouble = await subscription.trouble()

    async def _behind(self, subscription: Subscription, partitions: Sequence[int]) -> int:
        """What was fetched says it for nothing, but not of a partition whose leader changed: "none" is asked of the brokers."""
        known = self._hand.behind(await subscription.ends(partitions))
        if known:
            return known
        try:
            return await subscription.behind(self._hand.nexts())
        except KafkaException as error:
            logger.debug("how far behind the worker is was not found out: %s", error)
            return self._lag_records

    # -- what the subscription tells

    async def on_assigned(self, partitions: Sequence[int]) -> None:
        self._joined = True
        self._recall.forget()
        self._hand.take_up(partitions)
        logger.info("has partitions %s", ", ".join(map(str, self._hand.partitions)) or "none")

    async def on_revoked(self, partitions: Sequence[int]) -> Mapping[int, int]:
        await self._hand.finish(partitions, seconds=REVOKE_SECONDS)
        offsets = self._hand.to_commit(partitions)
        self._hand.put_down(partitions)
        return offsets

    async def on_lost(self, partitions: Sequence[int]) -> None:
        self._hand.put_down(partitions)

    def on_not_committed(self) -> None:
        self._hand.not_committed()

    def on_trouble(self, message: str) -> None:
        if not self._trouble:
            logger.error("log down: %s", message)
        self._trouble = message
