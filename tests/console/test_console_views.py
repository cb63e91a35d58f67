"""What the console asks the embedded store grows with nothing: no statement walks the table of events from end to end."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest
from loadtests.collector_process import CollectorProcess

from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.store.sqlite.reading.overview import SAMPLING
from tropa_collector.store.sqlite.reading.snapshots import Snapshots
from tropa_collector.store.summaries import arrivals, overview, refusals, rollups, samples
from tropa_collector.store.summaries.arrivals import End
from tropa_collector.store.views import LiveFilter, Place

NOW = time.time_ns() // 1_000
END = End(Place(1_000, 1_000))
READS: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "traffic": lambda connection: overview.traffic(connection, NOW, SAMPLING),
    "visitors": lambda connection: overview.visitors(connection, NOW, SAMPLING),
    "newest": lambda connection: arrivals.arrivals(connection, None, END, LiveFilter(), 50),
    "arrivals": lambda connection: arrivals.arrivals(connection, Place(1, 1), END, LiveFilter("web", "track", "", 1, "x%_\\"), 50),
    "event": lambda connection: arrivals.event(connection, 1),
    "census": lambda connection: rollups.census(connection, 0, NOW // 60_000_000),
    "sample": lambda connection: samples.sample(connection, "track", "Product Added", NOW // 1_000_000, 100),
    "milestones": lambda connection: rollups.milestones(connection, ["web"], ["shop"]),
    "refusals": lambda connection: refusals.groups(connection, "", 100),
    "of_group": lambda connection: refusals.of_group(connection, ("bad_timestamp", "$.timestamp", "shop"), None, 50),
}
#: Bounded by the LIMIT inside their statement, or by the minutes they name: roll-ups and quarantine, never events.
WHOLE = ("SCAN events", "SCAN e", "SCAN identifiers", "SCAN i", "SCAN contacts")


@pytest.mark.parametrize("name", READS)
def test_no_statement_walks_a_table(shop: CollectorProcess, name: str) -> None:
    def watched(connection: sqlite3.Connection) -> list[str]:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        assert READS[name](connection) is not None
        connection.set_trace_callback(None)
        asked = [text for text in statements if text.lstrip().startswith(("SELECT", "WITH"))]
        assert asked
        return [str(row[3]) for text in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]

    async def read() -> list[str]:
        snapshots = Snapshots(shop.data / FILE_NAME)
        try:
            return await snapshots.read(watched)
        finally:
            await snapshots.stop()

    steps = asyncio.run(read())
    assert [step for step in steps if step in WHOLE or step.startswith(tuple(f"{whole} " for whole in WHOLE))] == []


def test_what_it_looks_for_is_what_sqlite_says() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, name TEXT)")
    ((*_, step),) = connection.execute("EXPLAIN QUERY PLAN SELECT * FROM events WHERE name = 'x'")
    assert step in WHOLE
