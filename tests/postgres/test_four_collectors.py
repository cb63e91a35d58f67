"""Four collectors over one database decide who is who as one would, in whatever order events come and however often."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.contacts.file_store import NOW, record_of
from tests.identity.invariants import broken, i4_connected, i7_components
from tests.identity.memory_store import MemoryStore
from tests.identity.streams import in_batches, random_calls
from tests.identity.test_identity_streams import harmless
from tests.postgres.database_store import Databases

from tropa_collector.errors import Unavailable
from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import Call, Contact, Core, Edge, Identifier, NextIds
from tropa_collector.settings import Settings
from tropa_collector.store.contacts.refs import CONTACT, EDGE, IDENTIFIER
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.postgres.writing.identity import Resolution
from tropa_collector.store.postgres.writing.log import PostgresLog
from tropa_collector.store.protocol import Outcome, Submission

COLLECTORS = 4
UNLOCKED_SECONDS = 30.0  # it takes three


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    url = databases.take()
    yield url
    databases.give_back(url)


async def deliver(url: str, calls: Sequence[Call], dice: random.Random) -> list[int]:
    """Every call to two of the collectors, each in an order of its own, all at once; what became of them."""
    logs = [PostgresLog(Settings(store=url, queue_seconds=60)) for _ in range(COLLECTORS)]
    for log in logs:
        await log.start()

    async def send(log: PostgresLog, mine: list[Call]) -> list[int]:
        flags: list[int] = []
        for batch in in_batches(dice.sample(mine, len(mine)), dice, 7):
            flags += await log.commit(Submission([record_of(one, received_at=NOW) for one in batch]))
        return flags

    parts = [[one for n, one in enumerate(calls) if place in (n % COLLECTORS, (n + 1) % COLLECTORS)] for place in range(COLLECTORS)]
    try:
        flags = await asyncio.gather(*(send(log, mine) for log, mine in zip(logs, parts, strict=True)))
    finally:
        for log in logs:
            await log.stop(seconds=10)
    return [flag for some in flags for flag in some]


async def loaded(url: str, calls: Sequence[Call]) -> MemoryStore:
    """The database's rows as the invariants look at them."""
    snapshots = Snapshots(url)
    store = await snapshots.read(lambda session: _rows(session, {one.event_id: one for one in calls}))
    await snapshots.stop()
    return store


def _rows(session: Session, calls: dict[str, Call]) -> MemoryStore:
    store = MemoryStore(Policy())

    def all_of(sql: str) -> list[Any]:
        return session.execute(sql).fetchall()

    store.identifiers = {row[0]: Identifier._make(row) for row in all_of(f"SELECT {IDENTIFIER} FROM identifiers")}
    store.by_key = {(row.kind, row.value): row.id for row in store.identifiers.values()}
    store.contacts = {row[0]: Contact._make(row) for row in all_of(f"SELECT {CONTACT} FROM contacts")}
    store.cores = {
        row[0]: Core(row[0], row[1], tuple(json.loads(row[2]))) for row in all_of("SELECT id, merges, recent FROM cores")
    }
    store.edges = {(row[0], row[1]): Edge._make(row) for row in all_of(f"SELECT {EDGE} FROM edges")}
    store.events = {
        name: (calls[name], anchor) for name, anchor in all_of("SELECT message_id, coalesce(identifier, 0) FROM events")
    }
    return store


@pytest.mark.parametrize("trust", [0, 2])
def test_63_without_conflicts_the_partition_is_that_of_one_collector(database: str, trust: int) -> None:
    calls = harmless(random.Random(trust), 120, trust)
    flags = asyncio.run(deliver(database, calls, random.Random(1)))
    assert (flags.count(Outcome.STORED), flags.count(Outcome.DUPLICATE)) == (len(calls), len(calls))
    found, alone = asyncio.run(loaded(database, calls)), MemoryStore(Policy())
    alone.deliver(calls)
    assert found.partition() == alone.partition()
    assert found.partition(proven=True) == alone.partition(proven=True)
    assert found.events.keys() == alone.events.keys()
    assert [*i7_components(found), *i4_connected(found), *broken(found)] == []


def test_with_conflicts_the_invariants_hold(database: str) -> None:
    calls = [one._replace(traits=None) for one in random_calls(random.Random(7), 160, claims=0.5, width=6)]
    flags = asyncio.run(deliver(database, calls, random.Random(2)))
    assert set(flags) == {Outcome.STORED, Outcome.DUPLICATE}
    assert list(broken(asyncio.run(loaded(database, calls)))) == []


def goes_wrong(url: str, seed: int) -> bool:
    calls = harmless(random.Random(seed), 60, 2)

    async def deliver_in_time() -> list[int]:
        async with asyncio.timeout(UNLOCKED_SECONDS):
            return await deliver(url, calls, random.Random(seed))

    try:
        flags = asyncio.run(deliver_in_time())
    except (Unavailable, TimeoutError):
        return True  # they wait for each other's rows until somebody gives up
    found = asyncio.run(loaded(url, calls))
    return Outcome.QUARANTINED in flags or bool([*i7_components(found), *broken(found)])


def test_without_the_lock_it_goes_wrong(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two have to meet at the wrong moment, which now and then they do not: then once more."""

    async def no_lock(_: Resolution) -> None:
        return

    read = Resolution.next_ids

    async def read_and_wait(resolution: Resolution) -> NextIds:
        ids = await read(resolution)
        await asyncio.sleep(0.02)
        return ids

    monkeypatch.setattr(Resolution, "lock", no_lock)
    monkeypatch.setattr(Resolution, "next_ids", read_and_wait)
    urls = (databases.take() for _ in range(6))
    assert any(goes_wrong(url, seed) for seed, url in enumerate(urls))
