"""Whoever follows the log misses nothing, though ids are taken in one order and committed in another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from tests.contacts.file_store import NOW, record_of
from tests.identity.streams import call
from tests.postgres.database_store import Databases

from tropa_collector.identity.policy import Policy
from tropa_collector.store.postgres.connect import connect
from tropa_collector.store.postgres.migrate import migrate
from tropa_collector.store.postgres.reading.feed import PostgresFeed
from tropa_collector.store.postgres.writing.identity import Resolution
from tropa_collector.store.postgres.writing.memory import Memory
from tropa_collector.store.postgres.writing.transaction import Transaction
from tropa_collector.store.protocol import Submission


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    url = databases.take()
    yield url
    databases.give_back(url)


async def _open(url: str) -> Transaction:
    connection = await connect(url)
    await migrate(connection)
    memory = Memory()
    return Transaction(connection, memory, Resolution(connection, memory, Policy()))


def test_the_log_ends_before_a_transaction_that_is_still_open(database: str) -> None:
    async def scenario() -> list[int]:
        slow, quick = await _open(database), await _open(database)
        feed = PostgresFeed(database)
        await quick.commit([Submission([record_of(call("m1", 1, "c1"))])])
        seen = [await feed.head("events")]
        late = slow._connection.transaction()
        await late.start()
        await slow._take_part()
        await slow._insert_events([record_of(call("m2", 2, "c1"))], [1])
        await quick.commit([Submission([record_of(call("m3", 3, "c1"))])])
        seen.append(await feed.head("events"))
        seen.append(len((await feed.read("events", after=0, through=10, limit=10, max_bytes=10**6)).entries))
        await late.commit()
        seen.append(await feed.head("events"))
        seen.append(len((await feed.read("events", after=0, through=10, limit=10, max_bytes=10**6)).entries))
        await feed.stop()
        for transaction in (slow, quick):
            await transaction._connection.close()
        return seen

    assert asyncio.run(scenario()) == [1, 1, 1, 3, 3]


def test_a_follower_of_three_collectors_gets_every_event_once(database: str) -> None:
    async def write(number: int) -> None:
        dice, transaction = random.Random(number), await _open(database)
        for batch in range(25):
            calls = [call(f"{number}-{batch}-{n}", n, f"c{dice.randrange(40)}") for n in range(dice.randrange(1, 6))]
            await transaction.commit([Submission([record_of(one, received_at=NOW + batch) for one in calls])])
        await transaction._connection.close()

    async def follow(feed: PostgresFeed, after: int, seen: list[int]) -> int:
        stretch = await feed.read("events", after=after, through=10**6, limit=7, max_bytes=10**6)
        assert all(after < entry.position <= stretch.through for entry in stretch.entries)
        seen += [entry.position for entry in stretch.entries]
        return stretch.through

    async def scenario() -> tuple[list[int], list[int]]:
        feed, seen, after = PostgresFeed(database), list[int](), 0
        writers = [asyncio.create_task(write(number)) for number in range(3)]
        while not all(writer.done() for writer in writers):
            after = await follow(feed, after, seen)
        await asyncio.gather(*writers)
        head = await feed.head("events")
        while after < head:
            after = await follow(feed, after, seen)
        stored = await feed._snapshots.read(lambda session: session.execute("SELECT id FROM events ORDER BY id").fetchall())
        await feed.stop()
        return seen, [number for (number,) in stored]

    seen, stored = asyncio.run(scenario())
    assert len(stored) > 100
    assert seen == stored
