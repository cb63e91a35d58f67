"""One destination takes long, one is dead, one answers 500, ClickHouse answers 500 after it committed: nothing is lost, nothing is
stored twice, the healthy one keeps up, and the collector does not notice."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from loadtests.collector_process import free_port
from loadtests.forward_server import Act, Got, OddServer
from tests.conftest import StartCollector
from tests.forward.clickhouse import ClickHouseDouble
from tests.forward.following import files_of, forwarding_pid, send, until

EVENTS = 2_000
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HEALTHY_LAG_SECONDS = 2.0


def numbers(got: list[Got]) -> Counter[int]:
    """Of the events in requests, each id once, as a receiver that knows ``webhook-id`` reads them."""
    seen = {one.headers["webhook-id"]: orjson.loads(one.body)["data"] for one in got}
    return Counter(event["properties"]["n"] for events in seen.values() for event in events)


def test_none_holds_up_another_and_all_end_with_everything(
    tmp_path: Path, start_collector: StartCollector, clickhouse: ClickHouseDouble
) -> None:
    hook = {"type": "webhook", "secrets": [SECRET], "allow_private": True, "changes": False, "longest_retry_seconds": 0.5}
    with OddServer() as slow, OddServer() as broken, OddServer() as quick:
        slow.always, broken.always = Act(seconds=60), Act(500)
        dead_port = free_port()
        tables: dict[str, Any] = {
            "healthy": {"type": "jsonl", "path": str(tmp_path / "out"), "rotate_seconds": 0.2, "linger_seconds": 0.1},
            "quick": {**hook, "url": quick.url, "linger_seconds": 0.1},
            "slow": {**hook, "url": slow.url, "timeout_seconds": 1.0},
            "broken": {**hook, "url": broken.url},
            "dead": {**hook, "url": f"http://127.0.0.1:{dead_port}/"},
            "warehouse": {"type": "clickhouse", "url": clickhouse.url, "database": "faulty", "linger_seconds": 0.1},
        }
        tables["warehouse"] |= {"longest_retry_seconds": 0.5, "batch_events": 500}
        collector = start_collector(destinations=json.dumps(tables))
        clickhouse.next_inserts(fail_after_commit=2)
        send(collector, 1, EVENTS // 2)
        until(lambda: len(files_of(tmp_path / "out")) == EVENTS // 2 == len(numbers(quick.got)))
        states = until(lambda: behind(collector.admin("/api/v1/destinations")["destinations"]))
        assert {name: state["state"] for name, state in states.items() if name in ("broken", "dead")} == {
            "broken": "failing", "dead": "failing",
        }  # fmt: skip
        assert states["healthy"]["lag_seconds"] <= 4 * HEALTHY_LAG_SECONDS
        os.kill(forwarding_pid(collector), signal.SIGKILL)
        send(collector, EVENTS // 2 + 1, EVENTS)
        slow.always, broken.always = None, None  # mended
        slow.got.clear()
        broken.got.clear()
        everything = Counter(range(1, EVENTS + 1))
        until(lambda: len(numbers(slow.got)) == EVENTS and len(numbers(broken.got)) == EVENTS, seconds=60)
        until(lambda: len(numbers(quick.got)) == EVENTS)
        assert numbers(slow.got) == numbers(broken.got) == numbers(quick.got) == everything
        query = "SELECT count() AS n, uniqExact(message_id) AS ids FROM events FINAL"
        until(lambda: clickhouse.rows("faulty", query) == [{"n": EVENTS, "ids": EVENTS}])
        assert Counter(row["properties"]["n"] for row in files_of(tmp_path / "out")) == everything
        assert collector.stop() == 0


def behind(states: list[dict[str, Any]]) -> dict[str, dict[str, Any]] | None:
    """By name, once the broken ones are reported as such."""
    found = {state["name"]: state for state in states}
    reported = all(found[name]["state"] == "failing" for name in ("broken", "dead"))
    return found if reported and found["healthy"]["delivered"] and found["healthy"]["lag_events"] == 0 else None
