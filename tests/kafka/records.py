"""Submissions as the pipeline makes them, small."""

from __future__ import annotations

from confluent_kafka import Consumer, Message, TopicPartition
from loadtests.kafka_cluster import KafkaCluster

from tropa_collector.kafka.record import decode
from tropa_collector.store.protocol import Quarantined, Record, Submission


def record(message_id: str, *, visitor: str = "a", source: str = "web", size: int = 2) -> Record:
    identity = ([(("anonymous_id", visitor), 0, 150, False)], None, None)
    return Record(source, 0, "track", "Seen", message_id, 1, 2, 3, "{}".ljust(size), identity)


def bad(message_id: str, *, received_at: int = 1) -> Quarantined:
    return Quarantined("web", received_at, "track", "", "missing_field", "$.event", "It has none.", message_id, b"{", "{}")


def submission(name: str, events: int = 1, *, size: int = 2, bad_events: int = 0) -> Submission:
    """One request of one visitor; every event's message id begins with ``name``."""
    return Submission(
        [record(f"{name}-{number}", visitor=name, size=size) for number in range(events)],
        [bad(f"{name}-bad-{number}") for number in range(bad_events)],
    )


def ids(submissions: list[Submission]) -> list[str]:
    records = [record.message_id for submission in submissions for record in submission.records]
    return sorted(records + [bad.message_id for submission in submissions for bad in submission.quarantined])


def messages(brokers: str, topic: str) -> list[Message]:
    """All that a topic holds now."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "enable.auto.commit": False})
    found: list[Message] = []
    try:
        for number in consumer.list_topics(topic, 10).topics[topic].partitions:
            start, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            consumer.assign([TopicPartition(topic, number, start)])
            while start < end:
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                found.append(message)
                start = (message.offset() or 0) + 1
    finally:
        consumer.close()
    return found


def submissions(brokers: str, topic: str) -> list[Submission]:
    """What the records of a topic hold; the collector's trials hold nothing."""
    decoded = (decode(message.value() or b"") for message in messages(brokers, topic))
    return [one for one in decoded if one.events]


def url(kafka: KafkaCluster, topic: str) -> str:
    """An address with a group that notices quickly who has died."""
    return kafka.url(topic, "consumer.session.timeout.ms=1500", "consumer.heartbeat.interval.ms=300", f"group.id={topic}")
