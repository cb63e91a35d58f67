"""The collector's speed on this machine: a table, a file, and pictures in ``loadtests/results/``.

    python -m loadtests.bench [--runs 5] [--seconds 6] [--events 3000000] [--quick]

Throughput is a ratio to a do-nothing ASGI handler under the same uvicorn settings and the same generator (wrk), medians of
interleaved rounds; beside it stands the barest collector (``barest.py``), which checks and resolves nothing. Latency is at 80,
50 and 10 % of what saturates the collector just then, the highest first so that it has been at work, as answered and with
commits that are not synced: the difference is the disk's share; each is the middle one of five runs. Bodies carry fresh message
ids, ten events a visitor, one identify in ten, clocks that differ by seconds; everything is on: identity, dedupe, enrichment,
FULL commits.
``--quick`` is a look at the machinery and writes no results.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

from loadtests import growth, stages
from loadtests.bench_table import rows
from loadtests.collector_process import CollectorProcess
from loadtests.disk import device_bytes
from loadtests.flame_graph import cannot_profile, flame_graphs
from loadtests.machine import machine, now
from loadtests.oracle.table import broken, table
from loadtests.plots import draw_all
from loadtests.wrk import CONNECTIONS, Run, drive
from loadtests.wrk_bodies import BATCH_EVENTS, BODIES, hot, sent_bytes, strangers, usual, write_bodies
from loadtests.yardsticks import yardstick

RESULTS = Path(__file__).with_name("results")
SHAPES = ("single", "batch")
LOADS = (0.8, 0.5, 0.1)  # of saturation
LATENCY_RUNS = 5  # of which the middle one counts
NOT_SYNCED = "loadtests.oracle.sabotage.synchronous_normal"
Figures = dict[str, Any]


def saturation(runs: int, seconds: int, directory: Path, bodies: dict[str, Path]) -> Figures:
    """Interleaved rounds over both shapes, as fast as answers come."""
    rounds: list[Figures] = []
    barest_file = str(directory / "barest.sqlite3")
    with (
        yardstick("do_nothing") as nothing,
        yardstick("barest", barest_file) as barest,
        CollectorProcess(directory / "saturation", queue_seconds=5) as collector,
    ):
        idle = collector.rss_bytes()
        for number in range(runs):
            for shape in SHAPES:
                # Its requests are small ones, whatever the shape: a large body would cost the generator more than the handler.
                base = drive(nothing, "x", bodies["single"], shape="single", seconds=seconds, seed=number)
                seed = 2 * number + (shape == "batch")
                least = drive(barest, "x", bodies[shape], shape=shape, seconds=seconds, seed=seed)
                before = device_bytes(directory)
                run = drive(collector.url, collector.browser_key, bodies[shape], shape=shape, seconds=seconds, seed=seed)
                written = device_bytes(directory) - before
                rounds.append(_round(shape, base, least, run, bodies=bodies[shape], seconds=seconds, written=written))
                print(json.dumps(rounds[-1]), file=sys.stderr, flush=True)
        memory = {"idle_mib": round(idle / 2**20), "loaded_mib": round(collector.rss_bytes() / 2**20)}
    return {"rounds": rounds, "memory": memory, "medians": {shape: _medians(rounds, shape) for shape in SHAPES}}


def _round(shape: str, base: Run, least: Run, run: Run, *, bodies: Path, seconds: float, written: int) -> Figures:
    size = 1 if shape == "single" else BATCH_EVENTS
    events = run.requests_per_second * size
    sent = events * seconds * sent_bytes(bodies) / BODIES[shape] / size
    return {
        "shape": shape,
        "do_nothing": round(base.requests_per_second),
        "events_per_second": round(events),
        "ratio": round(events / base.requests_per_second, 3),
        "barest_ratio": round(least.requests_per_second * size / base.requests_per_second, 3),
        "p50_ms": run.p50,
        "p99_ms": run.p99,
        "failed": run.failed,
        "device_bytes_per_event_byte": round(written / sent, 2),
    }


def _medians(rounds: list[Figures], shape: str) -> Figures:
    mine = [one for one in rounds if one["shape"] == shape]
    return {name: statistics.median(one[name] for one in mine) for name in mine[0] if name != "shape"}


def mixes(runs: int, seconds: int, directory: Path) -> Figures:
    """Batches of other visitors than the usual ones, interleaved with those: how many events, and how long a batch takes."""
    files = {mix.__name__: write_bodies(directory, mix)["batch"] for mix in (usual, strangers, hot)}
    found: dict[str, list[Run]] = {name: [] for name in files}
    with CollectorProcess(directory / "mixes", queue_seconds=5) as collector:
        for number in range(runs):
            for place, (name, file) in enumerate(files.items()):
                seed = 10 * number + place
                run = drive(collector.url, collector.browser_key, file, shape="batch", seconds=seconds, seed=seed)
                found[name].append(run)
                print(name, run, file=sys.stderr, flush=True)
    return {
        name: {
            "events_per_second": round(BATCH_EVENTS * statistics.median(run.requests_per_second for run in rounds)),
            "p50_ms": statistics.median(run.p50 for run in rounds),
        }
        for name, rounds in found.items()
    }


def latency(seconds: int, directory: Path, bodies: dict[str, Path]) -> list[Figures]:
    """At shares of saturation, as it is just then: minutes later the machine may be another. The upper two also without syncs."""
    rows: list[Figures] = []
    asked: dict[tuple[str, float], float] = {}
    for module, loads in (("tropa_collector", LOADS), (NOT_SYNCED, (0.8, 0.5))):
        with CollectorProcess(directory / f"latency-{module.rpartition('.')[2]}", module=module) as collector:
            for shape, load in product(SHAPES, loads):
                if (shape, load) not in asked:
                    seed = 3_000 + len(asked)
                    full = drive(collector.url, collector.browser_key, bodies[shape], shape=shape, seconds=seconds, seed=seed)
                    asked[shape, load] = load * full.requests_per_second
                run = _at(collector, asked[shape, load], shape, load=load, seconds=seconds, bodies=bodies[shape])
                row = {
                    "shape": shape,
                    "load": load,
                    "synced": module == "tropa_collector",
                    "p50_ms": run.p50,
                    "p99_ms": run.p99,
                }
                rows.append(row | {"asked": round(asked[shape, load]), "requests_per_second": round(run.requests_per_second)})
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def _at(collector: CollectorProcess, asked: float, shape: str, *, load: float, seconds: int, bodies: Path) -> Run:
    """Connections that pause between requests, so that they send ``asked`` requests a second."""
    between_ms = CONNECTIONS[shape] / asked * 1e3  # two requests of one connection
    answer_ms = 2.0
    runs = []
    for number, length in enumerate((2, *LATENCY_RUNS * (seconds,))):  # the first says how long an answer takes of it
        pause_ms = max(1.0, between_ms - answer_ms)
        seed, key = 1_000 + round(100 * load) + number, collector.browser_key
        runs.append(drive(collector.url, key, bodies, shape=shape, seconds=length, seed=seed, pause_ms=pause_ms))
        answer_ms = runs[-1].p50
    return sorted(runs[1:], key=lambda run: run.p99)[LATENCY_RUNS // 2]  # a disk that others use stalls now and then


def start_seconds(directory: Path) -> float:
    """From the command to ``/ready``, the median of three."""
    seconds = []
    for number in range(3):
        started = time.monotonic()
        with CollectorProcess(directory / f"start-{number}"):
            seconds.append(time.monotonic() - started)
    return round(statistics.median(seconds), 2)


def measure(options: argparse.Namespace, directory: Path) -> Figures:
    """Everything, one after the other."""
    bodies = write_bodies(directory)
    found: Figures = {
        "date": now(),
        "machine": machine(),
        "saturation": saturation(options.runs, options.seconds, directory, bodies),
    }
    found["mixes"] = mixes(options.runs, options.seconds, directory)
    found["latency"] = latency(options.seconds, directory, bodies)
    found["start_seconds"] = start_seconds(directory)
    found["stages"] = stages.figures(events=4_000 if options.quick else 20_000)
    with yardstick("do_nothing") as nothing:
        found["growth"] = growth.figures(
            nothing, events=options.events, seconds=options.seconds, show=lambda row: print(row, file=sys.stderr, flush=True)
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--events", type=int, default=3_000_000, help="stored at the end of the growth run")
    parser.add_argument("--quick", action="store_true", help="one short round; no results are written")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    if options.quick:
        options.runs, options.seconds, options.events = 1, 2, 20_000
    with tempfile.TemporaryDirectory(prefix="tropa-bench-") as directory:
        found = measure(options, Path(directory))
        results = options.results if options.results != RESULTS or not options.quick else Path(directory) / "results"
        results.mkdir(parents=True, exist_ok=True)
        (results / "bench.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        draw_all(found, results)
        if reason := cannot_profile():
            print(f"no profile: {reason}", file=sys.stderr)
        else:
            flame_graphs(Path(directory), results, seconds=options.seconds)
    print(table(rows(found)))
    if broken(rows(found)):
        sys.exit("\n".join(["", *broken(rows(found))]))


if __name__ == "__main__":
    main()
