"""What a destination refuses for good: set aside as dead letters, and nothing waits behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.forward.log_entries import feed_of
from tests.forward.rig import Rig

from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.destination import Batch, Refused
from tropa_collector.forward.memory import MemoryDestination


class Picky(MemoryDestination):
    """Refuses what ``poison`` names."""

    poison: frozenset[int] = frozenset()

    async def deliver(self, batch: Batch) -> bool:
        if any(entry.position in self.poison for entry in batch.entries):
            raise Refused("not this one")
        return await super().deliver(batch)


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
