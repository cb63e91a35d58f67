from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropa.options import Options
from tropa.queue import OVERHEAD_BYTES, MemoryQueue, Queue
from tropa.spool import Spool


def options(**changes: Any) -> Options:
    return Options("sk_test", "http://localhost")._replace(**changes)


def test_bounds_count_what_is_on_its_way() -> None:
    queue = MemoryQueue(options(max_queue_events=3, batch_events=2))
    assert [queue.put(b"x") for _ in range(4)] == [True, True, True, False]
    assert len(queue.take()) == 2
    assert not queue.put(b"y"), "the batch is not settled yet"
    queue.settle()
    assert queue.put(b"y")


def test_an_event_counts_with_what_it_costs_in_memory() -> None:
    queue = MemoryQueue(options(max_queue_bytes=10 * (OVERHEAD_BYTES + 100) + 12 * 60, batch_bytes=60))
    assert [queue.put(b"x" * 100) for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("kind", ["memory", "spool"])
@given(sizes=st.lists(st.integers(1, 120), max_size=60), events=st.integers(1, 9), size=st.integers(60, 300))
def test_batches_hold_everything_once_in_order_within_their_limits(
    kind: str, sizes: list[int], events: int, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = options(batch_events=events, batch_bytes=size, spool_file_bytes=400)
    queue: Queue = MemoryQueue(settings) if kind == "memory" else Spool(tmp_path_factory.mktemp("spool"), settings)
    put = [b"%d:" % index + b"x" * length for index, length in enumerate(sizes)]
    assert all(queue.put(event) for event in put)
    taken: list[bytes] = []
    while batch := queue.take():
        queue.settle()
        assert len(batch) <= events
        assert len(batch) == 1 or sum(map(len, batch)) + len(batch) <= size
        taken += batch
    assert taken == put
    queue.close()


def test_a_full_batch_is_one_of_count_or_of_bytes(tmp_path: Path) -> None:
    settings = options(batch_events=3, batch_bytes=100)
    queues: list[Queue] = [MemoryQueue(settings), Spool(tmp_path, settings)]
    for queue in queues:
        fullness = [queue.full_batch for event in (b"x", b"x" * 100) if queue.put(event)]
        assert fullness == [False, True]
        queue.close()
