"""The collector against a do-nothing ASGI handler: the same uvicorn settings, the same generator (wrk), in turn.

    python -m loadtests.bench [--runs 5] [--seconds 6] [--events 0] [--quick]

Every figure is a median of interleaved runs and is given as a ratio to the do-nothing handler of the same round. Bodies
carry fresh message ids, ten events a visitor, one identify in ten, clocks that differ by seconds; everything is on: dedupe,
enrichment, FULL commits. ``--quick`` asserts each target at a quarter of its strength: a smoke test, not a measurement.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.collector_process import CollectorProcess, free_port
from loadtests.wrk import BATCH_EVENTS, BODIES, drive, write_bodies

SINGLE_TARGET, BATCH_TARGET = 0.55, 3.0


@contextmanager
def do_nothing_handler() -> Iterator[str]:
    """The smallest ASGI application under the collector's uvicorn settings."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "loadtests.do_nothing", str(port)])
    try:
        time.sleep(1.0)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def device_bytes(path: Path) -> int:
    """Bytes that the disk under ``path`` has been given since boot (sectors, not what a process says it wrote)."""
    major_minor = subprocess.run(["stat", "-c", "%Hd:%Ld", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    statistics_file = Path(f"/sys/dev/block/{major_minor}/stat")
    return int(statistics_file.read_text().split()[6]) * 512 if statistics_file.is_file() else 0


def measure(runs: int, seconds: int, directory: Path) -> dict[str, object]:
    """Interleaved rounds over both shapes."""
    bodies = write_bodies(directory)
    ratios: dict[str, list[float]] = {"single": [], "batch": []}
    rounds: list[dict[str, object]] = []
    with do_nothing_handler() as nothing, CollectorProcess(directory / "data", queue_seconds=5) as collector:
        started = collector.rss_bytes()
        for number in range(runs):
            for shape in ("single", "batch"):
                base = drive(nothing, "x", bodies["single"], shape="single", seconds=seconds, seed=number)
                before = device_bytes(directory)
                seed = 2 * number + (shape == "batch")
                run = drive(collector.url, collector.browser_key, bodies[shape], shape=shape, seconds=seconds, seed=seed)
                events = run.requests_per_second * (1 if shape == "single" else BATCH_EVENTS)
                ratios[shape].append(events / base.requests_per_second)
                sent = events * seconds * bodies[shape].stat().st_size / BODIES[shape] / (1 if shape == "single" else BATCH_EVENTS)
                row: dict[str, object] = {
                    "shape": shape,
                    "do_nothing": round(base.requests_per_second),
                    "events_per_second": round(events),
                    "ratio": round(ratios[shape][-1], 3),
                    "p50_ms": run.p50,
                    "p99_ms": run.p99,
                    "failed": run.failed,
                    "device_bytes_per_event_byte": round((device_bytes(directory) - before) / sent, 2),
                }
                rounds.append(row)
                print(json.dumps(row), flush=True)
        memory = {"idle_rss_mib": round(started / 2**20, 1), "rss_mib": round(collector.rss_bytes() / 2**20, 1)}
        metrics = collector.metrics()
    return {
        "rounds": rounds,
        "medians": {shape: statistics.median(values) for shape, values in ratios.items()},
        **memory,
        "metrics": metrics,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="one short round, asserted at a quarter of the targets")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="tropa-bench-") as directory:
        result = measure(1 if options.quick else options.runs, 2 if options.quick else options.seconds, Path(directory))
    medians = result["medians"]
    assert isinstance(medians, dict)
    print("\n| shape | ratio to the do-nothing handler | target |\n|---|---|---|")
    for shape, target in (("single", SINGLE_TARGET), ("batch", BATCH_TARGET)):
        print(f"| {shape} | {medians[shape]:.2f} | {target} |")
    print(f"\nRSS of both processes: idle {result['idle_rss_mib']} MiB, at the end {result['rss_mib']} MiB")
    strength = 0.25 if options.quick else 1.0
    if medians["single"] < SINGLE_TARGET * strength or medians["batch"] < BATCH_TARGET * strength:
        sys.exit("a target was missed")


if __name__ == "__main__":
    main()
