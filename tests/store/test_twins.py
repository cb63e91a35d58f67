"""The embedded store and its in-memory twin answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.postgres.database_store import Databases

from tropa_collector.settings import Settings
from tropa_collector.store.memory import MemoryStore
from tropa_collector.store.postgres.reading.reader import PostgresReader
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.writing.log import PostgresLog
from tropa_collector.store.protocol import EventQuery, Quarantined, Record, Submission
from tropa_collector.store.sqlite.reading.reader import SqliteReader
from tropa_collector.store.sqlite.writing.client import SqliteLog

NOW = 1_795_000_000_000_000
Both = tuple[Any, Any]


def record(number: int, **fields: Any) -> Record:
    body = f'{{"type":"track","messageId":"m-{number}","properties":{{"n":{number}}}}}'
    at = NOW + number * 1_000
    return Record("web", 0, "track", "Order Completed", f"m-{number}", at, at - 500, at - 400, body)._replace(**fields)


def bad(number: int) -> Quarantined:
    code = ("missing_field", "unknown_type")[number % 2]
    return Quarantined("web", NOW + number, "track", "", code, "$.event", "why", f"b-{number}", b'{"a":1}', '{"hints":{}}')


@asynccontextmanager
async def sqlite(directory: Path) -> AsyncIterator[Both]:
    settings = Settings(data=directory, queue_seconds=30)
    log, reader = SqliteLog(settings), SqliteReader(directory)
    await log.start()
    await reader.start()
    try:
        yield log, reader
    finally:
        await reader.stop()
        await log.stop(seconds=5)


@asynccontextmanager
async def postgres(url: str) -> AsyncIterator[Both]:
    log, snapshots = PostgresLog(Settings(store=url, queue_seconds=30)), Snapshots(url)
    reader = PostgresReader(snapshots)
    await log.start()
    await reader.start()
    try:
        yield log, reader
    finally:
        await reader.stop()
        await log.stop(seconds=5)


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Both]:
    store = MemoryStore()
    yield store, store


async def _scenario(log: Any, reader: Any) -> list[Any]:
    seen: list[Any] = []
    seen.append(list(await log.commit(Submission([record(1), record(2), record(1)], [bad(0), bad(1)]))))
    seen.append(list(await log.commit(Submission([record(2), record(3, name="Cart Viewed"), record(4, source="shop")], [bad(2)]))))
    seen.append(list(await log.commit(Submission([record(5, original_at=0), record(5, original_at=0)], (), [1]))))
    seen.append(list(await log.commit(Submission([record(1, source="shop", received_at=NOW + 6_000)]))))
    for query in (
        EventQuery(),
        EventQuery(limit=2),
        EventQuery(message_id="m-3"),
        EventQuery(message_id="unknown"),
        EventQuery(type="track", name="Cart Viewed"),
        EventQuery(source="shop"),
        EventQuery(since=NOW + 3_000),
        EventQuery(message_id="m-1"),
        EventQuery(message_id="m-1", source="shop"),
        EventQuery(message_id="m-1", type="page"),
        EventQuery(message_id="m-1", name="Cart Viewed"),
        EventQuery(message_id="m-1", since=NOW + 2_000),
        EventQuery(message_id="m-1", limit=1),
    ):
        page = await reader.events(query)
        seen.append((page.rows, page.next is None))
        if page.next:
            following = await reader.events(replace(query, limit=2, before=page.next))
            seen.append((following.rows, following.next is None))
    for before in ("", "1", "a-b", "1-2-3"):
        with pytest.raises(ValueError, match="`next` of an earlier page"):
            await reader.events(EventQuery(message_id="m-1", before=before))
    for before in ("", "1-2", "a"):
        with pytest.raises(ValueError, match="`next` of an earlier page"):
            await reader.quarantine(before=before)
    for arguments in ({}, {"code": "missing_field"}, {"ids": [2]}, {"limit": 1}):
        page = await reader.quarantine(**arguments)
        seen.append((page.rows, page.next))
    totals = await reader.totals()
    seen.append({name: totals[name] for name in ("events_stored", "quarantined", "quarantine_dropped", "quarantine_released")})
    return seen


def run(store: Callable[[Any], Any], place: Path | str, scenario: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    async def inside() -> Any:
        async with store(place) as (log, reader):
            return await scenario(log, reader)

    return asyncio.run(inside())


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    url = databases.take()
    yield url
    databases.give_back(url)


def test_the_twins_answer_alike(tmp_path: Path, database: str) -> None:
    twins = run(memory, tmp_path, _scenario)
    assert run(sqlite, tmp_path, _scenario) == twins
    assert run(postgres, database, _scenario) == twins


@pytest.mark.parametrize("store", [sqlite, memory, postgres])
def test_pages_follow_one_another_without_gap_or_repeat(store: Callable[[Any], Any], tmp_path: Path, database: str) -> None:
    async def scenario(log: Any, reader: Any) -> list[str]:
        for start in range(0, 50, 10):
            await log.commit(Submission([record(number, received_at=NOW) for number in range(start, start + 10)]))
        ids: list[str] = []
        before = None
        while True:
            page = await reader.events(EventQuery(limit=7, before=before))
            ids += [row["messageId"] for row in page.rows]
            before = page.next
            if before is None:
                return ids

    assert run(store, database if store is postgres else tmp_path, scenario) == [f"m-{number}" for number in reversed(range(50))]
