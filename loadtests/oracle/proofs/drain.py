"""SIGTERM under load: whatever was sent before it is answered, committed and not reset; the exit status is 0."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.exchange import post
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import examine
from loadtests.oracle.table import Row, at_most, none_of

TEST = "SIGTERM under load"
EXIT_SECONDS = 10.0
EVENTS_BEFORE = 400


async def prove_stuck_upload(directory: Path, *, drain_seconds: float = 8.0) -> list[Row]:
    """A body that never comes does not hold the collector up: it leaves in time, and says that nothing was left unanswered."""
    with CollectorProcess(directory / "stuck", drain_seconds=drain_seconds) as collector:
        _, writer = await asyncio.open_connection("127.0.0.1", collector.port)
        writer.write(post("/v1/batch", bytes(1_000), f"x-write-key: {collector.server_key}")[:-500])
        await writer.drain()
        await asyncio.sleep(0.05)
        signalled = time.monotonic()
        status = await asyncio.to_thread(collector.stop)
        seconds = time.monotonic() - signalled
        writer.close()
    done = f"SIGTERM during an upload that stalls, drain_seconds={drain_seconds:g}"
    return [at_most(TEST, done, seconds, drain_seconds + 2.0, "s"), Row(TEST, done, f"exit {status}", "exit 0", status == 0)]


async def prove(directory: Path, *, times: int, module: str = "tropa_collector", slack: float = 1.0) -> list[Row]:
    """Stop and start again under load. Half the senders keep their connection, half connect for each request."""
    collector = CollectorProcess(directory / "data", module=module)
    issuer = Issuer(collector.port, collector.server_key, run="drain", senders=24, keep_alive=False)
    seconds, statuses, before, after = [], [], 0, 0
    with collector:
        issuer.start()
        for _ in range(times):
            await issuer.until(EVENTS_BEFORE, seconds=10)
            signalled = time.monotonic()
            statuses.append(await asyncio.to_thread(collector.stop))
            seconds.append(time.monotonic() - signalled)
            await asyncio.sleep(0.05)
            unanswered = [exchange.sent_at <= signalled for exchange in issuer.ledger.unanswered]
            before, after = before + unanswered.count(True), after + unanswered.count(False)
            issuer.ledger.unanswered.clear()
            await asyncio.to_thread(collector.restart)
        await issuer.finish()
        await asyncio.to_thread(collector.stop)
    done = f"{times} × SIGTERM, {issuer.ledger.exchanges['200']} requests answered 200"
    return [
        none_of(TEST, f"requests sent before the signal; {done}", before, "reset or left unanswered"),
        Row(TEST, "requests sent while it was stopping", f"{after} reset or left unanswered", "counted", holds=True),
        Row(TEST, done, f"exit {sorted(set(statuses))}", "exit 0", set(statuses) == {0}),
        at_most(TEST, f"slowest of {times}", max(seconds), EXIT_SECONDS, "s", slack=slack),
        *examine(collector.data, issuer.ledger).rows(TEST, done),
    ]
