"""Destinations that take thirty seconds, are dead or answer 500: ingest does not notice, nor does the one beside them."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.faults.receivers import SLOW_SECONDS, nobody, receiver
from loadtests.oracle.judge import conservation_row
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most
from loadtests.wrk import CONNECTIONS, Run, drive
from loadtests.wrk_bodies import write_bodies

TEST = "slow and dead destinations"
PAIRS = 5
SLOWER_SHARE, LAG_SECONDS = 0.15, 2.0
WARM_SECONDS, CATCH_UP_SECONDS = 3.0, 30.0
ANSWER_MS = 4.0  # of a connection's time between two requests, the part that is not a pause
SECRET = "whsec_" + "A" * 32


async def prove(directory: Path, *, seconds: float, pairs: int = PAIRS, slack: float = 1.0) -> list[Row]:
    """Runs at half of saturation, turn about: without destinations, with three broken ones, with one that works, and with all four.

    What the broken ones cost is the second against the first and the fourth against the third; the fourth against the first
    is what it costs to forward at all.
    """
    bodies = write_bodies(directory)["single"]
    async with receiver(seconds=SLOW_SECONDS, status=200) as slow, receiver(seconds=0, status=500) as failing:
        rows: list[Row] = []
        none, alone, healthy, beset, lags = [], [], [], [], []
        rate = await _saturation(directory / "saturation", bodies, seconds) / 2
        for number in range(pairs):
            run, _, _ = await _run(directory / f"none-{number}", bodies, seconds, rate, {})
            none.append(run.p99)
            run, _, _ = await _run(directory / f"alone-{number}", bodies, seconds, rate, _broken(slow, failing))
            alone.append(run.p99)
            files = _files(directory / f"out-healthy-{number}")
            run, _, _ = await _run(directory / f"healthy-{number}", bodies, seconds, rate, files)
            healthy.append(run.p99)
            tables = _files(directory / f"out-beset-{number}") | _broken(slow, failing)
            run, lag, rows = await _run(directory / f"beset-{number}", bodies, seconds, rate, tables)
            beset.append(run.p99)
            lags.append(lag)
    done = f"ingest p99, {pairs} pairs at half of saturation ({rate:,.0f} requests/s): "
    most = SLOWER_SHARE * slack
    return [
        _slower(done + "a slow, a dead and a failing destination against none", none, alone, most),
        _slower(done + "three broken ones beside one that works, against that one alone", healthy, beset, most),
        _slower(done + "all four against no destination", none, beset, most),
        at_most(TEST, "lag of the healthy one beside them, at its longest", max(lags), LAG_SECONDS, "s", slack=slack),
        *rows,
    ]


def _slower(done: str, without: Sequence[float], with_them: Sequence[float], most: float) -> Row:
    """The median of the pairs' shares, beside both medians in milliseconds."""
    share = statistics.median(slow / plain - 1 for slow, plain in zip(with_them, without, strict=True))
    medians = f"{statistics.median(without):.1f} ms and {statistics.median(with_them):.1f} ms"
    return Row(TEST, f"{done}: {medians}", f"{share:+.0%}", f"≤ +{most:.0%}", share <= most)


def _files(directory: Path) -> dict[str, Any]:
    return {"healthy": {"type": "jsonl", "path": str(directory), "linger_seconds": 0.2, "rotate_seconds": 1}}


def _broken(slow: int, failing: int) -> dict[str, Any]:
    def webhook(port: int) -> dict[str, Any]:
        where = {"type": "webhook", "url": f"http://127.0.0.1:{port}/", "allow_private": True, "secrets": [SECRET]}
        return where | {"timeout_seconds": SLOW_SECONDS + 5}

    return {"slow": webhook(slow), "dead": webhook(nobody()), "failing": webhook(failing)}


def _driven(collector: CollectorProcess, bodies: Path, *, seconds: float, requests_per_second: float = 0, seed: int) -> Run:
    """As fast as answers come, or at about that rate."""
    connections = CONNECTIONS["single"]
    pause_ms = max(1.0, connections / requests_per_second * 1e3 - ANSWER_MS) if requests_per_second else 0.0
    return drive(collector.url, collector.browser_key, bodies, shape="single", seconds=seconds, seed=seed, pause_ms=pause_ms)


async def _saturation(data: Path, bodies: Path, seconds: float) -> float:
    """Requests a second of a collector without destinations, warm as those of the runs are: the same for every pair."""
    with CollectorProcess(data, queue_seconds=5) as collector:
        await asyncio.to_thread(_driven, collector, bodies, seconds=WARM_SECONDS, seed=1)
        return (await asyncio.to_thread(_driven, collector, bodies, seconds=seconds, seed=2)).requests_per_second


async def _run(
    data: Path, bodies: Path, seconds: float, rate: float, destinations: Mapping[str, Any]
) -> tuple[Run, float, list[Row]]:
    """That rate for some seconds, and the longest lag of the healthy destination."""
    with CollectorProcess(data, destinations=json.dumps(destinations), queue_seconds=5) as collector:
        await asyncio.to_thread(_driven, collector, bodies, seconds=WARM_SECONDS, requests_per_second=rate, seed=1)
        if "healthy" in destinations:
            await _caught_up(collector)
        driving = asyncio.to_thread(_driven, collector, bodies, seconds=seconds, requests_per_second=rate, seed=2)
        load, lag = asyncio.create_task(driving), 0.0
        while "healthy" in destinations and not load.done():
            await asyncio.sleep(0.25)
            lag = max(lag, await asyncio.to_thread(_lag, collector))
        run = await load
        rows = [probe_row(TEST, collector), conservation_row(TEST, collector.metrics())]
        await asyncio.to_thread(collector.stop)
    return run, lag, rows


async def _caught_up(collector: CollectorProcess) -> None:
    """What the warm-up left is delivered first: it came faster than half of saturation."""
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline and await asyncio.to_thread(_lag, collector) > 0:  # noqa: ASYNC110 - bounded
        await asyncio.sleep(0.25)


def _lag(collector: CollectorProcess) -> float:
    states = collector.admin("/api/v1/destinations")["destinations"]
    return next((float(state.get("lag_seconds", 0.0)) for state in states if state["name"] == "healthy"), float("inf"))
