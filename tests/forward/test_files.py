"""File destinations: formats, rotation, what a crash or a full disk leaves behind."""

from __future__ import annotations

import asyncio
import gzip
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
from tests.forward.log_entries import AT, event, feed_of

from tropa_collector.events.timestamps import to_iso
from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import declared
from tropa_collector.forward.destination import Surroundings
from tropa_collector.forward.memory import MemoryFeed
from tropa_collector.forward.runner import Runner

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INFLATE: dict[str, Any] = {".jsonl": bytes, ".gz": gzip.decompress, ".zst": zstd.decompress}


def runner(directory: Path, feed: MemoryFeed, **options: Any) -> Runner:
    table = {
        "type": "jsonl",
        "path": str(directory / "out"),
        "start": "beginning",
        "linger_seconds": 0,
        "batch_events": 100,
        **options,
    }
    (one,) = declared({"files": {**table, **options}})
    letters = DeadLetters(directory / "dead-letters.jsonl", 10_000)
    return Runner(one, feed, Cursor.load(directory / "cursor.json"), letters, Surroundings("files"))


async def begin(directory: Path, feed: MemoryFeed, **options: Any) -> Runner:
    one = runner(directory, feed, **options)
    await one.start({"events": await feed.head("events"), "changes": await feed.head("changes")})
    return one


async def drain(one: Runner) -> None:
    while await one.step():
        pass


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in (directory / "out").iterdir())


def rows(directory: Path, stream: str = "events") -> list[dict[str, Any]]:
    files = sorted((directory / "out").glob(f"{stream}-*"))
    return [orjson.loads(line) for file in files for line in INFLATE[file.suffix](file.read_bytes()).splitlines()]


@pytest.mark.parametrize(("compression", "suffix"), [("none", ".jsonl"), ("gzip", ".jsonl.gz"), ("zstd", ".jsonl.zst")])
def test_lines(tmp_path: Path, compression: str, suffix: str) -> None:
    async def scenario() -> None:
        feed = feed_of(250)
        feed.add("changes", {"type": "contact_merged", "messageId": "change-1"}, at=AT)
        one = await begin(tmp_path, feed, compression=compression)
        await drain(one)
        assert [name for name in names(tmp_path) if not name.startswith(".")] == []
        await one.stop()
        assert names(tmp_path) == [f"changes-{1:012d}-{1:012d}{suffix}", f"events-{1:012d}-{250:012d}{suffix}"]
        assert rows(tmp_path) == [entry.record for entry in feed.entries["events"]]
        assert Cursor.load(tmp_path / "cursor.json").positions == {"events": 250, "changes": 1}

    asyncio.run(scenario())


def test_files_are_rotated_by_size_and_cover_the_log_without_a_gap(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = feed_of(1_000)
        one = await begin(tmp_path, feed, rotate_bytes=100_000, only={"events": ["Order Completed"]})
        await drain(one)
        await one.stop()
        ranges = [tuple(map(int, name.partition(".")[0].split("-")[1:])) for name in names(tmp_path)]
        assert len(ranges) > 3
        assert ranges[0][0] == 1
        assert all(after[0] == before[1] + 1 for before, after in pairwise(ranges))
        assert [row["properties"]["n"] for row in rows(tmp_path)] == list(range(1, 1_001))

    asyncio.run(scenario())


@pytest.mark.parametrize("lost_cursor", [False, True])
def test_a_crash_after_the_rename_and_one_before_it(tmp_path: Path, lost_cursor: bool) -> None:
    """Killed after so many turns: finished files are followed though the cursor lags, half a file is thrown away."""

    async def scenario() -> None:
        feed = feed_of(1_000)
        first = await begin(tmp_path, feed, rotate_bytes=100_000)
        for _ in range(5):
            await first.step()
        assert any(name.endswith(".partial") for name in names(tmp_path))
        if lost_cursor:
            (tmp_path / "cursor.json").unlink()
        second = await begin(tmp_path, feed, rotate_bytes=100_000)
        assert not any(name.endswith(".partial") for name in names(tmp_path))
        await drain(second)
        await second.stop()
        await first._destination.close()  # what a kill would have closed
        assert [row["properties"]["n"] for row in rows(tmp_path)] == list(range(1, 1_001))

    asyncio.run(scenario())


@pytest.mark.parametrize("lost_cursor", [False, True])
def test_a_log_that_was_put_back_is_not_taken_for_the_one_that_was_written(tmp_path: Path, lost_cursor: bool) -> None:
    """Its positions come again, with other events; what stands there stays, and nothing new is left out or replaces it."""

    async def scenario() -> None:
        first = await begin(tmp_path, feed_of(300), rotate_bytes=60_000)
        await drain(first)
        await first.stop()
        if lost_cursor:
            (tmp_path / "cursor.json").unlink()
        restored = feed_of(20)
        second = await begin(tmp_path, restored, start="now")
        for number in range(1_001, 1_301):
            restored.add("events", event(number), at=AT)
        second.wake({"events": 320, "changes": 0})
        await drain(second)
        await second.stop()
        third = await begin(tmp_path, restored)
        assert not await third.step()
        await third.stop()
        assert sorted(row["properties"]["n"] for row in rows(tmp_path)) == [*range(1, 301), *range(1_001, 1_301)]

    asyncio.run(scenario())


def test_a_full_disk_loses_and_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sync before the rename fails, now and then."""
    faults = iter([True, False, True, True] + [False] * 100)

    def sync(file: Any) -> None:
        if next(faults):
            raise OSError(28, "No space left on device")
        file.flush()

    monkeypatch.setattr("tropa_collector.forward.jsonl.synced", sync)

    async def scenario() -> None:
        one = await begin(tmp_path, feed_of(1_000), rotate_bytes=100_000)
        while one.figures.retries < 3:
            await one.step()
            one._not_before = 0.0
        await drain(one)
        await one.stop()
        assert [row["properties"]["n"] for row in rows(tmp_path)] == list(range(1, 1_001))

    asyncio.run(scenario())


def test_files_are_rotated_by_age_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = feed_of(10)
        one = await begin(tmp_path, feed, rotate_seconds=60)
        await drain(one)
        assert one.cursor.positions["events"] == 0
        destination: Any = one._destination
        for file in destination._open.values():
            file.since -= 61
        await one.step()
        assert one.cursor.positions["events"] == 10
        assert len(rows(tmp_path)) == 10
        await one.stop()

    asyncio.run(scenario())


def test_a_rotation_that_fails_leaves_no_file_behind_and_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path) -> None:
        raise OSError(5, "EIO")

    async def scenario() -> None:
        one = await begin(tmp_path, feed_of(10), rotate_seconds=60)
        await drain(one)
        destination: Any = one._destination
        for file in destination._open.values():
            file.since -= 61
        with monkeypatch.context() as broken:
            broken.setattr("tropa_collector.forward.rotation.sync_directory", fails)
            assert not await one.step()
        assert names(tmp_path) == []
        one._not_before = 0.0
        await drain(one)
        await one.stop()
        assert one.cursor.positions["events"] == 10
        assert len(rows(tmp_path)) == 10

    asyncio.run(scenario())


def test_duckdb_reads_in_parquet_what_the_log_holds(tmp_path: Path) -> None:
    async def scenario() -> MemoryFeed:
        feed = feed_of(2_500)
        feed.add("events", event(2_501, event=None, type="page", name="Home", userId=42, originalTimestamp=None), at=AT + 2_501)
        line = {"contact_id": "c12", "other_contact_id": "c7", "a": None, "b": None}
        feed.add("changes", {"type": "contact_merged", "messageId": "change-1", **line}, at=AT)
        one = await begin(tmp_path, feed, type="parquet", rotate_bytes=400_000, batch_events=500)
        await drain(one)
        await one.stop()
        return feed

    feed = asyncio.run(scenario())
    assert len(list((tmp_path / "out").glob("events-*.parquet"))) > 1
    with duckdb.connect() as connection:
        query = "SELECT body, position, epoch_us(received_at), type, name, user_id, identifier FROM '{}' ORDER BY position"
        found = connection.execute(query.format(tmp_path / "out" / "events-*.parquet")).fetchall()
        expected = [
            (entry.record, entry.position, entry.at, "track", "Order Completed", "", entry.identifiers[0])
            for entry in feed.entries["events"][:-1]
        ]
        assert [(orjson.loads(body), *rest) for body, *rest in found[:-1]] == expected
        assert found[-1][3:] == ("page", "Home", "42", 0)
        changes = connection.execute(f"SELECT type, contact, other_contact FROM '{tmp_path}/out/changes-*.parquet'").fetchall()
        assert changes == [("contact_merged", 12, 7)]
        assert to_iso(found[0][2]) == to_iso(AT + 1)
