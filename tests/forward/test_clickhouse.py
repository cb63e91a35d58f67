"""ClickHouse: the same rows as the store, contacts resolved at read, nothing twice after a fault. Over the real engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.forward.clickhouse import ClickHouseDouble
from tests.forward.log_entries import AT, event, feed_of, record

from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.forward.clickhouse import migrations, statements
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import declared
from tropa_collector.forward.destination import STREAMS, Surroundings
from tropa_collector.forward.memory import MemoryFeed
from tropa_collector.forward.runner import Runner
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import IdentifierRow, LogFeed, Operation, Ref, Submission
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.store.sqlite.reading.contacts import SqliteContacts
from tropa_collector.store.sqlite.reading.feed import SqliteFeed
from tropa_collector.store.sqlite.writing.client import SqliteLog
from tropa_collector.transfer.rights import erase_person


async def to_clickhouse(directory: Path, feed: LogFeed, url: str, database: str, **options: Any) -> Runner:
    """One run to the end of ``feed``, past whatever faults; the cursor stays in ``directory``."""
    table = {"type": "clickhouse", "url": url, "database": database, "start": "beginning", "linger_seconds": 0, **options}
    (one,) = declared({"warehouse": table})
    letters = DeadLetters(directory / "dead-letters.jsonl", 100_000)
    runner = Runner(one, feed, Cursor.load(directory / "cursor.json"), letters, Surroundings("warehouse"))
    heads = {stream: await feed.head(stream) for stream in STREAMS}
    await runner.start(heads)
    async with asyncio.timeout(60):
        while runner.cursor.positions != heads:
            await runner.step()
            runner._not_before = 0.0  # no waiting in tests
    await runner.stop()
    return runner


def test_the_migrations_are_numbered_and_whole() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))
    assert all(statement.lstrip("-") for _, _, script in migrations() for statement in statements(script))
    assert len(list(statements(migrations()[0][2]))) == 4


def test_rows_are_those_of_the_log(tmp_path: Path, clickhouse: ClickHouseDouble) -> None:
    feed = feed_of(500)
    odd = event(501, event='with "quotes"; and\ttabs', userId=42, properties={"text": "\u2028 ☃ \\n", "n": 501})
    feed.add("events", odd, at=AT + 501)
    for n, at in ((502, "1970-01-01T00:00:00.000Z"), (503, "1955-11-12T06:38:00.000001Z"), (504, "2100-01-01T00:00:00.000001Z")):
        feed.add("events", event(n, timestamp=at, originalTimestamp=None), at=AT + n)
    asyncio.run(to_clickhouse(tmp_path, feed, clickhouse.url, "same_rows", batch_events=100))
    rows = clickhouse.rows("same_rows", "SELECT * FROM events FINAL ORDER BY position")
    assert [json.loads(row["body"]) for row in rows] == [entry.record for entry in feed.entries["events"]]
    for row, entry in zip(rows, feed.entries["events"], strict=True):
        assert (int(row["position"]), int(row["identifier"])) == (entry.position, entry.identifiers[0] if entry.identifiers else 0)
        assert to_microseconds(row["received_at"]) == entry.at
        assert to_microseconds(row["timestamp"]) == to_microseconds(entry.record["timestamp"])
        assert (row["type"], row["name"], row["message_id"]) == ("track", entry.record["event"], entry.record["messageId"])
    assert rows[500]["user_id"] == "42"


@pytest.mark.parametrize("fault", ["fail_after_commit", "fail_before"])
def test_a_500_loses_nothing_and_stores_nothing_twice(tmp_path: Path, clickhouse: ClickHouseDouble, fault: str) -> None:
    database = f"after_{fault}"
    asyncio.run(to_clickhouse(tmp_path / "tables", MemoryFeed(), clickhouse.url, database))
    clickhouse.next_inserts(**{fault: 3})
    runner = asyncio.run(to_clickhouse(tmp_path, feed_of(300), clickhouse.url, database, batch_events=100))
    assert runner.state()["retries"] == 3
    assert clickhouse.rows(database, "SELECT count() AS n, uniqExact(position) AS u FROM events") == [{"n": 300, "u": 300}]


def test_a_lost_cursor_stores_nothing_twice(tmp_path: Path, clickhouse: ClickHouseDouble) -> None:
    """Cut into other batches, under other tokens: the rows' keys are what tells."""
    for number, size in enumerate((100, 70)):
        asyncio.run(to_clickhouse(tmp_path / str(number), feed_of(300), clickhouse.url, "lost_cursor", batch_events=size))
    assert clickhouse.rows("lost_cursor", "SELECT count() AS n FROM events FINAL") == [{"n": 300}]


def test_one_bad_row_is_set_aside(tmp_path: Path, clickhouse: ClickHouseDouble) -> None:
    """A row that the engine itself cannot read: a time past what it holds."""
    feed = feed_of(20)
    feed.entries["events"][6] = feed.entries["events"][6]._replace(at=10**22)
    runner = asyncio.run(to_clickhouse(tmp_path, feed, clickhouse.url, "bad_row"))
    assert [letter.position for letter in runner.letters.letters] in ([7], [])
    rows = clickhouse.rows("bad_row", "SELECT count() AS n FROM events FINAL")
    assert rows == [{"n": 20 - len(runner.letters.letters)}]


def test_contacts_are_resolved_at_read(tmp_path: Path, clickhouse: ClickHouseDouble) -> None:
    feed = MemoryFeed()
    feed.rows = [IdentifierRow(1, "anonymous_id", "a", 1, None, None, 0, 1), IdentifierRow(2, "user_id", "u", 2, None, None, 0, 1)]
    for n in (1, 2):
        feed.add("events", event(n), at=AT, identifier=n)
    feed.add("events", event(3), at=AT)

    def contacts() -> list[int]:
        rows = clickhouse.rows("at_read", "SELECT contact FROM events_of_contacts ORDER BY position")
        return [int(row["contact"]) for row in rows]

    async def goes_on(*, rows: list[IdentifierRow], change: str) -> None:
        feed.rows = rows
        line = {"contact_id": "c2", "other_contact_id": "c1"}
        feed.add("changes", {"type": change, "messageId": "change", **line}, at=AT + 1)
        await to_clickhouse(tmp_path, feed, clickhouse.url, "at_read")

    asyncio.run(to_clickhouse(tmp_path, feed, clickhouse.url, "at_read"))
    assert contacts() == [1, 2, 0]
    merged = [row._replace(contact=2, version=2) for row in feed.rows]
    asyncio.run(goes_on(rows=merged, change="contact_merged"))
    assert contacts() == [2, 2, 0]
    apart = [merged[0]._replace(contact=1, version=3), merged[1]._replace(version=3)]
    asyncio.run(goes_on(rows=apart, change="contact_split"))
    assert contacts() == [1, 2, 0]
    shared = [apart[0]._replace(shared_from=0, shared_contact=9, version=4), apart[1]]
    asyncio.run(goes_on(rows=shared, change="contact_shared"))
    assert contacts() == [9, 2, 0]
    assert [row["type"] for row in clickhouse.rows("at_read", "SELECT type FROM changes ORDER BY position")] == [
        "contact_merged", "contact_split", "contact_shared",
    ]  # fmt: skip


@asynccontextmanager
async def real_store(directory: Path) -> AsyncIterator[tuple[SqliteLog, SqliteContacts, SqliteFeed]]:
    log, contacts, feed = (
        SqliteLog(Settings(data=directory, queue_seconds=30)),
        SqliteContacts(directory / FILE_NAME),
        SqliteFeed(directory),
    )
    await log.start()
    try:
        yield log, contacts, feed
    finally:
        await feed.stop()
        await contacts.stop()
        await log.stop(seconds=5)


def test_a_merge_and_a_split_of_the_real_store_arrive(tmp_path: Path, clickhouse: ClickHouseDouble) -> None:
    async def scenario() -> None:
        async with real_store(tmp_path / "data") as (log, contacts, feed):
            await log.commit(Submission([record(n) for n in range(1, 41)]))

            async def agree() -> None:
                """Every contact has the events there that it has here."""
                await to_clickhouse(tmp_path / "cursor", feed, clickhouse.url, "real")
                query = "SELECT contact, arraySort(groupArray(message_id)) AS ids FROM events_of_contacts GROUP BY contact"
                theirs = {int(row["contact"]): row["ids"] for row in clickhouse.rows("real", query)}
                for contact, ids in theirs.items():
                    page = await contacts.timeline(Ref(id=contact), limit=1_000)
                    assert page is not None
                    assert sorted(row["messageId"] for row in page.rows) == ids
                assert sum(map(len, theirs.values())) == 40

            await agree()
            pair = {"first": ("anonymous_id", "a-1", 0), "second": ("anonymous_id", "a-2", 0), "actor": "t", "reason": "t"}
            merged = await log.operate(Operation("merge_contacts", pair))
            await agree()
            ref = ("anonymous_id", "a-1", 0)
            split = {"ref": ref, "merge_id": merged["merge_id"], "identifiers": [], "actor": "t", "reason": "t"}
            await log.operate(Operation("split_contact", split))
            await agree()

    asyncio.run(scenario())


def test_an_erasure_deletes_the_persons_rows(tmp_path: Path, clickhouse: ClickHouseDouble) -> None:
    feed = MemoryFeed()
    feed.rows = [
        IdentifierRow(1, "email", "anna@example.com", 1, None, None, 0, 1),
        IdentifierRow(2, "email", "b@example.com", 2, None, None, 0, 1),
    ]
    for n in (1, 2):
        feed.add("events", event(n), at=AT, identifier=n)
    line = {"contact_id": "c1", "other_contact_id": None, "a": {"kind": "email", "value": "anna@example.com"}, "b": None}
    feed.add("changes", {"type": "contact_merged", "messageId": "change-1", "contact_id": "c1", "other_contact_id": "c7"}, at=AT)
    feed.add("changes", {"type": "contact_linked", "messageId": "change-2", **line, "contact_id": "c7"}, at=AT)
    asyncio.run(to_clickhouse(tmp_path, feed, clickhouse.url, "erasure"))
    feed.rows = [feed.rows[0]._replace(value="hash", version=9), feed.rows[1]]
    erased = {"identifiers": [1], "through": 2}
    feed.add("changes", {"type": "contact_erased", "messageId": "change-3", **line, "a": None, "erased": erased}, at=AT + 1)
    asyncio.run(to_clickhouse(tmp_path, feed, clickhouse.url, "erasure"))

    def left() -> list[Any]:
        return [
            [int(row["position"]) for row in clickhouse.rows("erasure", "SELECT position FROM events")],
            sorted(row["value"] for row in clickhouse.rows("erasure", "SELECT DISTINCT value FROM identifiers")),
            [row["type"] for row in clickhouse.rows("erasure", "SELECT type FROM changes")],
        ]

    for _ in range(100):  # mutations run in the background
        if left() == [[2], ["b@example.com", "hash"], ["contact_erased"]]:
            break
        asyncio.run(asyncio.sleep(0.05))
    assert left() == [[2], ["b@example.com", "hash"], ["contact_erased"]]
    assert orjson.loads(clickhouse.rows("erasure", "SELECT body FROM changes")[0]["body"])["type"] == "contact_erased"


def test_what_an_erased_person_did_on_a_shared_device_goes_too(tmp_path: Path, clickhouse: ClickHouseDouble) -> None:
    """The device itself stays, with whoever else logged in there, and so do later events."""
    device = ("anonymous_id", "device"), 0, 700, False
    anna, boris = ((("user_id", name), 2, 10, False) for name in ("anna", "boris"))

    def done(number: int, *idents: Any) -> Submission:
        return Submission([record(number, trust=2, identity=(list(idents), None, None))])

    def there() -> set[str]:
        return {row["message_id"] for row in clickhouse.rows("shared", "SELECT message_id FROM events FINAL WHERE name != ''")}

    async def scenario() -> None:
        async with real_store(tmp_path / "data") as (log, _, feed):
            visits = [(device,), (anna, device), (device,), (boris, device), (device,), (anna,)]
            for number, idents in enumerate(visits, 1):
                await log.commit(done(number, *idents))
            await to_clickhouse(tmp_path / "cursor", feed, clickhouse.url, "shared")
            assert there() == {f"m-{number}" for number in range(1, 7)}
            await erase_person(log, tmp_path / "data", "user_id:anna", actor="t", reason="t")
            await log.commit(done(7, device))
            kept = {event["messageId"] async for event in left(feed)}
            await to_clickhouse(tmp_path / "cursor", feed, clickhouse.url, "shared")
            for _ in range(800):  # mutations run in the background
                if there() == kept:
                    break
                await asyncio.sleep(0.05)
            assert there() == kept
            assert kept == {"m-4", "m-7"}

    asyncio.run(scenario())


async def left(feed: SqliteFeed) -> AsyncIterator[dict[str, Any]]:
    """The events in the store that are more than the trace of one."""
    stretch = await feed.read("events", after=0, through=await feed.head("events"), limit=100, max_bytes=1_000_000)
    for entry in stretch.entries:
        if not entry.record.get("erased"):
            yield entry.record
