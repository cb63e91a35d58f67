"""The collector against a do-nothing ASGI handler: the same uvicorn settings, the same generator (wrk), in turn.

    python -m loadtests.bench [--runs 5] [--seconds 6] [--events 0] [--quick]

Every figure is a median of interleaved runs and is given as a ratio to the do-nothing handler of the same round. Bodies
carry fresh message ids, ten events a visitor, one identify in ten, clocks that differ by seconds; everything is on: dedupe,
enrichment, FULL commits. ``--quick`` asserts each target at a quarter of its strength: a smoke test, not a measurement.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from loadtests.bodies import stream
from loadtests.collector_process import CollectorProcess, free_port

SINGLE_TARGET, BATCH_TARGET = 0.55, 3.0
BATCH_EVENTS = 100
CONNECTIONS = {"single": 64, "batch": 16}
BODIES = {"single": 4_000, "batch": 120}

#: wrk reads the bodies once and gives every send a fresh message id: each holds a run of 12 hexadecimal zeros to fill.
_LUA = """
local bodies = {}
local thread_number = 0
function setup(thread) thread:set("number", thread_number); thread_number = thread_number + 1 end
function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = line end
  math.randomseed(tonumber(args[2]) + number)
  count = number * 7919; salt = string.format("%08x", math.random(0, 0x7fffffff))
end
local headers = {["X-Write-Key"] = KEY, ["Content-Type"] = "application/json"}
function request()
  count = count + 1
  local id = salt .. string.format("%04x%07x", number, count)
  local body = string.gsub(bodies[count %% #bodies + 1], "@IDENTITY@", id)
  return wrk.format("POST", PATH, {["X-Write-Key"] = KEY, ["Content-Type"] = "application/json"}, body)
end
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What wrk measured: requests a second, latency in milliseconds, answers that were not 200."""

    requests_per_second: float
    p50: float
    p99: float
    failed: int


def write_bodies(directory: Path) -> dict[str, Path]:
    """One body a line, single events and batches, with a place for the id that makes each send new."""
    events = stream(seed=7, concurrent=400)
    files = {}
    for shape, count in BODIES.items():
        files[shape] = directory / f"{shape}.jsonl"
        with files[shape].open("wb") as file:
            for _ in range(count):
                items = [_with_place(next(events), number) for number in range(1 if shape == "single" else BATCH_EVENTS)]
                document = items[0] if shape == "single" else {"batch": items, "sentAt": items[0]["sentAt"]}
                file.write(orjson.dumps(document) + b"\n")
    return files


def _with_place(event: dict[str, object], number: int) -> dict[str, object]:
    return event | {"messageId": f"@IDENTITY@-{number}"}


def drive(url: str, path: str, key: str, bodies: Path, *, shape: str, seconds: int, seed: int) -> Run:
    """wrk for some seconds."""
    script = bodies.with_suffix(".lua")
    script.write_text(_LUA.replace("%%", "%").replace("PATH", f'"{path}"').replace("KEY", f'"{key}"'))
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS[shape]}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        str(script),
        url,
        "--",
        str(bodies),
        str(seed),
    ]
    output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    return Run(
        requests_per_second=float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        p50=_milliseconds(_found(r"50%\s+(\S+)", output)),
        p99=_milliseconds(_found(r"99%\s+(\S+)", output)),
        failed=int(_found(r"Non-2xx or 3xx responses: (\d+)", output, "0")),
    )


def _found(pattern: str, text: str, otherwise: str | None = None) -> str:
    match = re.search(pattern, text)
    if match is None and otherwise is None:
        raise RuntimeError(f"wrk printed no {pattern}:\n{text}")
    return match.group(1) if match else str(otherwise)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr] # wrk's own format
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


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
            for shape, path in (("single", "/v1/track"), ("batch", "/v1/batch")):
                base = drive(nothing, "/", "x", bodies["single"], shape="single", seconds=seconds, seed=number)
                before = device_bytes(directory)
                run = drive(
                    collector.url, path, collector.browser_key, bodies[shape], shape=shape, seconds=seconds, seed=number + 100
                )
                events = run.requests_per_second * (1 if shape == "single" else BATCH_EVENTS)
                ratios[shape].append(events / base.requests_per_second)
                sent = events * seconds * bodies[shape].stat().st_size / BODIES[shape] / (1 if shape == "single" else BATCH_EVENTS)
                row = {
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
