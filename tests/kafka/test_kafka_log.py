"""The collector's end of the topic: an answer follows the delivery report, and everything else is a 503."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from loadtests.kafka_cluster import KafkaCluster
from tests.kafka.records import ids, messages, submission, submissions

from tropa_collector.errors import Conflict, PayloadTooLarge, SettingsError, Unavailable
from tropa_collector.kafka.delivery import Deliveries
from tropa_collector.kafka.log import KafkaLog
from tropa_collector.kafka.record import Encoded
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Operation, Submission

SECONDS = 15.0


class MockCluster:
    """librdkafka's own three brokers; they end with it."""

    def __init__(self) -> None:
        self._host: Producer | None = Producer({"test.mock.num.brokers": 3, "log_level": 0})
        brokers = self._host.list_topics(timeout=10).brokers.values()
        self.brokers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def end(self) -> None:
        self._host = None


@pytest.fixture
def mock() -> Iterator[MockCluster]:
    cluster = MockCluster()
    yield cluster
    cluster.end()


@asynccontextmanager
async def open_log(url: str, *, ready: bool = True, **settings: Any) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(Settings(log=url, **settings))
    await log.start()
    try:
        await until(lambda: log.state.ready is ready)
        yield log
    finally:
        await log.stop(seconds=1)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_what_is_answered_is_in_the_topic(mock: MockCluster) -> None:
    async def story() -> None:
        async with open_log(f"kafka://{mock.brokers}/events") as log:
            assert log.state.ready
            outcomes = await asyncio.gather(*(log.commit(submission(f"s{number}", 3, bad_events=1)) for number in range(50)))
            assert {bytes(one) for one in outcomes} == {b"\x00\x00\x00"}, "accepted; the worker says what became of them"
            assert (log.gauges()["queue_events"], log.gauges()["queue_bytes"]) == (0, 0)
            assert log.gauges()["commit_seconds"] > 0
            found = submissions(mock.brokers, "events")
            assert ids(found) == ids([submission(f"s{number}", 3, bad_events=1) for number in range(50)])
            keyed = {message.key() for message in messages(mock.brokers, "events")} - {None}
            assert keyed == {f"anonymous_id:s{number}".encode() for number in range(50)}

    asyncio.run(story())


def test_a_large_batch_takes_several_records_and_one_answer(mock: MockCluster) -> None:
    async def story() -> None:
        async with open_log(f"kafka://{mock.brokers}/events", kafka_record_bytes=10_000) as log:
            assert await log.commit(submission("large", 40, size=900)) == bytes(40)
            found = submissions(mock.brokers, "events")
            assert len(found) > 3
            assert ids(found) == ids([submission("large", 40)])
            with pytest.raises(PayloadTooLarge) as error:
                await log.commit(Submission([*submission("small").records, *submission("huge", size=10_000).records]))
            assert error.value.status == 413
            assert len(submissions(mock.brokers, "events")) == len(found), "nothing of it was sent"
            assert log.state.ready

    asyncio.run(story())


def test_without_brokers_it_is_not_ready_and_refuses_at_once() -> None:
    async def story() -> None:
        async with open_log("kafka://127.0.0.1:9/events", ready=False, kafka_delivery_seconds=0.5) as log:
            assert (log.state.ready, log.state.code) == (False, "log_down")
            assert log.refusal() is not None
            with pytest.raises(Unavailable) as error:
                await log.commit(submission("s"))
            assert (error.value.status, error.value.retry_after_seconds) == (503, 1)

    asyncio.run(story())


def test_brokers_that_end_are_noticed_without_a_request(mock: MockCluster) -> None:
    async def story() -> None:
        async with open_log(f"kafka://{mock.brokers}/events", kafka_delivery_seconds=1) as log:
            await log.commit(submission("s"))
            await asyncio.to_thread(mock.end)
            await until(lambda: not log.state.ready)
            with pytest.raises(Unavailable):
                await log.commit(submission("s"))

    asyncio.run(story())


def test_an_unknown_outcome_is_a_503_and_what_waits_is_bounded(kafka: KafkaCluster, topic: str) -> None:
    """The broker takes connections and answers nothing, then everything."""

    async def story() -> None:
        async with open_log(kafka.url(topic), kafka_delivery_seconds=1, queue_events=100) as log:
            await log.commit(submission("before"))
            kafka.nodes[0].freeze()
            try:
                waiting = [asyncio.create_task(log.commit(submission(f"during-{number}"))) for number in range(100)]
                await asyncio.sleep(0.05)
                with pytest.raises(Unavailable) as error:
                    await log.commit(submission("one too many"))
                assert error.value.code == "overloaded"
                answers = await asyncio.gather(*waiting, return_exceptions=True)
                assert {type(answer) for answer in answers} == {Unavailable}
                assert not log.state.ready
            finally:
                kafka.nodes[0].thaw()
            await until(lambda: log.state.ready)
            again = await asyncio.gather(*(log.commit(submission(f"during-{number}")) for number in range(100)))
            assert set(again) == {b"\x00"}
            expected = {f"during-{number}-0" for number in range(100)} | {"before-0"}
            assert set(ids(submissions(kafka.brokers, topic))) == expected, "some of them twice, perhaps: workers recognise them"

    asyncio.run(story())


def test_a_topic_that_is_not_there_is_named(kafka: KafkaCluster) -> None:
    async def story() -> None:
        async with open_log(kafka.url("not.there"), ready=False, kafka_delivery_seconds=3) as log:
            await until(lambda: "no topic 'not.there'" in log.state.message)

    asyncio.run(story())


def test_a_topic_that_takes_less_than_a_record_is_a_503_that_says_so(kafka: KafkaCluster, topic: str) -> None:
    small = kafka.create_topic(f"{topic}.small", max_message_bytes="2000")

    async def story() -> None:
        async with open_log(kafka.url(small, "producer.compression.type=none")) as log:
            with pytest.raises(Unavailable, match=r"max\.message\.bytes"):
                await log.commit(submission("large", 10, size=900))

    asyncio.run(story())


def test_it_stops_after_the_last_report(mock: MockCluster) -> None:
    async def story() -> None:
        log = KafkaLog(Settings(log=f"kafka://{mock.brokers}/events"))
        await log.start()
        waiting = [asyncio.create_task(log.commit(submission(f"s{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        assert await log.stop(seconds=5) == 0
        assert {bytes(await one) for one in waiting} == {b"\x00"}
        assert log.state.code == "stopped"
        with pytest.raises(Unavailable):
            await log.commit(submission("late"))

    asyncio.run(story())


def test_an_operator_is_sent_to_a_worker(mock: MockCluster) -> None:
    async def story() -> None:
        async with open_log(f"kafka://{mock.brokers}/events") as log:
            with pytest.raises(Conflict, match="admin API of a worker"):
                await log.operate(Operation("merge", {}))

    asyncio.run(story())


def test_a_property_that_nobody_knows_is_refused_by_name() -> None:
    async def story() -> None:
        with pytest.raises(SettingsError, match="lingr"):
            await KafkaLog(Settings(log="kafka://127.0.0.1:9/events?producer.lingr.ms=1")).start()

    asyncio.run(story())


class FatalProducer:
    """A producer that fails for good with the first record it is polled for, as an idempotent one may."""

    made = 0

    def __init__(self, config: dict[str, Any]) -> None:
        type(self).made += 1
        self._config = config
        self._broken = False
        self._first = self.made == 1
        self._waiting: list[Callable[[KafkaError | None, object], None]] = []

    def produce(self, topic: str, value: bytes, key: bytes | None, *, on_delivery: Any) -> None:
        if self._broken:
            raise KafkaException(KafkaError(KafkaError._FATAL))
        self._waiting.append(on_delivery)

    def poll(self, seconds: float) -> None:
        time.sleep(0.01)
        if self._first and self._waiting and not self._broken:
            self._broken = True
            self._config["error_cb"](KafkaError(KafkaError._FATAL, "sequence lost", fatal=True))
        elif not self._first:
            self._report(None)

    def purge(self) -> None:
        self._report(KafkaError(KafkaError._PURGE_QUEUE))

    def flush(self, seconds: float) -> None:
        self._report(None)

    def _report(self, error: KafkaError | None) -> None:
        while self._waiting:
            self._waiting.pop()(error, None)


def test_after_a_fatal_error_another_producer_begins() -> None:
    async def story() -> None:
        troubles: list[KafkaError] = []
        make = cast("Callable[[dict[str, Any]], Producer]", FatalProducer)
        deliveries = Deliveries({}, on_trouble=troubles.append, producer=make)
        answers: asyncio.Queue[KafkaError | None] = asyncio.Queue()
        deliveries.send("events", [Encoded(None, b"1"), Encoded(None, b"2")], answers.put_nowait)
        lost = await asyncio.wait_for(answers.get(), SECONDS)
        assert lost is not None
        assert lost.code() == KafkaError._PURGE_QUEUE, "unknown, and said so"
        await until(lambda: deliveries.restarts == 1)
        deliveries.send("events", [Encoded(None, b"1"), Encoded(None, b"2")], answers.put_nowait)
        assert await asyncio.wait_for(answers.get(), SECONDS) is None
        assert [error.fatal() for error in troubles] == [True]
        await deliveries.stop()

    asyncio.run(story())
