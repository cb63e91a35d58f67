"""What ``tropa doctor`` says of the log: its brokers, its topic, and how far the workers are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType, TopicMetadata  # type: ignore[attr-defined] # they are

from tropa_collector.kafka.address import KafkaAddress, kafka_address
from tropa_collector.kafka.log import RECORD_OVERHEAD_BYTES

SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.2
LEAST_IN_SYNC: Final = 2
_CHOOSING: Final = frozenset(
    (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
)

Finding = tuple[str, bool, str]  # what was looked at, whether it is good, what there is to say


def check_log(url: str, record_bytes: int) -> Iterator[Finding]:
    """Everything that was looked at, good and bad.

    Raises:
        SettingsError: the address is none.
    """
    address = kafka_address(url)
    try:
        admin = AdminClient({**address.properties_of("producer"), "bootstrap.servers": address.brokers, "log_level": 0})
        cluster = admin.list_topics(address.topic, timeout=SECONDS)
    except KafkaException as error:
        yield "log", False, f"{address} cannot be reached: {error.args[0].str()}"
        return
    version = confluent_kafka.libversion()[0]
    yield "log", True, f"{address}: {len(cluster.brokers)} brokers, librdkafka {version}"
    topic = cluster.topics[address.topic]
    if topic.error is not None:
        yield "topic", False, f"{address.topic}: {topic.error.str()}"
        return
    yield from _topic(topic, _config(admin, address), record_bytes)
    yield _group(address, sorted(topic.partitions))


def _topic(topic: TopicMetadata, config: dict[str, str], record_bytes: int) -> Iterator[Finding]:
    partitions = topic.partitions.values()
    leaderless = sum(partition.leader < 0 for partition in partitions)
    yield "topic", not leaderless, f"{topic.topic}: {len(partitions)} partitions, {leaderless} without a leader"
    copies, least = min(len(partition.replicas) for partition in partitions), int(config["min.insync.replicas"])
    text = f"{copies} copies of a record, acknowledged by {least} at least"
    advice = "" if least >= LEAST_IN_SYNC else "; with one alone, what it acknowledged goes with it: min.insync.replicas=2"
    yield "copies", LEAST_IN_SYNC <= least < copies, text + (advice or ("" if least < copies else "; with one broker away none"))
    largest, needed = int(config["max.message.bytes"]), record_bytes + RECORD_OVERHEAD_BYTES
    yield "record size", largest >= needed, f"max.message.bytes {largest}, needed for kafka_record_bytes {needed}"


def _config(admin: AdminClient, address: KafkaAddress) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, address.topic)
    found = admin.describe_configs([resource], request_timeout=SECONDS)[resource].result(2 * SECONDS)
    return {name: entry.value for name, entry in found.items()}


def _group(address: KafkaAddress, partitions: list[int]) -> Finding:
    config = {**address.properties_of("consumer"), "bootstrap.servers": address.brokers, "group.id": address.group, "log_level": 0}
    consumer = Consumer(config)  # it looks, and joins nothing
    try:
        behind = 0
        for position in _committed(consumer, [TopicPartition(address.topic, number) for number in partitions]):
            start, end = consumer.get_watermark_offsets(position, timeout=SECONDS)
            behind += end - max(start, position.offset)
    except KafkaException as error:
        return "workers", False, f"group {address.group}: {error.args[0].str()}"
    finally:
        consumer.close()
    return "workers", True, f"group {address.group} is {behind} records behind"


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Where the group is. A cluster that was never asked first has to choose a broker that knows."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return list(consumer.committed(partitions, timeout=SECONDS))
        except KafkaException as error:
            if error.args[0].code() not in _CHOOSING or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
