"""A hundred thousand (or a million) senders of whom no two are alike: the memory is bounded all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.hostile import strangers
from loadtests.oracle.judge import conservation_row
from loadtests.oracle.memory import MIB
from loadtests.oracle.proofs.malformed import fillers, send_all
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most

TEST = "strangers"
GROWTH_MIB = 64.0
WARM = 1_000


async def prove(directory: Path, *, count: int) -> list[Row]:
    """Half of them by the server key with ``context.ip``, half by the browser key behind a trusted proxy."""
    with CollectorProcess(
        directory / "data", trusted_proxies="127.0.0.1", network_events_per_second=0, queue_seconds=30
    ) as collector:
        await send_all(collector, fillers(collector.server_key))
        await send_all(collector, strangers.batches(WARM, key=collector.server_key))
        before = collector.rss_bytes()
        stored = collector.count_events()
        answers = await send_all(collector, strangers.batches(count // 2, key=collector.browser_key))
        answers += await send_all(collector, strangers.batches(count, key=collector.server_key))
        growth = (collector.rss_bytes() - before) / MIB
        refused = sum(1 for _, exchange in answers if exchange.status != 200)
        done = f"{count + count // 2} events, each with its own user agent, address, name, ids and campaign"
        rows = [
            at_most(TEST, done, growth, GROWTH_MIB, "MiB more RSS, both processes"),
            Row(TEST, done, f"{refused} refused, {collector.count_events() - stored} stored", "0 refused", refused == 0),
            probe_row(TEST, collector),
            conservation_row(TEST, collector.metrics()),
        ]
        await asyncio.to_thread(collector.stop)
    return rows
