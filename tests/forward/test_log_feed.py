"""The embedded store's log as destinations follow it, beside its in-memory twin."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.forward.log_entries import AT, feed_of, record

from tropa_collector.errors import StoreError
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import LogFeed, Logged, Operation, Submission
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.store.sqlite.reading.feed import SqliteFeed
from tropa_collector.store.sqlite.writing.client import SqliteLog

EVENTS = 50
ALL: dict[str, Any] = {"after": 0, "through": 10_000, "limit": 10_000, "max_bytes": 1 << 30}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """Fifty events of ten visitors, two of whom were merged and parted again."""

    async def fill() -> None:
        log = SqliteLog(Settings(data=tmp_path, queue_seconds=30))
        await log.start()
        await log.commit(Submission([record(n) for n in range(1, EVENTS + 1)]))
        by = {"actor": "t", "reason": "t"}
        ours, theirs = ("anonymous_id", "a-1", 0), ("anonymous_id", "a-2", 0)
        merged = await log.operate(Operation("merge_contacts", {"first": ours, "second": theirs, **by}))
        split = {"ref": ours, "merge_id": merged["merge_id"], "identifiers": [], **by}
        await log.operate(Operation("split_contact", split))
        await log.stop(seconds=5)

    asyncio.run(fill())
    yield tmp_path


def ask(data: Path, method: str, *arguments: Any, **named: Any) -> Any:
    async def inside() -> Any:
        feed = SqliteFeed(data)
        try:
            return await getattr(feed, method)(*arguments, **named)
        finally:
            await feed.stop()

    return asyncio.run(inside())


@pytest.mark.parametrize(
    "wanted",
    [{}, {"after": 10}, {"through": 20}, {"after": 10, "through": 20}, {"limit": 7}, {"max_bytes": 1}, {"after": EVENTS}],
    ids=str,
)
def test_the_twins_read_alike(data: Path, wanted: dict[str, int]) -> None:
    twin: LogFeed = feed_of(EVENTS)
    ours, theirs = ask(data, "read", "events", **{**ALL, **wanted}), asyncio.run(twin.read("events", **{**ALL, **wanted}))
    assert [entry.position for entry in ours.entries] == [entry.position for entry in theirs.entries]
    assert [entry.record["messageId"] for entry in ours.entries] == [entry.record["messageId"] for entry in theirs.entries]
    assert ours.through == theirs.through
    assert ask(data, "head", "events") == asyncio.run(twin.head("events")) == EVENTS


def test_what_retention_purged_is_missed_and_told(data: Path) -> None:
    with sqlite3.connect(data / FILE_NAME) as connection:
        connection.execute("DELETE FROM events WHERE id <= 30")
    connection.close()
    stretch = ask(data, "read", "events", **{**ALL, "after": 10, "through": EVENTS})
    assert (stretch.missed, stretch.entries[0].position, stretch.through) == (20, 31, EVENTS)
    assert ask(data, "read", "events", **{**ALL, "after": 10, "through": 25}) == ([], 25, 15)


def test_a_time_has_its_position(data: Path) -> None:
    assert ask(data, "before", "events", AT + 21_000) == 20
    assert ask(data, "before", "events", 0) == 0
    assert ask(data, "before", "events", AT * 2) == EVENTS
    assert ask(data, "before", "changes", 0) == 0
    assert ask(data, "before", "changes", AT * 2) == ask(data, "head", "changes")
    first, *_ = ask(data, "read", "changes", **ALL).entries
    assert ask(data, "before", "changes", first.at) < first.position, "what came at that very time lies behind it"
    assert ask(data, "waiting_since", "events", 20) == AT + 21_000
    assert ask(data, "waiting_since", "events", EVENTS) is None


def test_changes_come_in_stretches_without_a_gap(data: Path) -> None:
    whole, head = ask(data, "read", "changes", **ALL).entries, ask(data, "head", "changes")
    joined, after = list[Logged](), 0
    while after < head:
        stretch = ask(data, "read", "changes", **{**ALL, "after": after, "through": head, "limit": 1})
        assert stretch.through > after
        joined, after = joined + stretch.entries, stretch.through
    assert len(joined) > 1
    assert joined == whole


def test_a_merge_and_a_split_say_what_they_moved(data: Path) -> None:
    changes = {entry.record["type"]: entry for entry in ask(data, "read", "changes", **ALL).entries}
    merged, split = changes["contact_merged"], changes["contact_split"]
    (moved,) = split.record["moved"]
    assert (moved["kind"], moved["value"]) == ("anonymous_id", "a-2")
    assert moved["contact_id"] == merged.record["other_contact_id"], "it has its own contact again"
    rows = ask(data, "identifiers", split.identifiers, ())
    assert [(row.value, f"c{row.contact}", row.version) for row in rows] == [
        ("a-2", moved["contact_id"], ask(data, "head", "changes"))
    ]
    assert merged.record["messageId"].startswith("change-")


def test_identifiers_of_contacts(data: Path) -> None:
    rows = ask(data, "identifiers", (), (1, 2, 0))
    assert sorted(row.value for row in rows) == ["a-1", "a-2"]
    assert ask(data, "identifiers", (), ()) == []
    assert len(ask(data, "identifiers", range(1, 2_000), ())) == 10


def test_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        ask(tmp_path, "head", "events")
