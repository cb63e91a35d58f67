"""Bombs: 400 or 413 within 50 ms, and the memory stays where it was."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import Connection, post
from loadtests.oracle.hostile.bombs import Bomb, bombs
from loadtests.oracle.judge import conservation_row
from loadtests.oracle.memory import MIB, highest_bytes, mark
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row

TEST = "bombs"
ANSWER_SECONDS = 0.05
GROWTH_MIB = 16.0
TRIES = 5


async def prove(directory: Path, *, mebibytes: int = 1_024, slack: float = 1.0) -> list[Row]:
    """Each bomb some times on a quiet collector: the median answer, the highest memory of both processes."""
    with CollectorProcess(directory / "data") as collector:
        rows = [await _row(collector, bomb, slack) for bomb in bombs(mebibytes=mebibytes)]
        rows += [probe_row(TEST, collector), conservation_row(TEST, collector.metrics())]
        await asyncio.to_thread(collector.stop)
    return rows


async def _row(collector: CollectorProcess, bomb: Bomb, slack: float) -> Row:
    connection = Connection(collector.port)
    request = post("/v1/track", bomb.body, f"x-write-key: {collector.server_key}")
    before = collector.rss_bytes()
    mark(collector)
    answers = [await connection.exchange(request) for _ in range(TRIES)]
    growth = (highest_bytes(collector) - before) / MIB
    connection.close()
    seconds = statistics.median(answer.seconds for answer in answers)
    statuses = {answer.status for answer in answers}
    allowed = {200} if bomb.dud else {400, 413}
    holds = statuses <= allowed and seconds <= ANSWER_SECONDS * slack and growth < GROWTH_MIB
    return Row(
        TEST,
        f"{bomb.name} ({len(bomb.body):,} bytes)",
        f"{'/'.join(map(str, sorted(statuses)))} in {seconds * 1000:.1f} ms, +{growth:.1f} MiB",
        f"{' or '.join(map(str, sorted(allowed)))} within {ANSWER_SECONDS * slack * 1000:.0f} ms, < +{GROWTH_MIB:.0f} MiB",
        holds,
    )
