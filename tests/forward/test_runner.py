"""The runner over in-memory twins: order, retries, pauses, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.forward.log_entries import AT, event, feed_of
from tests.forward.rig import Rig

from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.destination import DeliveryError
from tropa_collector.forward.memory import MemoryFeed
from tropa_collector.forward.runner import FIRST_RETRY_SECONDS


def test_everything_comes_once_and_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(1_234), batch_events=100)
        await rig.start()
        await rig.drain()
        assert rig.there.positions == list(range(1, 1_235))
        assert {len(batch.entries) for batch in rig.there.batches} == {100, 34}
        assert await rig.runner.lag() == {"lag_events": 0, "lag_seconds": 0.0}
        assert rig.runner.state()["delivered"] == 1_234

    asyncio.run(scenario())


def test_a_new_destination_begins_now_unless_it_asks_for_the_beginning(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = feed_of(10)
        rig = Rig(tmp_path, feed, start="now")
        await rig.start()
        feed.add("events", event(11), at=AT)
        await rig.drain()
        assert rig.there.positions == [11]

    asyncio.run(scenario())


def test_a_batch_that_is_not_full_lingers(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = feed_of(3)
        rig = Rig(tmp_path, feed, linger_seconds=3_600, batch_events=5)
        await rig.start()
        await rig.drain()
        assert rig.there.positions == []
        for number in (4, 5):
            feed.add("events", event(number), at=AT)
        await rig.drain()
        assert rig.there.positions == [1, 2, 3, 4, 5]

    asyncio.run(scenario())


def test_changes_travel_as_records_of_their_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = feed_of(1)
        line = {"contact_id": "c1", "other_contact_id": "c2", "a": {"kind": "email", "value": "anna@example.com"}, "b": None}
        feed.add("changes", {"type": "contact_merged", "messageId": "change-1", **line}, at=AT)
        rig = Rig(tmp_path, feed)
        await rig.start()
        await rig.drain()
        kinds = [(batch.stream, entry.record["type"]) for batch in rig.there.batches for entry in batch.entries]
        assert kinds == [("events", "track"), ("changes", "contact_merged")]
        without = Rig(tmp_path / "other", feed, changes=False)
        await without.start()
        await without.drain()
        assert [batch.stream for batch in without.there.batches] == ["events"]

    asyncio.run(scenario())


def test_a_fault_is_retried_later_and_later_with_the_same_batch(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(5))
        await rig.start()
        rig.there.faults = [DeliveryError("500"), OSError("reset"), TimeoutError(), DeliveryError("503", retry_after_seconds=1_000)]
        waits = []
        for _ in range(4):
            rig.runner._not_before = 0.0
            rig.runner.wake(await rig.heads())
            assert not await rig.runner.step()
            waits.append(rig.runner._not_before - asyncio.get_running_loop().time())
            assert rig.there.batches == []
        assert rig.runner.state()["state"] == "failing"
        assert (await rig.runner.lag())["lag_events"] == 5
        assert not await rig.runner.step()
        assert rig.runner.state()["retries"] == 4, "it waits as long as it was asked to"
        assert 0 < waits[0] <= 2 * FIRST_RETRY_SECONDS
        assert 990 < waits[3] <= 1_000
        await rig.drain()
        assert rig.there.positions == [1, 2, 3, 4, 5]
        assert rig.runner.state() | {"state": "running", "retries": 4, "delivered": 5} == rig.runner.state()

    asyncio.run(scenario())


@pytest.mark.parametrize("killed_after", [1, 2, 7, 19, 20, 21])
def test_after_a_kill_the_same_batches_come_with_the_same_ids(tmp_path: Path, killed_after: int) -> None:
    """The cursor on disk may be behind; new events have come meanwhile; what was cut stays cut alike."""

    async def scenario() -> None:
        feed = feed_of(205)
        first = Rig(tmp_path, feed, batch_events=10)
        await first.start()
        first.runner.wake(await first.heads())
        for _ in range(killed_after):
            assert await first.runner.step()
        for number in range(206, 300):
            feed.add("events", event(number), at=AT)
        second = Rig(tmp_path, feed, batch_events=10)  # nothing of the first was stopped: it was killed
        await second.start()
        await second.drain()
        sent = {batch.id: [entry.position for entry in batch.entries] for batch in first.there.batches}
        again = {batch.id: [entry.position for entry in batch.entries] for batch in second.there.batches}
        assert all(again[name] == positions for name, positions in sent.items() if name in again)
        joined = sent | again
        assert sorted(position for positions in joined.values() for position in positions) == list(range(1, 300))

    asyncio.run(scenario())


def test_a_pause_outlives_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = feed_of(5)
        rig = Rig(tmp_path, feed)
        await rig.start()
        await rig.runner.pause()
        await rig.drain()
        await rig.runner.stop()
        assert rig.there.closed
        again = Rig(tmp_path, feed)
        await again.start()
        await again.drain()
        assert (again.there.batches, again.runner.state()["state"]) == ([], "paused")
        assert (await again.runner.lag())["lag_events"] == 5
        await again.runner.resume()
        await again.drain()
        assert again.there.positions == [1, 2, 3, 4, 5]

    asyncio.run(scenario())


def test_a_pause_outlives_a_kill(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(5))
        await rig.start()
        await rig.runner.pause()
        again = Rig(tmp_path, rig.feed)  # nothing of the first was stopped
        await again.start()
        await again.drain()
        assert again.there.batches == []

    asyncio.run(scenario())


def test_resume_tries_at_once_whatever_the_last_fault_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(5))
        await rig.start()
        rig.there.faults = [DeliveryError("503", retry_after_seconds=1_000)]
        rig.runner.wake(await rig.heads())
        assert [await rig.runner.step() for _ in range(2)] == [False, False]
        await rig.runner.resume()
        assert await rig.runner.step()
        assert rig.there.positions == [1, 2, 3, 4, 5]

    asyncio.run(scenario())


def test_a_store_put_back_from_a_backup_is_followed_from_its_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(50))
        await rig.start()
        await rig.drain()
        await rig.runner.stop()
        restored = feed_of(30)
        again = Rig(tmp_path, restored)
        await again.start()
        for number in (31, 32):  # one by one: how far the lost log was cut into batches says nothing of this one
            restored.add("events", event(number), at=AT)
            await again.drain()
        assert again.there.positions == [31, 32]
        epochs = {batch.id.partition(":")[0] for one in (rig, again) for batch in one.there.batches}
        assert len(epochs) == 2, "other events under numbers that were sent before are no repetition"

    asyncio.run(scenario())


def test_a_process_that_is_started_again_goes_on_where_it_was(tmp_path: Path) -> None:
    """``begin`` is of the collector's start: long ago for a cursor that has moved, and still right for one that was never saved."""

    async def scenario() -> None:
        feed = feed_of(50)
        rig = Rig(tmp_path, feed, start="now")
        await rig.runner.start(await rig.heads(), begin={"events": 10, "changes": 0})
        await rig.drain()
        assert rig.there.positions == list(range(11, 51))
        await rig.runner.stop()
        feed.add("events", event(51), at=AT)
        again = Rig(tmp_path, feed, start="now")
        await again.runner.start(await again.heads(), begin={"events": 10, "changes": 0})
        await again.drain()
        assert again.there.positions == [51]

    asyncio.run(scenario())


def test_run_ends_when_asked_and_not_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        feed = feed_of(0)
        rig = Rig(tmp_path, feed)
        await rig.start()
        task = asyncio.create_task(rig.runner.run())
        for number in range(1, 4):
            feed.add("events", event(number), at=AT)
            rig.runner.wake(await rig.heads())
            async with asyncio.timeout(5):
                while len(rig.there.positions) < number:  # noqa: ASYNC110 - bounded, and of a test
                    await asyncio.sleep(0.001)
        rig.runner.finish()
        async with asyncio.timeout(5):
            await task
        await rig.runner.stop()
        assert Cursor.load(tmp_path / "cursor.json").positions["events"] == 3

    asyncio.run(scenario())


CHOSEN: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
    ({"only": {"events": ("Cart Viewed",)}}, lambda n: n % 3 == 0),
    ({"only": {"not_events": ("Cart Viewed",)}}, lambda n: n % 3 != 0),
    ({"only": {"types": ("page",)}}, lambda n: False),
    ({"only": {"sources": ("shop",)}}, lambda n: n % 2 == 0),
    ({"only": {"trust": "server"}}, lambda n: n % 2 == 0),
    ({"only": {"bots": False}}, lambda n: n % 5 != 0),
]


@pytest.mark.parametrize(("options", "expected"), CHOSEN, ids=[str(options) for options, _ in CHOSEN])
def test_filters_are_data(tmp_path: Path, options: dict[str, Any], expected: Callable[[int], bool]) -> None:
    async def scenario() -> None:
        feed = MemoryFeed()
        for n in range(1, 31):
            of_server = {"source": "shop", "trust": "server"} if n % 2 == 0 else {}
            named = {"event": "Cart Viewed"} if n % 3 == 0 else {}
            feed.add("events", event(n, **of_server, **named, enriched={"device": {"bot": n % 5 == 0}}), at=AT)
        rig = Rig(tmp_path, feed, **options)
        await rig.start()
        await rig.drain()
        assert rig.there.positions == [n for n in range(1, 31) if expected(n)]
        assert (await rig.runner.lag())["lag_events"] == 0

    asyncio.run(scenario())
