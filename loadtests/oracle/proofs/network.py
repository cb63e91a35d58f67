"""Retries over a network that cuts replies, and a slow one that cuts everything: each event is stored once all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.faults.network import Network, Weather
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row

RESEND_TEST, SLOW_TEST = "sent 1–5 times, replies cut", "slow and cut network"
BATCH_EVENTS = 50
CUT_REPLIES = 0.1
MOBILE = Weather(cut_requests=0.02, cut_replies=0.05, delay_seconds=0.15, bytes_per_second=50_000)


async def prove_resend(directory: Path, *, events: int, module: str = "tropa_collector") -> list[Row]:
    """Every batch goes out one to five times, several copies at once; one reply in ten is cut."""
    with CollectorProcess(directory / "data", module=module, queue_seconds=10) as collector:
        async with Network(collector.port, Weather(cut_replies=CUT_REPLIES)) as network:
            issuer = Issuer(
                network.port, collector.server_key, run="resend", batch_events=BATCH_EVENTS, copies=lambda first: 1 + first % 97 % 5
            )
            issuer.start()
            await issuer.until(events, seconds=30 + events / 200)
            await issuer.finish(seconds=60)
        rows = [probe_row(RESEND_TEST, collector), conservation_row(RESEND_TEST, collector.metrics())]
        await asyncio.to_thread(collector.stop)
    ledger = issuer.ledger
    sent = sum(ledger.exchanges.values()) * BATCH_EVENTS
    findings = examine(collector.data, ledger)
    done = f"{ledger.issued} events in {sent} sendings, {network.cut_replies} of {network.replies} replies cut"
    once = findings.stored - len(findings.twice)
    holds = once == ledger.issued == len(ledger.acknowledged)
    return [
        Row(RESEND_TEST, done, f"{once} of {ledger.issued} stored exactly once", "each", holds),
        *findings.rows(RESEND_TEST, done)[1:],
        *rows,
    ]


async def prove_slow(directory: Path, *, seconds: float, module: str = "tropa_collector") -> list[Row]:
    """Telephones in a train: 150 ms each way, 50 KB/s, requests and replies cut anywhere."""
    with CollectorProcess(directory / "data", module=module) as collector:
        async with Network(collector.port, MOBILE) as network:
            issuer = Issuer(network.port, collector.server_key, run="slow", senders=64)
            issuer.start()
            await asyncio.sleep(seconds)
            network.weather = Weather()  # so that what is unknown is settled
            await issuer.finish(seconds=30)
        rows = [probe_row(SLOW_TEST, collector), conservation_row(SLOW_TEST, collector.metrics())]
        await asyncio.to_thread(collector.stop)
    cut = f"{network.cut_requests} requests and {network.cut_replies} replies cut in {seconds:g} s"
    return [*examine(collector.data, issuer.ledger).rows(SLOW_TEST, f"150 ms, 50 KB/s, {cut}"), *rows]
