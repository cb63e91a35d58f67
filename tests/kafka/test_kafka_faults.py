"""kill -9 of a worker under load, judged in the store. The whole of it: ``python -m loadtests.kafka_faults``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loadtests.kafka_cluster import KafkaCluster
from loadtests.kafka_faults import kill_workers
from loadtests.oracle.table import broken


def test_a_worker_that_is_killed_loses_nothing_and_stores_nothing_twice(kafka: KafkaCluster, tmp_path: Path) -> None:
    rows = asyncio.run(kill_workers(kafka, tmp_path, times=2, between=100))
    assert broken(rows) == []
