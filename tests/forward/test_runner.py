"""The runner over in-memory twins: order, retries, dead letters, pauses, restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.forward.log_entries import AT, event, feed_of

from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import Declared
from tropa_collector.forward.destination import STREAMS, Batch, DeliveryError, Options, Refused, Surroundings
from tropa_collector.forward.memory import MemoryDestination, MemoryFeed
from tropa_collector.forward.runner import FIRST_RETRY_SECONDS, Runner
from tropa_collector.store.protocol import LogFeed, Stream


class Rig:
    """A runner over memory, its cursor and letters in ``directory``."""

    def __init__(self, directory: Path, feed: LogFeed, kind: type[MemoryDestination] = MemoryDestination, **options: Any) -> None:
        chosen = Options(**{"type": "memory", "start": "beginning", "linger_seconds": 0, **options})
        self.feed = feed
        letters = DeadLetters(directory / "dead-letters.jsonl", chosen.dead_letter_bytes)
        cursor = Cursor.load(directory / "cursor.json")
        self.runner = Runner(Declared("there", kind, chosen), feed, cursor, letters, Surroundings("there"))
        destination = self.runner._destination
        assert isinstance(destination, MemoryDestination)
        self.there = destination

    async def heads(self) -> dict[Stream, int]:
        return {stream: await self.feed.head(stream) for stream in STREAMS}

    async def start(self) -> None:
        await self.runner.start(await self.heads())

    async def drain(self) -> None:
        """Everything that can be delivered now."""
        self.runner.wake(await self.heads())
        self.runner._not_before = 0.0
        while await self.runner.step():
            pass


class Picky(MemoryDestination):
    """Refuses what ``poison`` names."""

    poison: frozenset[int] = frozenset()

    async def deliver(self, batch: Batch) -> bool:
        if any(entry.position in self.poison for entry in batch.entries):
            raise Refused("not this one")
        return await super().deliver(batch)


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


def test_poison_is_set_aside_and_its_neighbours_are_delivered(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(100), kind=Picky)
        Picky.poison = frozenset((1, 50, 51, 100))
        await rig.start()
        await rig.drain()
        assert sorted(rig.there.positions) == [n for n in range(1, 101) if n not in Picky.poison]
        letters = rig.runner.letters.letters
        assert [(letter.position, letter.message_id, letter.reason) for letter in letters] == [
            (n, f"m-{n}", "not this one") for n in sorted(Picky.poison)
        ]
        Picky.poison = frozenset((50,))
        assert rig.runner.replay() == 4
        await rig.drain()
        assert sorted(rig.there.positions) == [n for n in range(1, 101) if n != 50]
        assert [letter.position for letter in DeadLetters(tmp_path / "dead-letters.jsonl", 10_000).letters] == [50]

    asyncio.run(scenario())


@pytest.mark.parametrize("poison", [range(1, 21), range(1, 51), [*range(1, 10), 40, 77], [*range(20, 60), 100]])
def test_much_poison_at_the_head_blocks_nothing(tmp_path: Path, poison: Sequence[int]) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(100), kind=Picky)
        Picky.poison = frozenset(poison)
        await rig.start()
        await rig.drain()
        assert sorted(rig.there.positions) == [n for n in range(1, 101) if n not in Picky.poison]
        assert sorted(letter.position for letter in rig.runner.letters.letters) == sorted(poison)

    asyncio.run(scenario())


def test_who_refuses_everything_is_not_asked_about_each_event(tmp_path: Path) -> None:
    async def scenario() -> None:
        asked = []

        class Closed(MemoryDestination):
            async def deliver(self, batch: Batch) -> bool:
                asked.append(len(batch.entries))
                raise Refused("nothing")

        rig = Rig(tmp_path, feed_of(500), kind=Closed, batch_events=500)
        await rig.start()
        await rig.drain()
        assert rig.runner.letters.letters == []
        assert len(asked) < 40

    asyncio.run(scenario())


def test_a_destination_that_refuses_everything_is_wrong_itself(tmp_path: Path) -> None:
    """Nothing is set aside; the events wait until the operator has mended it."""

    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(100), kind=Picky)
        Picky.poison = frozenset(range(1, 101))
        await rig.start()
        await rig.drain()
        assert (rig.there.batches, rig.runner.letters.letters) == ([], [])
        assert "refuses everything" in rig.runner.state()["last_error"]
        Picky.poison = frozenset()
        await rig.drain()
        assert rig.there.positions == list(range(1, 101))

    asyncio.run(scenario())


def test_dead_letters_keep_to_their_budget(tmp_path: Path) -> None:
    async def scenario() -> None:
        rig = Rig(tmp_path, feed_of(40), kind=Picky, dead_letter_bytes=1_000, batch_events=4)
        Picky.poison = frozenset(range(1, 41, 2))
        await rig.start()
        await rig.drain()
        file = tmp_path / "dead-letters.jsonl"
        assert file.stat().st_size <= 1_000
        state = rig.runner.state()
        assert state["dead_lettered"] == 20 == state["dead_letters"] + state["dead_letters_dropped"]
        assert rig.runner.letters.letters[-1].position == 39

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
