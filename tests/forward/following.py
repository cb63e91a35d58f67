"""What the tests of a forwarding collector share: its files, its forwarding process, events, patience."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from loadtests.collector_process import CollectorProcess


def files_of(directory: Path, stream: str = "events") -> list[dict[str, Any]]:
    """Every entry in a directory's finished files, in the order of their names."""
    lines = [
        line for file in sorted(directory.glob(f"{stream}-*.jsonl.gz")) for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    return [orjson.loads(line) for line in lines]


def until(true: Callable[[], Any], seconds: float = 40.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.03)
    return found


def forwarding_pid(collector: CollectorProcess) -> int:
    for child in Path(f"/proc/{collector.pid}/task/{collector.pid}/children").read_text().split():
        if b"tropa_collector.forward.process" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return 0


def send(collector: CollectorProcess, first: int, last: int) -> None:
    for start in range(first, last + 1, 100):
        batch = [
            {"type": "track", "event": "Product Added", "messageId": f"m-{n}", "anonymousId": f"a-{n % 7}", "properties": {"n": n}}
            for n in range(start, min(start + 100, last + 1))
        ]
        assert collector.post("/v1/batch", {"batch": batch}, key=collector.browser_key)[0] == 200
