"""A value made in the background: nobody waits longer than he likes."""

from __future__ import annotations

import asyncio

import pytest

from tropa_collector.admin.console.kept import Kept


def test_it_is_made_once_for_all_who_ask() -> None:
    made: list[int] = []

    async def make() -> int:
        made.append(1)
        await asyncio.sleep(0.01)
        return len(made)

    async def story() -> list[int | None]:
        kept = Kept(make, seconds=60)
        return [*await asyncio.gather(*(kept.get(patience=1) for _ in range(5))), await kept.get(patience=1)]

    assert asyncio.run(story()) == [1] * 6


def test_who_does_not_wait_is_given_what_there_is() -> None:
    gate, made = asyncio.Event(), [0]

    async def make() -> int:
        await gate.wait()
        made[0] += 1
        return made[0]

    async def story() -> list[int | None]:
        kept = Kept(make, seconds=0)
        early = await kept.get(patience=0.005)
        gate.set()
        first = await kept.get(patience=1)
        gate.clear()
        stale = await kept.get(patience=0.005)
        gate.set()
        return [early, first, stale, await kept.get(patience=1)]

    assert asyncio.run(story()) == [None, 1, 1, 2]


def test_a_fault_is_the_askers_and_the_next_one_tries_again() -> None:
    faults = [OSError("gone")]

    async def make() -> str:
        if faults:
            raise faults.pop()
        return "made"

    async def story() -> str | None:
        kept = Kept(make, seconds=60)
        with pytest.raises(OSError, match="gone"):
            await kept.get(patience=1)
        return await kept.get(patience=1)

    assert asyncio.run(story()) == "made"
