"""The worker between a real topic and a store in memory: nothing skipped, nothing twice, whatever the store or the group does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from loadtests.kafka_cluster import KafkaCluster
from loadtests.kafka_offsets_first import HastyHand
from tests.kafka.records import bad, record, submission, url

from tropa_collector.errors import Unavailable
from tropa_collector.kafka.address import kafka_address
from tropa_collector.kafka.hand import FULL_EVENTS, Hand
from tropa_collector.kafka.offsets import Offsets
from tropa_collector.kafka.recall import Recall
from tropa_collector.kafka.record import encode
from tropa_collector.kafka.storing import Storing
from tropa_collector.kafka.subscription import Subscription
from tropa_collector.kafka.worker import NOTE_SECONDS, Worker
from tropa_collector.metrics import Counters
from tropa_collector.store.memory import MemoryStore
from tropa_collector.store.protocol import Outcome, Submission

DOWN = Unavailable("The disk is gone.", code="store_down", retry_after_seconds=1)


class Working:
    """A worker and what it works with."""

    def __init__(self, address: str, store: MemoryStore, hand: type[Hand] = Hand) -> None:
        self.store = store
        self.counters = Counters()
        self.worker = Worker(kafka_address(address), store, store, self.counters, hand=hand)
        self.task = asyncio.create_task(self.worker.run())

    def figure(self, name: str) -> float:
        return self.worker.gauges()[name]

    def outcome(self, name: str) -> int:
        return self.counters.outcomes["web", name]

    async def joined(self) -> None:
        await until(lambda: self.worker.state.ready)

    async def stop(self) -> None:
        self.worker.stop()
        await self.task


@asynccontextmanager
async def working(address: str, store: MemoryStore) -> AsyncIterator[Working]:
    one = Working(address, store)
    try:
        yield one
    finally:
        await one.stop()


async def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def produce(kafka: KafkaCluster, topic: str, values: Iterable[bytes | Submission], *, partition: int = -1) -> None:
    producer = Producer({"bootstrap.servers": kafka.brokers, "acks": "all"})
    for value in values:
        content = value if isinstance(value, bytes) else next(encode(value, max_bytes=1_000_000)).value
        producer.produce(topic, content, partition=partition)
    assert producer.flush(20) == 0


def forget_offsets(kafka: KafkaCluster, group: str) -> None:
    """As if the group's last worker had died before it committed any."""
    offsets = [TopicPartition(group, number, 0) for number in range(4)]
    asked = ConsumerGroupTopicPartitions(group, offsets)
    admin = kafka.admin()
    admin.alter_consumer_group_offsets([asked])[group].result(20)


def message_ids(store: MemoryStore) -> list[str]:
    return sorted(record.message_id for record in store.records)


def names(prefix: str, number: int) -> list[str]:
    return sorted(f"{prefix}{one}-0" for one in range(number))


def test_everything_is_stored_and_offsets_follow(kafka: KafkaCluster, topic: str) -> None:
    produce(kafka, topic, [submission(f"a{number}") for number in range(500)])

    async def story() -> None:
        first, second = MemoryStore(), MemoryStore()
        async with working(url(kafka, topic), first) as one:
            await until(lambda: len(first.records) == 500)
            await until(lambda: one.figure("in_hand_events") == 0)
            assert message_ids(first) == names("a", 500)
        produce(kafka, topic, [submission(f"b{number}") for number in range(20)])
        async with working(url(kafka, topic), second) as two:
            await until(lambda: len(second.records) >= 20)
            assert message_ids(second) == names("b", 20), "what the first had stored is not taken again"
            await until(lambda: two.figure("log_lag_records") == 0)

    asyncio.run(story())


def test_the_brokers_are_asked_how_much_is_left(kafka: KafkaCluster, topic: str) -> None:
    produce(kafka, topic, [submission(f"a{number}") for number in range(20)], partition=1)

    async def story() -> None:
        address, store = kafka_address(url(kafka, topic)), MemoryStore()
        subscription = Subscription(address, Worker(address, store, store, Counters()))
        try:
            assert await subscription.behind(dict.fromkeys(range(4))) == 20, "of partitions that gave nothing"
            assert await subscription.behind({0: 0, 1: 15}) == 5
        finally:
            await subscription.close()

    asyncio.run(story())


def test_a_worker_that_was_told_of_no_new_records_is_not_called_up_to_date(
    kafka: KafkaCluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched last says where a partition ended then; its leader may have changed since."""
    produce(kafka, topic, [submission(f"a{number}") for number in range(20)], partition=1)
    monkeypatch.setattr(Subscription, "_ends", lambda _, partitions: dict.fromkeys(partitions, 0))

    async def story() -> None:
        store = MemoryStore()
        store.fail_with = DOWN
        async with working(url(kafka, topic), store) as one:
            await until(lambda: one.figure("log_lag_records") == 20)
            store.fail_with = None
            await until(lambda: one.figure("log_lag_records") == 0 and len(store.records) == 20)

    asyncio.run(story())


def test_what_was_stored_changes_nothing_when_it_comes_again(kafka: KafkaCluster, topic: str) -> None:
    produce(kafka, topic, [submission(f"a{number}", bad_events=1) for number in range(50)])

    async def story() -> None:
        store = MemoryStore()
        async with working(url(kafka, topic), store):
            await until(lambda: len(store.records) == 50 and len(store.held) == 50)
        forget_offsets(kafka, topic)
        produce(kafka, topic, [submission("fresh", bad_events=2)])
        async with working(url(kafka, topic), store) as one:
            await until(lambda: one.outcome("stored") > 0 and one.figure("in_hand_events") == 0)
            await until(lambda: one.outcome("duplicate") == 100 and len(store.held) >= 52)
            assert message_ids(store) == sorted([*names("a", 50), "fresh-0"])
            assert len(store.held) == 52
            assert one.outcome("stored") == 1
            assert one.counters.received["web"] == sum(one.outcome(name) for name in ("stored", "duplicate", "quarantined"))

    asyncio.run(story())


@pytest.mark.parametrize(("hand", "comes_again"), [(Hand, True), (HastyHand, False)], ids=["as built", "offsets first"])
def test_what_a_worker_had_in_hand_and_could_not_store_comes_again(
    kafka: KafkaCluster,
    topic: str,
    hand: type[Hand],
    comes_again: bool,
) -> None:
    """And it does not, where offsets are committed before the store has the events: that is how one sees that they are not."""
    produce(kafka, topic, [submission(f"a{number}") for number in range(30)])

    async def story() -> None:
        down, up = MemoryStore(), MemoryStore()
        down.fail_with = DOWN
        dying = Working(url(kafka, topic), down, hand=hand)
        await until(lambda: dying.figure("in_hand_events") == 30)
        taken_at = time.monotonic()
        await until(lambda: time.monotonic() - taken_at > 2 * NOTE_SECONDS)
        await dying.stop()
        produce(kafka, topic, [submission("last")])
        async with working(url(kafka, topic), up):
            await until(lambda: "last-0" in message_ids(up) and (not comes_again or len(up.records) == 31))
            assert len(up.records) == (31 if comes_again else 1)

    asyncio.run(story())


def test_a_record_that_cannot_be_read_is_set_aside_with_its_bytes(kafka: KafkaCluster, topic: str) -> None:
    poison = [b"", b"\x01\xff\xfe", b"{}", b"\x09 of a later version"]
    produce(kafka, topic, [submission("before"), *poison, submission("after")], partition=1)

    async def story() -> None:
        store = MemoryStore()
        async with working(url(kafka, topic), store) as one:
            await until(lambda: len(store.records) == 2 and len(store.held) == 4)
            assert message_ids(store) == ["after-0", "before-0"]
            assert [held.original for held in store.held.values()] == poison
            assert {(held.source, held.code) for held in store.held.values()} == {("log", "unreadable_record")}
            assert [held.message_id for held in store.held.values()] == [f"{topic}/1/{offset}" for offset in (1, 2, 3, 4)]
            assert one.figure("unreadable_records") == 4

    asyncio.run(story())


def test_while_the_store_is_down_the_worker_waits_in_its_group(
    kafka: KafkaCluster, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    records, events = 400, FULL_EVENTS // 200
    produce(kafka, topic, [submission(f"a{number}", events) for number in range(records)])

    async def story() -> None:
        store = MemoryStore()
        store.fail_with = DOWN
        async with working(url(kafka, topic), store) as one:
            await until(lambda: one.figure("log_paused") == 1)
            assert not one.worker.state.ready
            assert FULL_EVENTS <= one.figure("in_hand_events") < records * events, "hands are full, the rest waits in the log"
            paused_at = time.monotonic()
            await until(lambda: time.monotonic() - paused_at > 2)  # longer than the session's time-out: it polls all the while
            store.fail_with = None
            await until(lambda: len(store.records) == records * events)
            await until(lambda: one.figure("in_hand_events") == 0 and one.figure("log_paused") == 0)

    with caplog.at_level("INFO", "tropa.kafka"):
        asyncio.run(story())
    assert sum("has partitions" in line for line in caplog.messages) == 1, "no partition went and came"


def test_partitions_are_shared_and_nothing_is_done_twice(kafka: KafkaCluster, topic: str) -> None:
    async def story() -> None:
        store = MemoryStore()
        async with working(url(kafka, topic), store) as one:
            await one.joined()
            for turn in range(3):
                produce(kafka, topic, [submission(f"{turn}.{number}") for number in range(300)])
                async with working(url(kafka, topic), store) as two:
                    await until(lambda: two.figure("log_partitions") == 2)
                    produce(kafka, topic, [submission(f"{turn}+{number}") for number in range(300)])
                    await until(lambda: len(store.records) == 600 * (turn + 1))  # noqa: B023
                    assert two.outcome("stored") > 0
                    assert two.outcome("duplicate") == 0
                await until(lambda: one.figure("log_partitions") == 4)
            assert one.outcome("duplicate") == 0

    asyncio.run(story())


class Choking(MemoryStore):
    """It fails over one event without saying that it is down, as a store with a fault of its own would."""

    async def commit(self, submission: Submission) -> Sequence[int]:
        if any(record.message_id == "poison-0" for record in submission.records):
            raise TypeError("no plan for this")
        return await super().commit(submission)


def test_an_event_that_breaks_the_store_is_set_aside_and_its_neighbours_are_stored() -> None:
    async def story() -> None:
        store, counters = Choking(), Counters()
        storing = Storing(store, counters, Recall(store))
        neighbours = [*submission("a", 3).records, *submission("poison").records, *submission("b", 2).records]
        await storing.store(Submission(neighbours, [bad("bad")]), again=False)
        assert message_ids(store) == ["a-0", "a-1", "a-2", "b-0", "b-1"]
        assert sorted(held.code for held in store.held.values()) == ["missing_field", "store_refused"]
        assert {outcome: counters.outcomes["web", outcome] for outcome in ("stored", "quarantined")} == {
            "stored": 5,
            "quarantined": 2,
        }
        assert counters.in_flight["web"] == 0

    asyncio.run(story())


def test_bad_events_that_come_again_are_known_by_what_they_are() -> None:
    async def story() -> None:
        store = MemoryStore()
        await store.commit(Submission((), [bad("same"), bad("same"), bad("other")]))
        recall = Recall(store)
        assert await recall.new([bad("same"), bad("new"), bad("same", received_at=5_000)]) == [
            bad("new"),
            bad("same", received_at=5_000),
        ]
        assert await recall.new([bad("same"), bad("same")]) == [bad("same")], "it held two, and one was told apart already"
        await store.commit(Submission((), [bad("late")]))
        assert await recall.new([bad("late")]) == [bad("late")]
        recall.forget()
        assert await recall.new([bad("late")]) == []

    asyncio.run(story())


def test_what_is_put_down_before_it_began_is_in_hand_no_more() -> None:
    async def story() -> None:
        store = MemoryStore()
        hand = Hand(Storing(store, Counters(), Recall(store)))
        hand.take_up([1])
        hand.begin(1, 0, submission("a", 5))
        assert (hand.records, hand.events) == (1, 5)
        hand.put_down([1])
        await until(lambda: (hand.records, hand.events) == (0, 0))
        hand.begin(1, 1, submission("b"))
        assert (hand.records, hand.partitions) == (0, []), "its partition has gone"

    asyncio.run(story())


def test_a_batch_of_one_request_keeps_its_outcomes_apart() -> None:
    async def story() -> None:
        store, counters = MemoryStore(), Counters()
        storing = Storing(store, counters, Recall(store))
        await storing.store(Submission([record("m1"), record("m1"), record("m2")], [bad("m3")]), again=True)
        counted = {name: counters.outcomes["web", name] for name in ("stored", "duplicate", "quarantined", "refused")}
        assert counted == {"stored": 2, "duplicate": 1, "quarantined": 1, "refused": 0}
        assert Outcome.DUPLICATE in await store.commit(Submission([record("m1")]))

    asyncio.run(story())


@given(st.permutations(range(12)), st.integers(0, 12))
def test_an_offset_waits_for_the_oldest_that_is_not_stored(order: list[int], stored: int) -> None:
    offsets = Offsets()
    for offset in range(12):
        offsets.begin(100 + 2 * offset)  # offsets rise, with gaps
    assert offsets.to_commit() is None
    for offset in order[:stored]:
        offsets.stored(100 + 2 * offset)
    missing = min(set(range(12)) - set(order[:stored]), default=12)
    expected = 100 if missing == 0 else 100 + 2 * (missing - 1) + 1
    assert offsets.next == expected
    assert offsets.to_commit() == (None if expected == 100 else expected)
    assert offsets.to_commit() is None, "asked once"
