"""What a worker has in hand: records taken from its partitions and not yet stored, and how far each partition has come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tropa_collector.kafka.offsets import Offsets
from tropa_collector.kafka.storing import Storing
from tropa_collector.store.protocol import Submission

FULL_EVENTS: Final = 5_000  # beyond it nothing more is taken
FULL_RECORDS: Final = 1_000


@dataclass(slots=True)
class _Partition:
    offsets: Offsets = field(default_factory=Offsets)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    end_when_taken: int | None = None  # offsets below it may have been stored by a worker before this one


class Hand:
    """Records on their way into the store, each by itself."""

    def __init__(self, storing: Storing) -> None:
        self._storing = storing
        self._partitions: dict[int, _Partition] = {}
        self._has_room = asyncio.Event()
        self.records = 0
        self.events = 0

    @property
    def partitions(self) -> list[int]:
        return sorted(self._partitions)

    @property
    def is_full(self) -> bool:
        return self.events >= FULL_EVENTS or self.records >= FULL_RECORDS

    @property
    def is_half_empty(self) -> bool:
        return self.events < FULL_EVENTS / 2 and self.records < FULL_RECORDS / 2

    async def wait_for_room(self, seconds: float) -> None:
        """Return when it is not full, or when time is up."""
        if self.is_full:
            self._has_room.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_room.wait(), seconds)

    # -- partitions come and go

    def take_up(self, partitions: Iterable[int]) -> None:
        for number in partitions:
            self._partitions[number] = _Partition()

    def unseen(self, partitions: Iterable[int]) -> set[int]:
        """Those of which it is not known where they ended when they were taken up."""
        return {number for number in partitions if number in self._partitions and self._partitions[number].end_when_taken is None}

    def ended_at(self, ends: Mapping[int, int]) -> None:
        for number, end in ends.items():
            if number in self._partitions:
                self._partitions[number].end_when_taken = end

    async def finish(self, partitions: Iterable[int], *, seconds: float) -> None:
        """Wait until what is in hand of them is stored, or time is up."""
        tasks = [task for number in partitions if number in self._partitions for task in self._partitions[number].tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def put_down(self, partitions: Iterable[int]) -> None:
        """Let go of what is in hand of them: whoever has them next takes it again."""
        for number in partitions:
            gone = self._partitions.pop(number, None)
            for task in gone.tasks if gone else ():
                task.cancel()

    # -- records

    def begin(self, partition: int, offset: int, submission: Submission) -> None:
        """Start a record on its way, unless its partition has gone meanwhile."""
        state = self._partitions.get(partition)
        if state is None:
            return
        state.offsets.begin(offset)
        self.records += 1
        self.events += submission.events
        task = asyncio.create_task(self._store(state, offset, submission))
        state.tasks.add(task)
        task.add_done_callback(partial(self._ended, state, submission.events))

    async def _store(self, partition: _Partition, offset: int, submission: Submission) -> None:
        await self._storing.store(submission, again=offset < (partition.end_when_taken or 0))
        partition.offsets.stored(offset)

    def _ended(self, partition: _Partition, events: int, task: asyncio.Task[None]) -> None:
        """Of every task, also of one that was let go before its first step."""
        partition.tasks.discard(task)
        self.records -= 1
        self.events -= events
        if not self.is_full:
            self._has_room.set()

    # -- offsets

    def to_commit(self, partitions: Collection[int]) -> dict[int, int]:
        """Where partitions have got to since they were asked the last time."""
        states = {number: self._partitions[number].offsets for number in partitions if number in self._partitions}
        return {number: offset for number, state in states.items() if (offset := state.to_commit()) is not None}

    def not_committed(self) -> None:
        """The brokers did not take what ``to_commit`` said: it says it again."""
        for partition in self._partitions.values():
            partition.offsets.asked = None

    def nexts(self) -> dict[int, int | None]:
        """Up to where each partition is stored; None while it has given nothing."""
        return {number: partition.offsets.next for number, partition in self._partitions.items()}

    def behind(self, ends: Mapping[int, int]) -> int:
        """Records between what is stored and the ends of partitions; a partition that gave none yet is not counted."""
        return sum(
            max(0, ends[number] - offset) for number, offset in self.nexts().items() if offset is not None and number in ends
        )
