"""Collectors that keep nothing, the real broker, and workers: from HTTP to the store, in processes of their own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from loadtests.collector_process import CollectorProcess
from loadtests.kafka_cluster import KafkaCluster
from loadtests.kafka_worker import WorkerProcess
from tests.console.visitor import Visitor
from tests.kafka.records import url


@pytest.fixture
def collector(kafka: KafkaCluster, topic: str, tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path / "collector", log=url(kafka, topic)) as process:
        yield process


@pytest.fixture
def worker(kafka: KafkaCluster, topic: str, tmp_path: Path) -> Iterator[WorkerProcess]:
    with WorkerProcess(tmp_path / "worker", log=url(kafka, topic)) as process:
        yield process


def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_events_go_through_the_log_into_contacts(collector: CollectorProcess, worker: WorkerProcess) -> None:
    visit = [
        {"type": "page", "name": "Home", "anonymousId": "cookie", "messageId": "m1", "timestamp": "2026-11-21T20:00:00Z"},
        {
            "type": "track",
            "event": "Product Added",
            "anonymousId": "cookie",
            "messageId": "m2",
            "timestamp": "2026-11-21T20:01:00Z",
        },
        {"type": "identify", "anonymousId": "cookie", "userId": "42", "messageId": "m3", "timestamp": "2026-11-21T20:02:00Z"},
        {"type": "track", "messageId": "nameless", "anonymousId": "cookie"},
    ]
    status, answer = collector.post("/v1/batch", {"batch": visit})
    assert (status, answer["accepted"], [error["code"] for error in answer["errors"]]) == (200, 3, ["missing_field"])
    order = {"event": "Order Completed", "userId": "42", "messageId": "m4", "timestamp": "2026-11-21T20:03:00Z"}
    assert collector.post("/v1/track", order)[0] == 200
    assert collector.post("/v1/track", order)[0] == 200, "a retry is answered as its first try"
    until(lambda: worker.count_events() == 4 and len(worker.quarantined()) == 1)
    timeline = worker.admin("/api/v1/contacts/user_id:42/events")["events"]
    assert [event["messageId"] for event in timeline] == ["m4", "m3", "m2", "m1"]
    (bad,) = worker.quarantined()
    assert orjson.loads(bad["original"])["messageId"] == "nameless"
    until(lambda: worker.metrics()["tropa_store_in_hand_events"] == 0)
    accepted = collector.metrics()
    assert accepted['tropa_events_total{outcome="stored",source="shop"}'] == 5, "the log has them; workers say what is new"
    worked = worker.metrics()
    assert worked['tropa_events_total{outcome="stored",source="shop"}'] == 4
    assert worked['tropa_events_total{outcome="duplicate",source="shop"}'] == 1
    assert worked['tropa_events_received_total{source="shop"}'] == 6
    until(lambda: worker.metrics()["tropa_store_log_lag_records"] == 0)
    link, visitor = re.search(r"http://\S+(/sign-in\?once=\S+)", worker.log_file.read_text()), Visitor(worker, stranger=True)
    assert link is not None
    assert visitor.get(link[1]).status == 200
    assert "Order Completed" in visitor.get("/contacts/user_id:42").text


def test_a_stateless_collector_has_figures_and_sends_questions_to_a_worker(collector: CollectorProcess) -> None:
    status, _ = collector.request("GET", "/metrics", admin=True)
    assert status == 401
    with pytest.raises(RuntimeError, match="tropa work"):
        collector.admin("/api/v1/events")
    assert collector.stop() == 0
    assert sorted(path.name for path in collector.data.iterdir()) == ["session.salt"], "nothing that would have to be kept"


def test_a_worker_that_is_stopped_leaves_nothing_to_be_done_twice(
    collector: CollectorProcess, worker: WorkerProcess, kafka: KafkaCluster, topic: str
) -> None:
    for number in range(30):
        collector.post("/v1/track", {"event": "Seen", "anonymousId": "a", "messageId": f"m{number}"})
    until(lambda: worker.count_events() > 0)
    assert worker.stop() == 0
    worker.restart()
    until(lambda: worker.count_events() == 30)
    until(lambda: worker.metrics()["tropa_store_in_hand_events"] == 0)
    assert worker.metrics().get('tropa_events_total{outcome="duplicate",source="shop"}', 0) == 0


def test_brokers_that_answer_nothing_hold_up_no_stop(
    collector: CollectorProcess, worker: WorkerProcess, kafka: KafkaCluster
) -> None:
    assert collector.post("/v1/track", {"event": "Seen", "anonymousId": "a"})[0] == 200
    until(lambda: worker.count_events() == 1)
    kafka.nodes[0].freeze()
    try:
        assert (worker.stop(), collector.stop()) == (0, 0), "within the time that the process has for it"
    finally:
        kafka.nodes[0].thaw()
