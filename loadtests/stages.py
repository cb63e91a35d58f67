"""Where an event's time goes, stage by stage, in one process: bytes → values → record → frame → rows → commit.

    python -m loadtests.stages [--events 20000] [--batch 100] [--group 800]

The least of several rounds, in microseconds an event, and as a ratio to ``orjson.loads`` of the same bytes. The events are
plain ones (events/plain.py): "bounded walk" is what they are spared, and what every other event pays.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from loadtests.bodies import stream
from tropa_collector.enrich.device import Devices
from tropa_collector.enrich.place import Places
from tropa_collector.events.model import ADAPTERS
from tropa_collector.events.normalise import Limits, checked
from tropa_collector.events.plain import decode_batch
from tropa_collector.events.validate import Envelope, check_all, open_batch
from tropa_collector.metrics import Counters
from tropa_collector.pipeline import Pipeline
from tropa_collector.receive.keys import Source
from tropa_collector.receive.receipt import Receipt
from tropa_collector.settings import Settings
from tropa_collector.store.memory import MemoryStore
from tropa_collector.store.protocol import Submission
from tropa_collector.store.sqlite.file import connect
from tropa_collector.store.sqlite.migrate import migrate
from tropa_collector.store.sqlite.writing.submissions import encode_submission, received
from tropa_collector.store.sqlite.writing.transaction import Transaction

ROUNDS = 40


class Stages:
    """One collector's stages over batches, without a network."""

    def __init__(self, batch: int) -> None:
        settings = Settings()
        self.limits = Limits.of(settings)
        self.pipeline = Pipeline(settings, MemoryStore(), Counters(), Devices(20_000), Places((), 20_000))
        self.source = Source("web", "browser", "wk_of_the_stages")
        self._events = stream(7, concurrent=400)
        self._batch = batch

    def body(self) -> bytes:
        items = [next(self._events) for _ in range(self._batch)]
        return orjson.dumps({"batch": items, "sentAt": items[0]["sentAt"]})

    def envelope(self, body: bytes) -> Envelope:
        return open_batch(*decode_batch(body, limits=self.limits), max_events=self._batch, max_bytes=len(body))

    def prepare(self, envelope: Envelope) -> Submission:
        receipt = Receipt(source=self.source, received_at=time.time_ns() // 1_000, address="203.0.113.7", user_agent="stages")
        return self.pipeline.prepare(envelope, receipt, lambda: None).submission

    def check(self, envelope: Envelope) -> None:
        deque(check_all(envelope, source="web", limits=self.limits, max_event_bytes=32_768), maxlen=0)


def least(rounds: int, make: Callable[[], Any], run: Callable[[Any], object], per: int) -> float:
    """Microseconds an event: the least of some rounds, each on fresh input."""
    best = 1e9
    for _ in range(rounds):
        given = make()
        started = time.perf_counter()
        run(given)
        best = min(best, time.perf_counter() - started)
    return best / per * 1e6


def of_the_collector(stages: Stages, batch: int) -> dict[str, float]:
    """What the event loop's process does."""
    body, limits = stages.body, stages.limits

    def envelope() -> Envelope:
        return stages.envelope(body())

    def frame(submission: Submission) -> bytes:
        return encode_submission(0, submission)

    def checked_all(given: Envelope) -> None:
        for item in given.items:
            checked(item, limits)

    def judged(given: Envelope) -> None:
        for item in given.items:
            ADAPTERS[item["type"]].validate_python(item)

    return {
        "orjson.loads": least(ROUNDS, body, orjson.loads, batch),
        "parse": least(ROUNDS, body, stages.envelope, batch),
        "bounded walk, JSON to store": least(ROUNDS, envelope, checked_all, batch),
        "validate (with the walk)": least(ROUNDS, envelope, stages.check, batch),
        "(pydantic alone, for comparison)": least(ROUNDS, envelope, judged, batch),
        "validate, extract, enrich": least(ROUNDS, envelope, stages.prepare, batch),
        "frame to the writer": least(ROUNDS, lambda: stages.prepare(envelope()), frame, batch),
    }


def of_the_writer(stages: Stages, events: int, group: int, batch: int, directory: Path) -> float:
    """What the writer's process does: everything up to the synced commit, checkpoints apart."""
    connection = connect(directory / "stages.sqlite3", synchronous="FULL")
    migrate(connection)
    transaction = Transaction(connection)
    groups = [
        [received(stages.prepare(stages.envelope(stages.body()))) for _ in range(group // batch)] for _ in range(events // group)
    ]
    spent = 0.0
    for submissions in groups:
        started = time.perf_counter()
        transaction.commit(submissions)
        spent += time.perf_counter() - started
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return spent / (len(groups) * group) * 1e6


def figures(*, events: int = 20_000, batch: int = 100, group: int = 800) -> dict[str, float]:
    """Microseconds an event by stage, the yardstick ``orjson.loads`` first."""
    stages = Stages(batch)
    for _ in range(30_000 // batch):  # a site's pages and devices have been seen before
        stages.prepare(stages.envelope(stages.body()))
    found = of_the_collector(stages, batch)
    with tempfile.TemporaryDirectory(prefix="tropa-stages-") as directory:
        found["writer: resolve, rows, synced commit"] = of_the_writer(stages, events, group, batch, Path(directory))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--group", type=int, default=800)
    options = parser.parse_args()
    found = figures(events=options.events, batch=options.batch, group=options.group)
    for name, figure in found.items():
        print(f"{name:40} {figure:7.2f} µs  {figure / found['orjson.loads']:6.2f} × loads")


if __name__ == "__main__":
    main()
