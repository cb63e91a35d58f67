"""kill -9 under load: nothing acknowledged is lost, nothing is stored twice, and a commit is possible again within 2 s."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.faults.kill import KILLS, Fault
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row, at_most, none_of

READY_SECONDS = 2.0
EVENTS_BETWEEN = 300  # acknowledged before the next fault strikes
TEST = "kill -9 under load"


async def prove(
    directory: Path, *, times: int, faults: Sequence[Fault] = KILLS, module: str = "tropa_collector", slack: float = 1.0
) -> list[Row]:
    """Strike ``times`` times, each fault in its turn, then judge what is on disk."""
    with CollectorProcess(directory / "data", module=module) as collector:
        issuer = Issuer(collector.port, collector.server_key, run="kills")
        issuer.start()
        down = []
        for number in range(times):
            await issuer.until(EVENTS_BETWEEN, seconds=5)  # and strikes as an answer arrives
            await asyncio.sleep(number // len(faults) % 4 * 0.002)  # or a little later, in the next commit
            down.append(await faults[number % len(faults)].strike(collector))
        await issuer.until(EVENTS_BETWEEN, seconds=5)
        await issuer.finish()
        rows = [
            at_most(TEST, f"slowest of {times} returns", max(down), READY_SECONDS, "s", slack=slack),
            probe_row(TEST, collector),
            conservation_row(TEST, collector.metrics()),
        ]
        status = await asyncio.to_thread(collector.stop)
    named = ", ".join(fault.name for fault in faults)
    rows.append(
        none_of(TEST, "what nobody expected", collector.log_file.read_text("utf-8").count("Traceback"), "tracebacks in the log")
    )
    findings = examine(collector.data, issuer.ledger)
    rows.append(Row(TEST, "SIGTERM at the end", f"exit {status}", "exit 0", status == 0))
    return [*findings.rows(TEST, f"{times} × {named}"), *rows]
