"""A million events to Parquet and to ClickHouse, compared with the store row by row.

    python -m loadtests.forward_rows [--events 1000000]

Visitors browse, one in ten events identifies, so that contacts merge. The store is filled, then each destination is given the
whole log, as ``tropa forward`` does; DuckDB reads the Parquet, the engine of ClickHouse (chdb, behind the tests' double of its HTTP
interface) its tables.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson

from loadtests.collector_process import free_port
from tropa_collector.forward.backfill import Span, backfill
from tropa_collector.forward.rows import event_row
from tropa_collector.identity.identifiers import Scope, extract
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import Logged, Record, Submission
from tropa_collector.store.sqlite.reading.feed import SqliteFeed
from tropa_collector.store.sqlite.writing.client import SqliteLog

DOUBLE = Path(__file__).parents[1] / "tests" / "forward" / "clickhouse_double.py"
START = 1_795_000_000_000_000
BATCH_EVENTS = 1_000
PAGE_ROWS = 20_000
COLUMNS = "position, received_at, timestamp, original_at, type, name, source, trust, message_id, anonymous_id, user_id, identifier"

Row = tuple[Any, ...]


class Outcome(NamedTuple):
    """Of one destination."""

    name: str
    seconds: float
    cpu_seconds: float  # of this process: reading, choosing, encoding
    rows: int
    different: int

    def line(self, events: int) -> str:
        pace = f"{events / self.seconds:>8,.0f} events/s, {self.cpu_seconds / events * 1e6:5.1f} µs of processor an event"
        return f"{self.name:12} {self.rows:>10,} rows, {self.different} different from the store's; {pace}"


def record_of(number: int, scope: Scope) -> Record:
    """One event of visitor ``number // 10``, who logs in at the tenth; every third visitor is one whose email was seen before."""
    visitor = number // 10
    at = START + number * 997
    event: dict[str, Any] = {
        "messageId": f"m-{number}",
        "anonymousId": f"a-{visitor}",
        "properties": {"n": number, "title": "Кружка"},
    }
    if number % 10 == 9:
        event |= {"type": "identify", "userId": f"u-{visitor}", "traits": {"email": f"v{visitor // 3}@example.com", "n": number}}
    else:
        event |= {"type": "track", "event": ("Product Viewed", "Product Added", "Order Completed")[number % 3]}
    found = extract(event, scope)
    identity: Any = ([*map(tuple, found.identifiers)], found.traits, found.previous)
    enriched = {"device": {"bot": number % 50 == 0}, "geo": {"country": "RU"}, "campaign": None, "page": None, "ip": "203.0.113.0"}
    body = orjson.dumps({**event, "enriched": enriched}).decode()
    return Record("web", 0, event["type"], event.get("event", ""), event["messageId"], at, at - 500, at - 400, body, identity)


async def fill(settings: Settings, events: int) -> None:
    """Store the events."""
    log, scope = SqliteLog(settings), Scope()
    await log.start()
    for first in range(0, events, BATCH_EVENTS):
        await log.commit(Submission([record_of(n, scope) for n in range(first, min(first + BATCH_EVENTS, events))]))
    await log.stop(seconds=60)


def stored(data: Path) -> Iterator[Row]:
    """The store's rows in the order of commit."""
    with asyncio.Runner() as runner:
        feed, after = SqliteFeed(data), 0
        head = runner.run(feed.head("events"))
        while after < head:
            stretch = runner.run(feed.read("events", after=after, through=head, limit=PAGE_ROWS, max_bytes=1 << 30))
            yield from (_row_of(entry) for entry in stretch.entries)
            after = stretch.through
        runner.run(feed.stop())


def _row_of(entry: Logged) -> Row:
    row = event_row(entry)
    return (*(row[name] for name in COLUMNS.split(", ")), _content(row["body"]))


def _content(body: str) -> bytes:
    """The event itself, but for the contact that it had at the moment of forwarding."""
    event = orjson.loads(body)
    del event["contact_id"]
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS)


def in_parquet(directory: Path) -> Iterator[Row]:
    """What DuckDB finds."""
    times = {"received_at", "timestamp", "original_at"}
    columns = ", ".join(f"epoch_us({name})" if name in times else name for name in COLUMNS.split(", "))
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {columns}, body FROM '{directory}/*events-*.parquet' ORDER BY position")
        while rows := found.fetchmany(PAGE_ROWS):
            yield from ((*row[:-1], _content(row[-1])) for row in rows)


def in_clickhouse(url: str, database: str) -> Iterator[Row]:
    """What ClickHouse finds, each event once."""
    times = {"received_at", "timestamp", "original_at"}
    columns = ", ".join(f"toUnixTimestamp64Micro({name})" if name in times else name for name in COLUMNS.split(", "))
    position = 0
    while True:
        query = (
            f"SELECT {columns}, body FROM events FINAL WHERE position > {position} ORDER BY position LIMIT {PAGE_ROWS}"
            " SETTINGS output_format_json_quote_64bit_integers=0 FORMAT JSONCompactEachRow"
        )
        request = urllib.request.Request(f"{url}/?database={database}", query.encode())
        with urllib.request.urlopen(request) as answer:
            rows = [orjson.loads(line) for line in answer.read().splitlines()]
        yield from ((*row[:-1], _content(row[-1])) for row in rows)
        if len(rows) < PAGE_ROWS:
            return
        position = rows[-1][0]


def different(ours: Iterator[Row], theirs: Iterator[Row]) -> tuple[int, int]:
    """How many rows there are there, and how many are not those of the store at the same place."""
    rows, wrong = 0, 0
    for row in ours:
        other = next(theirs, None)
        rows += other is not None
        wrong += other != row
    more = sum(1 for _ in theirs)
    return rows + more, wrong + more


def forward(settings: Settings, name: str, there: Any) -> Outcome:
    """Give a destination the whole log, and compare."""
    started, cpu = time.monotonic(), time.process_time()
    asyncio.run(backfill(settings, name, Span.read("2020-01-01", None)))
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    return Outcome(name, seconds, cpu_seconds, *different(stored(settings.data), there()))


@contextmanager
def clickhouse_double(directory: Path) -> Iterator[str]:
    """Start it; its URL, once it answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, str(DOUBLE), str(port), str(directory)]) as double:
        try:
            deadline = time.monotonic() + 60
            while not _answers(url):
                assert time.monotonic() < deadline, "the double of ClickHouse does not answer"
                time.sleep(0.05)
            yield url
        finally:
            double.kill()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/double").close()
    except OSError:
        return False
    return True


def compare(directory: Path, events: int) -> list[Outcome]:
    """Fill a store, forward it to both, compare."""
    lake, database = directory / "lake", "rows"
    with clickhouse_double(directory / "clickhouse") as url:
        tables: dict[str, Any] = {
            "parquet": {"type": "parquet", "path": str(lake)},
            "clickhouse": {"type": "clickhouse", "url": url, "database": database},
        }
        settings = Settings(data=directory / "data", queue_seconds=60, destinations=tables)
        asyncio.run(fill(settings, events))
        return [
            forward(settings, "parquet", lambda: in_parquet(lake)),
            forward(settings, "clickhouse", lambda: in_clickhouse(url, database)),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="tropa-rows-") as directory:
        outcomes = compare(Path(directory), options.events)
    for outcome in outcomes:
        print(outcome.line(options.events), flush=True)
    sys.exit(any(outcome.different or outcome.rows != options.events for outcome in outcomes))


if __name__ == "__main__":
    main()
