"""Faults that last: meanwhile 503 and ``/ready`` red and not one false 200, afterwards normal by itself within 5 s."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import Connection, Exchange, header, post
from loadtests.oracle.faults.full_disk import MIB, FullDisk, small_disk
from loadtests.oracle.faults.sync_errors import sync_errors
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most, none_of

RECOVER_SECONDS = 5.0
EVENTS_BEFORE = 300
EVENTS_TRACED = 40  # strace stops a process at every system call
DISK_TEST, SYNC_TEST = "disk full", "EIO on fsync"


async def prove_full_disk(directory: Path, *, mebibytes: int = 64, seconds: float = 2.0, slack: float = 1.0) -> list[Row]:
    """Fill a small tmpfs under load, hold it full, free it."""
    with small_disk(directory / "disk", mebibytes=mebibytes) as disk:
        with CollectorProcess(disk / "data") as collector:
            collector.log_file = directory / "data.log"
            issuer = Issuer(collector.port, collector.server_key, run="disk")
            issuer.start()
            await issuer.until(EVENTS_BEFORE, seconds=10)
            fault = FullDisk(disk)
            fault.begin(leave_bytes=2 * MIB)
            rows = [await _refused_row(DISK_TEST, collector, "disk_full")]
            await asyncio.sleep(seconds)
            rows.append(await _ready_row(DISK_TEST, collector, "disk_full"))
            fault.end()
            rows.append(await _recovery_row(DISK_TEST, collector, slack=slack))
            rows += await _close(DISK_TEST, collector, issuer)
        return [*examine(collector.data, issuer.ledger).rows(DISK_TEST, f"{mebibytes} MiB tmpfs filled and freed"), *rows]


async def prove_sync_errors(
    directory: Path, *, seconds: float = 2.0, module: str = "tropa_collector", slack: float = 1.0
) -> list[Row]:
    """One failing sync, then all of them for some seconds: what was not synced is not acknowledged."""
    with CollectorProcess(directory / "data", module=module) as collector:
        issuer = Issuer(collector.port, collector.server_key, run="sync")
        issuer.start()
        await issuer.until(EVENTS_BEFORE, seconds=10)
        async with sync_errors(collector, only_first=True):
            await issuer.until(EVENTS_TRACED, seconds=5)
        rows = [await _recovery_row(SYNC_TEST, collector, slack=slack)]
        async with sync_errors(collector):
            await asyncio.sleep(0.3)  # an answer may be on its way that was committed before
            before = issuer.ledger.exchanges["200"]
            await asyncio.sleep(seconds)
            answered = issuer.ledger.exchanges["200"] - before
        rows.append(none_of(SYNC_TEST, f"every sync failed for {seconds} s", answered, "answers of 200"))
        rows.append(await _recovery_row(SYNC_TEST, collector, slack=slack))
        rows += await _close(SYNC_TEST, collector, issuer)
    return [*examine(collector.data, issuer.ledger).rows(SYNC_TEST, "one failing sync, then all of them"), *rows]


async def _close(test: str, collector: CollectorProcess, issuer: Issuer) -> list[Row]:
    await issuer.until(EVENTS_BEFORE, seconds=10)
    await issuer.finish()
    rows = [probe_row(test, collector), conservation_row(test, collector.metrics())]
    await asyncio.to_thread(collector.stop)
    return rows


async def _send(collector: CollectorProcess, name: str) -> Exchange:
    event = {"type": "track", "event": "Filler", "anonymousId": "x", "messageId": name, "properties": {"text": "x" * 4_000}}
    connection = Connection(collector.port)
    try:
        return await connection.exchange(post("/v1/track", orjson.dumps(event), f"x-write-key: {collector.server_key}"))
    finally:
        connection.close()


async def _refused_row(test: str, collector: CollectorProcess, code: str) -> Row:
    """The first 503 of that code, and its Retry-After."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        refused = await _send(collector, f"filler-{time.time_ns()}")
        if refused.status == 503 and orjson.loads(refused.body)["code"] == code:
            wait = header(refused.head, b"retry-after").decode()
            return Row(test, "a request meanwhile", f"503 {code}, Retry-After {wait}", "503 and Retry-After", wait.isdigit())
    return Row(test, "a request meanwhile", f"{refused.status} {refused.body[:80]!r}", f"503 {code}", holds=False)


async def _ready_row(test: str, collector: CollectorProcess, code: str) -> Row:
    status, body = await asyncio.to_thread(collector.request, "GET", "/ready")
    document = orjson.loads(body)
    return Row(
        test, "/ready meanwhile", f"{status} {document.get('code', '')}", f"503 {code}", status == 503 and document["code"] == code
    )


async def _recovery_row(test: str, collector: CollectorProcess, *, slack: float) -> Row:
    started = time.monotonic()
    for _ in range(1_000):
        if (await _send(collector, f"recovery-{time.time_ns()}")).status == 200:
            break
        await asyncio.sleep(0.02)
    return at_most(test, "from the fault's end to the first 200", time.monotonic() - started, RECOVER_SECONDS, "s", slack=slack)
