"""The wall clock jumps under load, ahead and back: nothing is lost, retries are recognised, times stay in order of receipt."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from loadtests.collector_process import CollectorProcess
from loadtests.oracle.faults.file_layer import FileLayer
from loadtests.oracle.issuer import Issuer
from loadtests.oracle.judge import conservation_row, examine
from loadtests.oracle.proofs.probe import probe_row
from loadtests.oracle.table import Row
from tropa_collector.store.sqlite.file import FILE_NAME

TEST = "clock jumps"
HOUR = 3_600.0
JUMPS = (HOUR, -HOUR, 26 * HOUR, -48 * HOUR, 20 * 24 * HOUR, 0.0)
EVENTS_BETWEEN = 400


async def prove(directory: Path, *, module: str = "tropa_collector") -> list[Row]:
    """Each jump under load; acknowledged requests are sent again across them all."""
    data = directory / "data"
    data.mkdir(parents=True)
    layer = FileLayer(directory / "layer", data)
    with CollectorProcess(data, module=module, environment=layer.environment) as collector:
        issuer = Issuer(collector.port, collector.server_key, run="clock", batch_events=10)
        issuer.start()
        for jump in JUMPS:
            await issuer.until(EVENTS_BETWEEN, seconds=10)
            layer.ask(clock_offset_seconds=jump)
        await issuer.until(EVENTS_BETWEEN, seconds=10)
        await issuer.finish()
        again = await _send_all_again(collector, issuer)
        rows = [_struck_row(data), again, probe_row(TEST, collector), conservation_row(TEST, collector.metrics())]
        await asyncio.to_thread(collector.stop)
    done = "jumps of +1 h, −1 h, +26 h, −48 h, +20 days and back to the truth"
    return [*examine(collector.data, issuer.ledger).rows(TEST, done), *rows]


def _struck_row(data: Path) -> Row:
    """A fault that does not strike proves nothing: the receipts must bear the jumps."""
    with sqlite3.connect(data / FILE_NAME) as connection:
        first, last = connection.execute("SELECT min(received_at), max(received_at) FROM events").fetchone()
    days = (last - first) / 86_400e6
    return Row(TEST, "the collector's clock meanwhile", f"receipts {days:.1f} days apart", "22 days", days > 21)


async def _send_all_again(collector: CollectorProcess, issuer: Issuer) -> Row:
    """Every id once more, after the jumps: the judge then finds whether one was taken for new."""
    before = collector.count_events()
    again = Issuer(collector.port, collector.server_key, run=issuer.ledger.run)
    again.start()
    await again.until(issuer.ledger.issued, seconds=30)
    await again.finish()
    issuer.ledger.issued = max(issuer.ledger.issued, again.ledger.issued)
    fresh = len(again.ledger.acknowledged) - len(again.ledger.acknowledged & issuer.ledger.acknowledged)
    stored = collector.count_events() - before
    return Row(TEST, "every acknowledged event sent once more", f"{stored - fresh} stored again", "0", stored == fresh)
