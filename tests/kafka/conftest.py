"""One real broker for all of these tests, and topics of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loadtests.kafka_cluster import KafkaCluster, missing
from tests.forward.conftest import clickhouse

__all__ = ["clickhouse", "kafka", "topic"]

NewTopic = Callable[..., str]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Apache Kafka, one node."""
    if reason := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    with KafkaCluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster


@pytest.fixture
def topic(kafka: KafkaCluster, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A topic of this test alone."""
    return kafka.create_topic(f"{tmp_path.parent.name}.{tmp_path.name}", partitions=4)
