"""Destinations under every fault at once, while events keep coming: how often does each event stand at each of them?

    python -m loadtests.forward_faults [--kills 10] [--events 10000] [--slow-seconds 30]

ClickHouse answers 500 after it committed, one webhook takes 30 s for a request, one is dead and one answers 500 until they are
mended, one works, and the forwarding process is killed −9 again and again. A webhook's receiver counts a ``webhook-id`` once, as
the standard asks.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import signal
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from loadtests.collector_process import CollectorProcess, free_port
from loadtests.forward_rows import clickhouse_double
from loadtests.forward_server import Act, OddServer
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.table import Row, broken, none_of, table

TEST = "destinations"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATIENCE_SECONDS = 300.0
Count = Counter[str]


def forwarding_pid(collector: CollectorProcess) -> int:
    """Of the child that forwards, 0 while there is none."""
    for child in Path(f"/proc/{collector.pid}/task/{collector.pid}/children").read_text().split():
        if b"forward.process" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return 0


def in_files(directory: Path) -> Count:
    """Message ids in the finished files."""
    files = sorted(directory.glob("events-*.jsonl.gz"))
    return Counter(orjson.loads(line)["messageId"] for file in files for line in gzip.decompress(file.read_bytes()).splitlines())


def at_webhook(server: OddServer) -> Count:
    """Message ids that a receiver took which knows what it has."""
    taken = {got.headers["webhook-id"]: orjson.loads(got.body)["data"] for got in list(server.got)}
    return Counter(event["messageId"] for events in taken.values() for event in events)


def in_clickhouse(url: str) -> Count:
    """Message ids in the table as it is read."""
    query = urllib.parse.urlencode({"database": "faults", "query": "SELECT message_id FROM events FINAL FORMAT TabSeparated"})
    with urllib.request.urlopen(f"{url}/?{query}") as answer:
        return Counter(answer.read().decode().split())


def tables(out: Path, clickhouse: str, webhooks: Mapping[str, str]) -> dict[str, Any]:
    def webhook(url: str) -> dict[str, Any]:
        where = {"type": "webhook", "url": url, "secrets": [SECRET], "allow_private": True, "changes": False}
        return {**where, "longest_retry_seconds": 2, "timeout_seconds": 600, "batch_events": 1_000}

    return {
        "files": {"type": "jsonl", "path": str(out), "rotate_seconds": 1, "linger_seconds": 0.2},
        "clickhouse": {
            "type": "clickhouse",
            "url": clickhouse,
            "database": "faults",
            "longest_retry_seconds": 1,
            "batch_events": 500,
        },
        **{name: webhook(url) for name, url in webhooks.items()},
    }


async def prove(directory: Path, *, kills: int, events: int, slow_seconds: float) -> list[Row]:
    """Load, faults, mending; then the counts."""
    dead_port = free_port()
    with ExitStack() as stack:
        clickhouse = stack.enter_context(clickhouse_double(directory / "clickhouse"))
        quick, slow, failing = (stack.enter_context(OddServer()) for _ in range(3))
        slow.script.extend([Act(seconds=slow_seconds)])
        failing.always = Act(500)
        webhooks = {"quick": quick.url, "slow": slow.url, "failing": failing.url, "dead": f"http://127.0.0.1:{dead_port}/"}
        declared = json.dumps(tables(directory / "out", clickhouse, webhooks))
        collector = stack.enter_context(CollectorProcess(directory / "data", destinations=declared))
        issuer = Issuer(collector.port, collector.server_key, run="forward")
        issuer.start()
        for _ in range(kills):
            await asyncio.to_thread(urllib.request.urlopen, f"{clickhouse}/double?fail_after_commit=1")
            await issuer.until(events // kills, seconds=60)
            if pid := forwarding_pid(collector):
                os.kill(pid, signal.SIGKILL)
        await issuer.finish()
        failing.always = None
        failing.got.clear()
        risen = stack.enter_context(OddServer(dead_port))
        stored = Counter({row["messageId"]: 1 for row in await asyncio.to_thread(collector.events)})
        places: dict[str, Callable[[], Count]] = {
            "files": lambda: in_files(directory / "out"),
            "ClickHouse, 500 after it committed": lambda: in_clickhouse(clickhouse),
            "a webhook that works": lambda: at_webhook(quick),
            f"a webhook that takes {slow_seconds:g} s": lambda: at_webhook(slow),
            "a webhook that answered 500": lambda: at_webhook(failing),
            "a webhook that was dead": lambda: at_webhook(risen),
        }
        done = f"{kills} kills of the forwarding process, {len(stored)} events stored"
        rows = [row for name, count in places.items() for row in await asyncio.to_thread(judged, name, done, stored, count)]
        await asyncio.to_thread(collector.stop)
    return rows


def judged(name: str, done: str, stored: Count, count: Callable[[], Count]) -> list[Row]:
    """Once the destination has caught up, or patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    found = count()
    while stored - found and time.monotonic() < deadline:
        time.sleep(0.5)
        found = count()
    twice = sum(1 for times in found.values() if times > 1)
    return [
        none_of(TEST, f"{name}: {done}", (stored - found).total(), "lost"),
        none_of(TEST, f"{name}: {done}", twice, "stored twice"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--slow-seconds", type=float, default=30.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tropa-forward-") as directory:
        rows = asyncio.run(prove(Path(directory), kills=asked.kills, events=asked.events, slow_seconds=asked.slow_seconds))
    print(table(rows))
    sys.exit(bool(broken(rows)))


if __name__ == "__main__":
    main()
