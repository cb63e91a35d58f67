"""A runner over in-memory twins, for the tests of what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tropa_collector.forward.cursor import Cursor
from tropa_collector.forward.dead_letters import DeadLetters
from tropa_collector.forward.declared import Declared
from tropa_collector.forward.destination import STREAMS, Options, Surroundings
from tropa_collector.forward.memory import MemoryDestination
from tropa_collector.forward.runner import Runner
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
