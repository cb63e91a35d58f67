"""A file that is removed under a running process goes on taking writes and ends with it: what is told "stored" would not be."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loadtests.collector_process import CollectorProcess

from tropa_collector.store.sqlite.file import FILE_NAME


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path_factory.mktemp("removed") / "data") as running:
        yield running


def tracked(collector: CollectorProcess, message: str) -> tuple[int, dict[str, object]]:
    event = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": message}
    headers = {"Content-Type": "application/json", "X-Write-Key": collector.server_key}
    status, answer = collector.request("POST", "/v1/track", json.dumps(event).encode(), headers)
    return status, json.loads(answer)


def until_ready(collector: CollectorProcess) -> None:
    collector.wait_ready(10)


@pytest.mark.parametrize("name", [FILE_NAME, f"{FILE_NAME}-wal"])
def test_a_file_that_was_moved_away_is_missed_and_found_again(collector: CollectorProcess, name: str) -> None:
    assert tracked(collector, f"before-{name}")[0] == 200
    file = collector.data / name
    aside = file.rename(file.with_name("aside"))
    status, answer = tracked(collector, f"meanwhile-{name}")
    assert (status, answer["code"]) == (503, "store_removed")
    assert "Put it back" in str(answer["message"])
    assert str(collector.data) not in str(answer)
    assert collector.request("GET", "/ready")[0] == 503
    aside.rename(file)
    until_ready(collector)
    assert tracked(collector, f"meanwhile-{name}")[0] == 200
    found = [event["messageId"] for event in collector.events() if event["messageId"].endswith(f"-{name}")]
    assert sorted(found) == [f"before-{name}", f"meanwhile-{name}"]


def test_a_copy_in_its_place_is_another_file(collector: CollectorProcess, tmp_path: Path) -> None:
    file = collector.data / FILE_NAME
    own = file.rename(tmp_path / "own")
    shutil.copy(own, file)
    assert tracked(collector, "to-the-copy")[1]["code"] == "store_removed"
    time.sleep(2.5)  # idle seconds do not take it for mended
    assert tracked(collector, "to-the-copy")[1]["code"] == "store_removed"
    own.rename(file)
    until_ready(collector)
    assert tracked(collector, "to-the-copy")[0] == 200
