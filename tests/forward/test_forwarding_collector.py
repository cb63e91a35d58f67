"""Destinations of a real collector: they follow it, are seen and steered through the admin API, and survive what is killed."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from loadtests.collector_process import CollectorProcess
from tests.conftest import StartCollector
from tests.forward.following import files_of, forwarding_pid, send, until

from tropa_collector.cli import cli


def tables(tmp_path: Path, **more: Any) -> str:
    return json.dumps(
        {"files": {"type": "jsonl", "path": str(tmp_path / "out"), "rotate_seconds": 0.3, "linger_seconds": 0.1, **more}}
    )


def test_files_follow_the_collector_and_hold_what_it_stored(tmp_path: Path, start_collector: StartCollector) -> None:
    damaged = tmp_path / "data" / "destinations" / "damaged"
    damaged.mkdir(parents=True)
    (damaged / "cursor.json").write_text("{")
    declared = {
        **json.loads(tables(tmp_path, map={"drop": ["context"]})),
        "damaged": {"type": "jsonl", "path": str(tmp_path / "x")},
    }
    collector = start_collector(destinations=json.dumps(declared))
    send(collector, 1, 250)
    identify = {"type": "identify", "userId": "42", "anonymousId": "a-1", "traits": {"email": "anna@example.com"}, "messageId": "i"}
    assert collector.post("/v1/identify", identify)[0] == 200
    until(lambda: len(files_of(tmp_path / "out")) == 251 and files_of(tmp_path / "out", "changes"))
    stored = {row["messageId"]: row for row in collector.events()}
    for row in files_of(tmp_path / "out"):
        expected = {name: value for name, value in stored.pop(row["messageId"]).items() if name not in ("context", "contact_id")}
        assert {name: value for name, value in row.items() if name != "contact_id"} == expected
    assert stored == {}
    changes = files_of(tmp_path / "out", "changes")
    assert {change["type"] for change in changes} >= {"contact_linked", "contact_traits"}
    assert all(change["messageId"].startswith("change-") for change in changes)
    state = until(lambda: caught_up(collector))
    assert (state["name"], state["state"], state["delivered"]) == ("files", "running", 251 + len(changes))
    assert (state["lag_events"], state["positions"]["events"]) == (0, 251)
    assert collector.admin("/api/v1/stats")["destinations"][0]["name"] == "files"
    other = collector.admin("/api/v1/destinations")["destinations"][1]
    assert (other["state"], "damaged" in other["last_error"]) == ("failing", True), "its neighbour goes on"
    assert other["lag_events"] is None
    assert "failing   its lag is not known" in command(collector, "list")
    metrics = collector.metrics()
    assert math.isnan(metrics['tropa_destination_lag_events{destination="damaged"}'])
    assert metrics['tropa_destination_delivered_total{destination="files"}'] == state["delivered"]
    assert metrics['tropa_destination_running{destination="files"}'] == 1
    assert metrics['tropa_destination_running{destination="damaged"}'] == 0
    collector.admin("/api/v1/contacts/email:anna@example.com", method="DELETE")
    (erased,) = until(lambda: [row for row in files_of(tmp_path / "out", "changes") if row["type"] == "contact_erased"])
    assert "anna" not in json.dumps(erased)
    assert collector.stop() == 0


def test_numbers_of_events_that_come_again_are_followed_again(tmp_path: Path, start_collector: StartCollector) -> None:
    """The newest events go, by retention or since a backup is put back; what comes next has their numbers."""
    collector = start_collector(destinations=tables(tmp_path))
    send(collector, 1, 100)
    until(lambda: len(files_of(tmp_path / "out")) == 100)
    assert collector.stop() == 0
    with closing(sqlite3.connect(collector.data / "tropa.sqlite3")) as store, store:
        store.execute("DELETE FROM events WHERE id > 60")
    collector.restart()
    send(collector, 1_001, 1_100)
    until(lambda: len(files_of(tmp_path / "out")) == 200)
    assert len({row["messageId"] for row in files_of(tmp_path / "out")}) == 200


def test_pause_and_resume_and_what_is_not_there(tmp_path: Path, start_collector: StartCollector) -> None:
    collector = start_collector(destinations=tables(tmp_path))
    paused = until(lambda: _asked(collector, "/api/v1/destinations/files/pause"))
    assert paused["state"] == "paused"
    send(collector, 1, 100)
    until(lambda: collector.admin("/api/v1/destinations")["destinations"][0]["lag_events"] == 100)
    assert files_of(tmp_path / "out") == []
    assert "paused" in command(collector, "list")
    assert command(collector, "resume", "files") == "running\n"
    until(lambda: len(files_of(tmp_path / "out")) == 100)
    assert collector.admin("/api/v1/destinations/files/dead-letters") == {"dead_letters": [], "total": 0}
    assert command(collector, "dead-letters", "files") == "0 dead letters\n"
    assert command(collector, "dead-letters", "files", "--replay") == "0 are sent again\n"
    assert command(collector, "pause", "files") == "paused\n"
    headers = {"Authorization": f"Bearer {collector.admin_token}"}
    for method, path in (("POST", "nothing/pause"), ("GET", "nothing/dead-letters"), ("POST", "nothing/dead-letters/replay")):
        status, body = collector.request(method, f"/api/v1/destinations/{path}", headers=headers, admin=True)
        assert (status, orjson.loads(body)["code"]) == (404, "not_found")


def command(collector: CollectorProcess, *arguments: str) -> str:
    """What ``tropa destinations`` prints."""
    more = ["--admin", collector.admin_url, "--token", collector.admin_token]
    result = CliRunner().invoke(cli, ["destinations", *arguments, *more])
    assert result.exit_code == 0, result.output
    return result.output


def caught_up(collector: CollectorProcess) -> Any:
    """The first destination's state, once it says that all it took is safe."""
    state = collector.admin("/api/v1/destinations")["destinations"][0]
    return state if state.get("delivered") and state["lag_events"] == 0 else None


def _asked(collector: CollectorProcess, path: str) -> Any:
    """The answer of the forwarding process, once it runs."""
    try:
        return collector.admin(path, method="POST")
    except RuntimeError as error:
        assert "503" in str(error)
        return None


@pytest.mark.parametrize(("victim", "kills"), [("forwarding", 5), ("collector", 1)])
def test_what_is_killed_loses_nothing_and_repeats_nothing_in_files(
    tmp_path: Path, start_collector: StartCollector, victim: str, kills: int
) -> None:
    collector = start_collector(destinations=tables(tmp_path, batch_events=50, rotate_bytes=20_000, rotate_seconds=0.2))
    for kill in range(kills):
        send(collector, kill * 500 + 1, kill * 500 + 500)
        until(lambda: any((tmp_path / "out").glob("*")) or victim == "forwarding")
        if victim == "collector":
            collector.kill()
            collector.restart()
        elif pid := forwarding_pid(collector):
            os.kill(pid, signal.SIGKILL)
    until(lambda: len(files_of(tmp_path / "out")) >= kills * 500, seconds=60)
    numbers = [row["properties"]["n"] for row in files_of(tmp_path / "out")]
    assert numbers == list(range(1, kills * 500 + 1))
    assert collector.stop() == 0
    assert [row["properties"]["n"] for row in files_of(tmp_path / "out")] == numbers
