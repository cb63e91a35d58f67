"""How the cost of an event grows with what is stored.

    python -m loadtests.growth [--events 3000000] [--seconds 8]

Batches of returning and new visitors, whose clocks differ by seconds, are sent until so many events are stored; at 100 000
and at the end the cost of an event is measured: processor time of both processes (a busy machine does not change it as it
changes a rate) and bytes that the disk was given for each byte of event sent.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.disk import device_bytes
from loadtests.wrk import BATCH_EVENTS, BODIES, drive, write_bodies

GROWTH_TARGET, EMPTY_BYTES_TARGET, FULL_BYTES_TARGET = 1.4, 4.0, 6.0
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one event: processor microseconds of the collector and its writer, and device bytes for each event byte."""

    stored: int
    events_per_second: float
    collector_us: float
    writer_us: float
    device_ratio: float

    def row(self) -> str:
        total = self.collector_us + self.writer_us
        return (
            f"{self.stored:>10,} stored  {self.events_per_second:>8,.0f} events/s"
            f"  {total:6.1f} µs of processor an event (collector {self.collector_us:.1f}, writer {self.writer_us:.1f})"
            f"  {self.device_ratio:5.2f} device bytes an event byte"
        )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _standing(collector: CollectorProcess) -> tuple[float, float, float, float]:
    stored, writer = collector.count_events(), collector.writer_pid
    return stored, _cpu_seconds(collector.pid), _cpu_seconds(writer), device_bytes(collector.data)


def measure(collector: CollectorProcess, bodies: Path, seconds: float, seed: int) -> Cost:
    """The cost of an event, over some seconds of batches."""
    before = _standing(collector)
    drive(collector.url, collector.browser_key, bodies, shape="batch", seconds=seconds, seed=seed)
    os.sync()  # what the kernel still holds belongs to these events
    after = _standing(collector)
    events, own, writers, written = (now - then for now, then in zip(after, before, strict=True))
    event_bytes = bodies.stat().st_size / BODIES["batch"] / BATCH_EVENTS
    return Cost(int(after[0]), events / seconds, own / events * 1e6, writers / events * 1e6, written / (events * event_bytes))


def figures(*, events: int, seconds: float, show: Callable[[str], None] = print) -> tuple[list[Cost], float]:
    """The cost of an event on the empty store, at each power of ten on the way and at the end; then both processes' MiB."""
    with tempfile.TemporaryDirectory(prefix="tropa-growth-") as directory:
        bodies = write_bodies(Path(directory))["batch"]
        with CollectorProcess(Path(directory) / "data", queue_seconds=10) as collector:
            costs, seed = [measure(collector, bodies, seconds, 1)], 1
            show(costs[0].row())
            for goal in [*(10**power for power in range(5, 8) if 10**power < events), events]:
                while collector.count_events() < goal:
                    seed += 1
                    drive(collector.url, collector.browser_key, bodies, shape="batch", seconds=10, seed=seed)
                seed += 1
                costs.append(measure(collector, bodies, seconds, seed))
                show(costs[-1].row())
            return costs, collector.rss_bytes() / 2**20


def growth_of(costs: list[Cost]) -> float:
    """An event's cost on the full store, to that on the empty one."""
    first, last = costs[0], costs[-1]
    return (last.collector_us + last.writer_us) / (first.collector_us + first.writer_us)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    costs, memory = figures(events=options.events, seconds=options.seconds)
    empty, full, growth = costs[0], costs[-1], growth_of(costs)
    print("\n| figure | measured | target |\n|---|---|---|")
    print(f"| cost of an event at {full.stored:,} to that on the empty store | {growth:.2f} | {GROWTH_TARGET} |")
    print(f"| device bytes an event byte, empty store | {empty.device_ratio:.2f} | {EMPTY_BYTES_TARGET} |")
    print(f"| device bytes an event byte, full store | {full.device_ratio:.2f} | {FULL_BYTES_TARGET} |")
    print(f"| RSS of both processes, MiB | {memory:.0f} | 250 |")
    if growth > GROWTH_TARGET or empty.device_ratio > EMPTY_BYTES_TARGET or full.device_ratio > FULL_BYTES_TARGET:
        sys.exit("a target was missed")


if __name__ == "__main__":
    main()
