"""Overload: a disk so slow that five times what it takes is offered, by senders who do not wait for one another.

What is accepted is accepted soon, the rest is 503 with Retry-After, memory stays where it was, and when the disk is itself
again so is the collector.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import Connection, Exchange
from loadtests.oracle.faults.file_layer import FileLayer
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.memory import MIB, highest_bytes, mark
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most

TEST = "overload"
TIMES = 5.0
RSS_MIB, P99_SECONDS, NORMAL_SECONDS = 300.0, 1.0, 5.0
SLOW_SYNC_SECONDS, SLOW_SECONDS_PER_MIB = 0.02, 0.2  # a tired disk: 5 MB/s
SETTLE_SECONDS, CALIBRATION_SECONDS = 2.0, 4.0
BATCH_EVENTS = 20
TICK_SECONDS = 0.01
CONNECTIONS = 1_000
QUIET_PROBES = 20


@dataclass(slots=True)
class Offered:
    """What open-loop senders were answered, and how long they waited for it."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    sent: int = 0
    ended_at: float = 0.0  # monotonic, when the last was sent


async def prove(directory: Path, *, seconds: float, module: str = "tropa_collector", slack: float = 1.0) -> list[Row]:
    """Measure the slow disk's capacity, offer five times that, then give the disk back."""
    data = directory / "data"
    data.mkdir(parents=True)
    layer = FileLayer(directory / "layer", data)
    with CollectorProcess(data, module=module, environment=layer.environment) as collector:
        before = await _quiet_latency(collector)
        layer.ask(sync_delay_seconds=SLOW_SYNC_SECONDS, seconds_per_mib=SLOW_SECONDS_PER_MIB)
        capacity = await _capacity(collector)
        issuer = Issuer(collector.port, collector.server_key, run="overload", batch_events=BATCH_EVENTS)
        mark(collector)
        offered = await _offer(collector, issuer, TIMES * capacity, seconds)
        rss = highest_bytes(collector) / MIB
        layer.ask()
        normal = await _until_normal(collector, before, offered.ended_at)
        issuer.start()
        await issuer.finish(seconds=60)
        rows = [probe_row(TEST, collector), conservation_row(TEST, collector.metrics())]
        await asyncio.to_thread(collector.stop)
    rate = offered.sent * BATCH_EVENTS / seconds
    done = f"{rate:,.0f} events/s for {seconds:g} s, capacity {capacity:,.0f}: {len(offered.accepted)} requests taken"
    return [
        at_most(TEST, f"{done}; highest RSS of both processes", rss, RSS_MIB, "MiB"),
        at_most(TEST, "accepted requests", _share(offered.accepted, 0.99), P99_SECONDS, "s p99", slack=slack),
        _refusals_row(offered),
        Row(TEST, "offered to capacity", f"{rate / capacity:.1f} ×", f"≥ {0.8 * TIMES:g} ×", rate / capacity >= 0.8 * TIMES),
        at_most(TEST, "from the load's end to the usual latency", normal, NORMAL_SECONDS, "s", slack=slack),
        *examine(data, issuer.ledger).rows(TEST, done),
        *rows,
    ]


def _share(seconds: list[float], share: float) -> float:
    return sorted(seconds)[int(len(seconds) * share)] if seconds else float("inf")


def _refusals_row(offered: Offered) -> Row:
    figure = f"{len(offered.refused)} × 503, p50 {_share(offered.refused, 0.5) * 1e3:.0f} ms; {len(offered.failed)} other answers"
    figure += f" ({offered.failed[0]})" if offered.failed else ""
    return Row(TEST, "what could not be taken", figure, "503 + Retry-After alone", not offered.failed and bool(offered.refused))


async def _quiet_latency(collector: CollectorProcess) -> float:
    """The median of one sender's requests, one after another."""
    return statistics.median([await _probe_seconds(collector) for _ in range(QUIET_PROBES)])


async def _probe_seconds(collector: CollectorProcess) -> float:
    """Seconds to a 200; for ever if it is refused."""
    event = {"type": "track", "event": "Probe", "userId": "probe", "messageId": f"quiet-{time.time_ns()}"}
    started = time.monotonic()
    status, _ = await asyncio.to_thread(collector.post, "/v1/track", event)
    return time.monotonic() - started if status == 200 else float("inf")


async def _until_normal(collector: CollectorProcess, usual: float, since: float) -> float:
    """Seconds from then until the first of five probes in a row that are answered as on a quiet collector, or nearly."""
    started, good, first = time.monotonic(), 0, 0.0
    while good < 5 and time.monotonic() - started < 10 * NORMAL_SECONDS:
        at = time.monotonic()
        is_good = await _probe_seconds(collector) < max(4 * usual, 0.1)
        first = at if is_good and not good else first
        good = good + 1 if is_good else 0
        await asyncio.sleep(0.02)
    return first - since if good else float("inf")


async def _capacity(collector: CollectorProcess) -> float:
    """Events a second that the slow disk takes from senders who wait for each answer."""
    issuer = Issuer(collector.port, collector.server_key, run="capacity", batch_events=BATCH_EVENTS, copies=lambda _: 1)
    issuer.start()
    await asyncio.sleep(SETTLE_SECONDS)
    before = len(issuer.ledger.acknowledged)
    await asyncio.sleep(CALIBRATION_SECONDS)
    taken = len(issuer.ledger.acknowledged) - before
    await issuer.finish(seconds=10)
    return taken / CALIBRATION_SECONDS


async def _offer(collector: CollectorProcess, issuer: Issuer, events_per_second: float, seconds: float) -> Offered:
    """Requests at a rate, whatever becomes of those before them; refused ones are the issuer's to send again afterwards."""
    offered, idle, tasks = Offered(), [Connection(collector.port) for _ in range(CONNECTIONS)], set[asyncio.Task[None]]()
    started = time.monotonic()

    async def send(connection: Connection) -> None:
        numbers = issuer.take(BATCH_EVENTS)
        exchange = await connection.exchange(issuer.request(numbers))
        idle.append(connection)
        _note(offered, exchange)
        issuer.settle(numbers, exchange)

    while (passed := time.monotonic() - started) < seconds:
        due = passed * events_per_second / BATCH_EVENTS
        while offered.sent < due and idle:
            offered.sent += 1
            task = asyncio.create_task(send(idle.pop()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(TICK_SECONDS)
    offered.ended_at = time.monotonic()
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return offered


def _note(offered: Offered, exchange: Exchange) -> None:
    if exchange.status == 200:
        offered.accepted.append(exchange.seconds)
    elif exchange.status == 503 and b"retry-after" in exchange.head.lower():
        offered.refused.append(exchange.seconds)
    else:
        offered.failed.append(f"{exchange.how} {exchange.status}")
