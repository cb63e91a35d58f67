"""``PostgresLog`` over a real server: its crashes, poison rows, bounds, retention, and erasures that others learn of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from loadtests.postgres_server import PostgresServer, missing
from tests.contacts.file_store import record_of
from tests.identity.streams import call
from tests.postgres.database_store import Databases

from tropa_collector.errors import StoreError, Unavailable
from tropa_collector.settings import Settings
from tropa_collector.store.postgres.connect import connect
from tropa_collector.store.postgres.partitions import DAY
from tropa_collector.store.postgres.reading.reader import PostgresReader
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.writing import log as log_module
from tropa_collector.store.postgres.writing.log import PostgresLog
from tropa_collector.store.postgres.writing.retention import purge
from tropa_collector.store.protocol import EventQuery, Outcome, Quarantined, Record, Submission
from tropa_collector.transfer.rights_postgres import PostgresRights

NOW = 1_795_000_000_000_000


def record(number: int, **fields: Any) -> Record:
    body = f'{{"type":"track","messageId":"m-{number}"}}'
    at = NOW + number
    return Record("web", 0, "track", "Order Completed", f"m-{number}", at, at, at, body)._replace(**fields)


def bad(number: int, *, received_at: int = NOW, size: int = 7) -> Quarantined:
    return Quarantined("web", received_at, "track", "", "c", "$", "why", f"b-{number}", b"x" * size, "{}")


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    url = databases.take()
    yield url
    databases.give_back(url)


async def started(url: str, **settings: Any) -> PostgresLog:
    log = PostgresLog(Settings(store=url, **{"queue_seconds": 30, **settings}))
    await log.start()
    return log


async def until(log: PostgresLog, *, ready: bool) -> None:
    while log.state.ready != ready:  # noqa: ASYNC110 - bounded by the test's own limit
        await asyncio.sleep(0.01)


async def stored(url: str) -> list[str]:
    snapshots = Snapshots(url)
    page = await PostgresReader(snapshots).events(EventQuery(limit=1_000))
    await snapshots.stop()
    return sorted(row["messageId"] for row in page.rows)


async def figures(url: str) -> dict[str, Any]:
    snapshots = Snapshots(url)
    totals = await PostgresReader(snapshots).totals()
    await snapshots.stop()
    return totals


def test_what_cannot_be_opened_says_so_without_the_password() -> None:
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/shop") as caught:
        asyncio.run(started("postgresql://anna:canary@127.0.0.1:1/shop"))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("position", [0, 7, 19])
def test_a_row_that_postgresql_refuses_is_set_aside_and_its_neighbours_are_stored(database: str, position: int) -> None:
    async def scenario() -> list[list[int]]:
        log = await started(database)
        records = [record(number) for number in range(20)]
        records[position] = record(position, body="a\0b")
        outcomes = await asyncio.gather(
            *(log.commit(Submission(some)) for some in ([record(100)], records, [record(101, body="\ud800")]))
        )
        await log.stop(seconds=5)
        return [list(flags) for flags in outcomes]

    expected = [Outcome.STORED] * 20
    expected[position] = Outcome.QUARANTINED
    assert asyncio.run(scenario()) == [[Outcome.STORED], expected, [Outcome.QUARANTINED]]
    assert len(asyncio.run(stored(database))) == 20
    assert asyncio.run(figures(database))["quarantined"] == 2


def test_what_is_quarantined_may_hold_what_no_text_column_takes(database: str) -> None:
    async def scenario() -> list[dict[str, Any]]:
        log, snapshots = await started(database), Snapshots(database)
        await log.commit(Submission((), [bad(1)._replace(name="a\0b", message_id="\ud800", original=b"\0\xff")]))
        page = await PostgresReader(snapshots).quarantine()
        await snapshots.stop()
        await log.stop(seconds=5)
        return page.rows

    (row,) = asyncio.run(scenario())
    assert (row["event"], row["messageId"], row["original"]) == ("a\ufffdb", "?", "\0\ufffd")


def test_two_collectors_store_what_both_are_sent_once(database: str) -> None:
    async def scenario() -> int:
        logs = [await started(database) for _ in range(2)]
        submissions = [Submission([record(number) for number in range(start, start + 30)]) for start in range(0, 300, 10)]
        flags = await asyncio.gather(*(log.commit(one) for one in submissions for log in logs))
        for log in logs:
            await log.stop(seconds=5)
        return sum(list(one).count(Outcome.STORED) for one in flags)

    assert asyncio.run(scenario()) == 320
    assert len(asyncio.run(stored(database))) == 320
    assert asyncio.run(figures(database))["events_stored"] == 320


def test_the_queue_is_bounded(database: str) -> None:
    async def scenario() -> list[str]:
        log = await started(database, queue_events=100)
        waiting = [asyncio.create_task(log.commit(Submission([record(n) for n in range(i * 60, i * 60 + 60)]))) for i in range(4)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        await log.stop(seconds=5)
        return [one.code for one in outcomes if isinstance(one, Unavailable) and one.retry_after_seconds]

    assert asyncio.run(scenario()) == ["overloaded"] * 2


def test_a_crash_of_the_server_is_a_503_and_ends_by_itself() -> None:
    if reason := missing():
        pytest.skip(reason)

    async def scenario(server: PostgresServer, url: str) -> tuple[list[int], list[int], float]:
        log = await started(url)
        await log.commit(Submission([record(1)]))
        await asyncio.to_thread(server.stop)
        with pytest.raises(Unavailable):
            await log.commit(Submission([record(2)]))
        await until(log, ready=False)
        refused = log.refusal()
        assert refused is not None
        assert (refused.status, refused.retry_after_seconds) == (503, 1)
        await asyncio.to_thread(server.start)
        began = time.monotonic()
        await until(log, ready=True)
        seconds = time.monotonic() - began
        again = [flag for number in (1, 2) for flag in await log.commit(Submission([record(number)]))]
        await log.stop(seconds=5)
        return again, [log.reconnects], seconds

    with PostgresServer() as server:
        url = server.new_database()
        again, reconnects, seconds = asyncio.run(scenario(server, url))
        assert again == [Outcome.DUPLICATE, Outcome.STORED]
        assert reconnects[0] >= 1
        assert seconds < 4 * 2
        assert asyncio.run(stored(url)) == ["m-1", "m-2"]


def test_old_days_go_as_tables_and_their_keys_stay_for_the_dedupe_days(database: str) -> None:
    now = time.time_ns() // 1_000
    ages = [400, 40, 20, 0]

    def of(age: int, number: int) -> Record:
        at = now - age * DAY
        return record(age * 100 + number, received_at=at, original_at=at + number)

    async def scenario() -> list[int]:
        log = await started(database)
        for age in ages:
            await log.commit(Submission([of(age, number) for number in range(5)]))
        connection = await connect(database)
        await purge(connection, Settings(retention_days=30, dedupe_days=90))
        await connection.close()
        await log.stop(seconds=5)
        again = await started(database)
        outcomes = [(await again.commit(Submission([of(age, 1)._replace(received_at=now)])))[0] for age in ages]
        await again.stop(seconds=5)
        return outcomes

    assert asyncio.run(scenario()) == [Outcome.STORED, Outcome.DUPLICATE, Outcome.DUPLICATE, Outcome.DUPLICATE]
    totals = asyncio.run(figures(database))
    assert (totals["events_stored"], totals["events_purged"]) == (11, 10)


def test_an_event_of_a_day_that_was_dropped_makes_the_day_anew(database: str) -> None:
    async def scenario() -> list[int]:
        log = await started(database)
        await log.commit(Submission([record(1, received_at=NOW - 400 * DAY)]))
        connection = await connect(database)
        await purge(connection, Settings(retention_days=30))
        await connection.close()
        outcomes = await log.commit(Submission([record(2, received_at=NOW - 400 * DAY)]))
        await log.stop(seconds=5)
        return list(outcomes)

    assert asyncio.run(scenario()) == [Outcome.STORED]
    assert asyncio.run(stored(database)) == ["m-2"]


def test_quarantine_is_bounded_by_bytes_and_age_and_says_what_it_dropped(database: str) -> None:
    now = time.time_ns() // 1_000

    async def scenario() -> list[tuple[int, int]]:
        log = await started(database)
        held = [bad(n, received_at=now - 31 * DAY, size=998) for n in range(2)]
        held += [bad(n, received_at=now - DAY, size=998) for n in range(2, 10)]
        await log.commit(Submission((), held))
        connection, seen = await connect(database), []
        for limit in (1_000_000, 3_000):
            await purge(connection, Settings.model_construct(quarantine_days=30, quarantine_bytes=limit, retention_days=0))
            totals = await figures(database)
            seen.append((totals["quarantine_dropped"], totals["quarantine_bytes"]))
        await connection.close()
        await log.stop(seconds=5)
        return seen

    assert asyncio.run(scenario()) == [(2, 8_000), (7, 3_000)]


def test_an_erasure_by_one_collector_is_refused_by_the_others(database: str) -> None:
    async def scenario() -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
        first, second = await started(database), await started(database)
        for log, number in ((first, 1), (second, 2)):
            one = call(f"m{number}", number, "u1 e1 c1", traits={"email": "e1"})
            await log.commit(Submission([record_of(one, received_at=NOW, body='{"userId":"u1"}')]))
        rights = PostgresRights(first, database)
        held = await rights.export("user_id:u1")
        done = await rights.erase("user_id:u1", actor="anna", reason="asked")
        await second.commit(Submission([record_of(call("m3", 3, "u1 c2"), received_at=NOW, body='{"userId":"u1"}')]))
        snapshots = Snapshots(database)
        left = await snapshots.read(
            lambda session: session.execute("SELECT kind, value FROM identifiers WHERE state != 3 ORDER BY id").fetchall()
        )
        bodies = await snapshots.read(lambda session: session.execute("SELECT body FROM events ORDER BY id").fetchall())
        await snapshots.stop()
        for log in (first, second):
            await log.stop(seconds=5)
        assert all("u1" not in body for (body,) in bodies)
        return held, done, left

    held, done, left = asyncio.run(scenario())
    assert (len(held["events"]), len(held["identifiers"])) == (2, 3)
    assert (done["events"], done["identifiers"], done["traits"]) == (2, 3, 1)
    assert left == [("anonymous_id", "c2")]
    assert asyncio.run(figures(database))["erased_refused"] == 1


def test_an_idle_collector_sees_that_the_database_went_away(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "IDLE_SECONDS", 0.05)

    async def scenario() -> bool:
        log = await started(database)
        connection = await connect(database)
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tropa'"
                                 " AND datname = current_database() AND pid != pg_backend_pid()")  # fmt: skip
        await connection.close()
        while not log.reconnects:  # noqa: ASYNC110 - bounded by the test's own limit
            await asyncio.sleep(0.01)
        await log.commit(Submission([record(1)]))
        await log.stop(seconds=5)
        return log.reconnects > 0

    assert asyncio.run(scenario())
