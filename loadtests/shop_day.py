"""A shop's day against a collector of its own, without Locust's page: a report with plots, and every event accounted for.

python -m loadtests.shop_day --shape spike --crowd 100 --seconds 300
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.load_shapes import SHAPES
from loadtests.oracle.judge import conservation_row
from loadtests.oracle.table import Row, at_most, broken, table

RESULTS = Path(__file__).with_name("results")
LOADED_MIB = 250.0


def run(shape: str, crowd: int, seconds: int, report: Path) -> list[Row]:
    """Locust without its page; its report goes to ``report``."""
    report.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tropa-shop-") as directory,
        CollectorProcess(Path(directory) / "data", network_events_per_second=0) as collector,
    ):
        command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("locust_shop.py")), "--headless"]
        command += ["--host", collector.url, "--write-key", collector.browser_key, "--server-key", collector.server_key]
        command += [
            "--shape",
            shape,
            "--crowd",
            str(crowd),
            "--shape-seconds",
            str(seconds),
            "--html",
            str(report),
            "--only-summary",
        ]
        finished = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=sys.stderr, check=False)
        metrics, memory = collector.metrics(), collector.rss_bytes() / 2**20
        stored = collector.count_events()
    done = f"{crowd} visitors, {shape}, {seconds} s: {stored} events stored"
    return [
        Row("a shop's day", done, f"locust ended with {finished.returncode}", "0: no failed request", finished.returncode == 0),
        conservation_row("a shop's day", metrics),
        at_most("a shop's day", "both processes at the end", memory, LOADED_MIB, "MiB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="spike")
    parser.add_argument("--crowd", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--report", type=Path, help="default: loadtests/results/shop_SHAPE.html")
    asked = parser.parse_args()
    rows = run(asked.shape, asked.crowd, asked.seconds, asked.report or RESULTS / f"shop_{asked.shape}.html")
    print(table(rows))
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
