"""How the cost of an event grows with what is stored.

    python -m loadtests.growth [--events 3000000] [--seconds 8]

Batches of visitors whose clocks differ by seconds are sent until so many events are stored. On the way the cost of an event is
measured: processor time of both processes, and bytes that the disk was given for each byte of event sent. At the end it is
measured turn about on the full store and on one of 100 000 events, three times: a machine is quicker at one hour than at
another, and filling takes minutes. At last visitors of all earlier runs come back, beside a do-nothing handler: how many of
their events are taken for each request that it answers.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from loadtests.collector_process import CollectorProcess
from loadtests.disk import device_bytes
from loadtests.wrk import drive
from loadtests.wrk_bodies import BATCH_EVENTS, BODIES, sent_bytes, write_bodies
from loadtests.yardsticks import yardstick
from tropa_collector.store.sqlite.file import FILE_NAME

SMALL_EVENTS, PAIRS = 100_000, 3
RETURNING_SEED = 1_000_000  # no other run's message ids
GROWTH_TARGET, EMPTY_BYTES_TARGET, FULL_BYTES_TARGET, RETURNING_RATIO = 1.4, 4.0, 6.0, 1.2
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one event: processor microseconds of the collector and its writer, and device bytes for each event byte."""

    stored: int
    events_per_second: float
    collector_us: float
    writer_us: float
    device_ratio: float

    @property
    def processor_us(self) -> float:
        return self.collector_us + self.writer_us

    def row(self) -> str:
        return (
            f"{self.stored:>10,} stored  {self.events_per_second:>8,.0f} events/s"
            f"  {self.processor_us:6.1f} µs of processor an event (collector {self.collector_us:.1f}, writer {self.writer_us:.1f})"
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
    os.sync()  # what the kernel held before is not theirs
    before = _standing(collector)
    drive(collector.url, collector.browser_key, bodies, shape="batch", seconds=seconds, seed=seed)
    os.sync()  # what the kernel still holds belongs to these events
    after = _standing(collector)
    events, own, writers, written = (now - then for now, then in zip(after, before, strict=True))
    event_bytes = sent_bytes(bodies) / BODIES["batch"] / BATCH_EVENTS
    return Cost(int(after[0]), events / seconds, own / events * 1e6, writers / events * 1e6, written / (events * event_bytes))


def figures(nothing: str, *, events: int, seconds: float, show: Callable[[str], None] = print) -> dict[str, Any]:
    """The cost of an event on the empty store, at each power of ten on the way and at the end; that to a small store's; both
    processes' MiB; and what returning visitors are to the do-nothing handler at ``nothing``."""
    with tempfile.TemporaryDirectory(prefix="tropa-growth-") as directory:
        bodies = write_bodies(Path(directory))
        with CollectorProcess(Path(directory) / "data", queue_seconds=10) as collector:
            costs, seed = [measure(collector, bodies["batch"], seconds, 1)], 1
            show(costs[0].row())
            for goal in [*(10**power for power in range(5, 8) if 10**power < events), events]:
                seed = 1 + _filled(collector, bodies["batch"], goal, seed)
                costs.append(measure(collector, bodies["batch"], seconds, seed))
                show(costs[-1].row())
            memory = collector.rss_bytes() / 2**20
            seeds = range(1, seed + 1)  # of visitors who are in this store
            ratio = _to_small(collector, Path(directory) / "small", bodies["batch"], seconds, seed)
            returning = _returning(collector, nothing, bodies, seconds=seconds, seeds=seeds)
            show(str(returning))
            return {
                "costs": [asdict(cost) for cost in costs],
                "memory_mib": round(memory),
                "ratio": round(ratio, 2),
                "returning": returning | {"stored": costs[-1].stored, "identifiers": _identifiers(collector.data)},
            }


def _filled(collector: CollectorProcess, bodies: Path, goal: int, seed: int) -> int:
    """Send until so many are stored; the last seed that was used."""
    while collector.count_events() < goal:
        seed += 1
        drive(collector.url, collector.browser_key, bodies, shape="batch", seconds=10, seed=seed)
    return seed


def _to_small(full: CollectorProcess, directory: Path, bodies: Path, seconds: float, seed: int) -> float:
    """An event's processor time on the full store to that on a small one, the median of pairs."""
    ratios = []
    with CollectorProcess(directory, queue_seconds=10) as small:
        seed = _filled(small, bodies, SMALL_EVENTS, seed)
        for _ in range(PAIRS):
            costs = [measure(collector, bodies, seconds, seed := seed + 1) for collector in (small, full)]
            ratios.append(costs[1].processor_us / costs[0].processor_us)
    return median(ratios)


def _returning(
    collector: CollectorProcess, nothing: str, bodies: dict[str, Path], *, seconds: float, seeds: Sequence[int]
) -> dict[str, float]:
    """Medians of three interleaved rounds."""
    ratios, rates = [], []
    for number in range(3):
        base = drive(nothing, "x", bodies["single"], shape="single", seconds=seconds, seed=number)
        run = drive(
            collector.url,
            collector.browser_key,
            bodies["batch"],
            shape="batch",
            seconds=seconds,
            seed=RETURNING_SEED + number,
            returning=seeds[number::3] or seeds,
        )
        rates.append(BATCH_EVENTS * run.requests_per_second)
        ratios.append(rates[-1] / base.requests_per_second)
    return {"events_per_second": round(median(rates)), "ratio": round(median(ratios), 3)}


def _identifiers(data: Path) -> int:
    with closing(sqlite3.connect(f"file:{data / FILE_NAME}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM identifiers").fetchone()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3_000_000)
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    with yardstick("do_nothing") as nothing:
        found = figures(nothing, events=options.events, seconds=options.seconds)
    empty, full = found["costs"][0], found["costs"][-1]
    print("\n| figure | measured | target |\n|---|---|---|")
    print(f"| cost of an event at {full['stored']:,} to that at {SMALL_EVENTS:,} | {found['ratio']:.2f} | {GROWTH_TARGET} |")
    print(f"| device bytes an event byte, empty store | {empty['device_ratio']:.2f} | {EMPTY_BYTES_TARGET} |")
    print(f"| device bytes an event byte, full store | {full['device_ratio']:.2f} | {FULL_BYTES_TARGET} |")
    print(f"| returning visitors to a do-nothing handler | {found['returning']['ratio']:.2f} | {RETURNING_RATIO} |")
    print(f"| RSS of both processes, MiB | {found['memory_mib']} | 250 |")
    if (
        found["ratio"] > GROWTH_TARGET
        or empty["device_ratio"] > EMPTY_BYTES_TARGET
        or full["device_ratio"] > FULL_BYTES_TARGET
        or found["returning"]["ratio"] < RETURNING_RATIO
    ):
        sys.exit("a target was missed")


if __name__ == "__main__":
    main()
