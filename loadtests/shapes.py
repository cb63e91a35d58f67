"""Events a second of each shape on one machine, and whose processor time they take.

    python -m loadtests.shapes [--seconds 6] [--runs 3]

wrk sends batches of 100. A shape's rate is that of events on disk (in the store, in the log); a worker's, that of events in the
store while it empties the log. Runs are interleaved and medians are shown; processor time is that of each process, per event.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from loadtests.collector_process import CollectorProcess
from loadtests.kafka_cluster import KafkaCluster
from loadtests.kafka_worker import WorkerProcess
from loadtests.postgres_server import PostgresServer
from loadtests.wrk import drive
from loadtests.wrk_bodies import BATCH_EVENTS, write_bodies

DRAIN_SECONDS = 180.0


class Measured(NamedTuple):
    """Of one run: events a second, and µs of processor time an event by process."""

    shape: str
    events_per_second: float
    cpu_us: dict[str, float]


class Stopwatch:
    """Processor time of named processes and all their children."""

    def __init__(self, roots: dict[str, int]) -> None:
        self._roots = roots
        self._started = time.monotonic()
        self._before = self._cpu()

    def _cpu(self) -> dict[str, float]:
        return {name: sum(cpu_seconds(pid) for pid in family(root)) for name, root in self._roots.items()}

    def measured(self, shape: str, events: int) -> Measured:
        seconds = time.monotonic() - self._started
        used = {name: 1e6 * (cpu - self._before[name]) / max(1, events) for name, cpu in self._cpu().items()}
        return Measured(shape, events / seconds, used)


def family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile, as PostgreSQL's autovacuum does
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """Of a process that is there; 0 of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100


def postmaster(server: PostgresServer) -> int:
    return int((server.directory / "data" / "postmaster.pid").read_text().split()[0])


class Bench:
    """The engines of all shapes, and bodies to send."""

    def __init__(self, directory: Path, seconds: float, postgres: PostgresServer, kafka: KafkaCluster) -> None:
        self._directory, self._seconds, self._postgres, self._kafka = directory, seconds, postgres, kafka
        self._bodies = write_bodies(directory)["batch"]
        self._number = 0

    def run(self) -> Iterator[Measured]:
        """One round: every shape over a fresh store."""
        self._number += 1
        base = self._directory / str(self._number)
        with CollectorProcess(base / "one", queue_seconds=5) as one:
            yield self._sent("one process, SQLite", [one], {"collector and writer": one.pid})
        server = {"PostgreSQL": postmaster(self._postgres)}
        store = self._postgres.new_database()
        with (
            CollectorProcess(base / "first", store=store, queue_seconds=5) as first,
            CollectorProcess(base / "second", store=store, queue_seconds=5) as second,
        ):
            yield self._sent("a collector, PostgreSQL", [first], {"collector": first.pid, **server})
            roots = {"first collector": first.pid, "second collector": second.pid, **server}
            yield self._sent("two collectors, PostgreSQL", [first, second], roots)
        yield from self._through_the_log(base)

    def _through_the_log(self, base: Path) -> Iterator[Measured]:
        log = self._kafka.url(self._kafka.create_topic(f"run-{self._number}"), f"group.id=run-{self._number}")
        broker = {"Kafka": self._kafka.nodes[0].pid}
        with CollectorProcess(base / "stateless", log=log) as collector:
            sent = self._sent("a collector into Kafka", [collector], {"collector": collector.pid, **broker})
            yield sent
        logged = int(sent.events_per_second * self._seconds)
        store = self._postgres.new_database()
        with WorkerProcess(base / "worker", log=log, store=store) as worker:
            watch = Stopwatch({"worker": worker.pid, "PostgreSQL": postmaster(self._postgres), **broker})
            already = worker.count_events()
            deadline = time.monotonic() + DRAIN_SECONDS
            stored = already
            while stored < logged and time.monotonic() < deadline:
                time.sleep(0.1)
                stored = worker.count_events()
            yield watch.measured("a worker, Kafka to PostgreSQL", stored - already)

    def _sent(self, shape: str, collectors: list[CollectorProcess], roots: dict[str, int]) -> Measured:
        """wrk against each collector, at the same time."""

        def send(number: int, collector: CollectorProcess) -> float:
            seed = 100 * self._number + 10 * len(roots) + number
            run = drive(collector.url, collector.browser_key, self._bodies, shape="batch", seconds=self._seconds, seed=seed)
            return (run.requests_per_second * self._seconds - run.failed) * BATCH_EVENTS

        watch = Stopwatch(roots)
        with ThreadPoolExecutor(len(collectors)) as pool:
            events = sum(pool.map(send, range(len(collectors)), collectors))
        return watch.measured(shape, int(events))


def table(measured: list[Measured]) -> str:
    by_shape: dict[str, list[Measured]] = defaultdict(list)
    for one in measured:
        by_shape[one.shape].append(one)
    lines = ["| shape | events/s | processor time an event |", "|---|---|---|"]
    for shape, runs in by_shape.items():
        rate = statistics.median(run.events_per_second for run in runs)
        used = {name: statistics.median(run.cpu_us[name] for run in runs) for name in runs[0].cpu_us}
        lines.append(f"| {shape} | {rate:,.0f} | {', '.join(f'{name} {value:.0f} µs' for name, value in used.items())} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tropa-shapes-")))
        postgres = stack.enter_context(PostgresServer())
        kafka = stack.enter_context(KafkaCluster(directory / "kafka"))
        bench = Bench(directory, asked.seconds, postgres, kafka)
        measured = []
        for _ in range(asked.runs):
            for one in bench.run():
                print(one, file=sys.stderr, flush=True)
                measured.append(one)
    print(table(measured))


if __name__ == "__main__":
    main()
