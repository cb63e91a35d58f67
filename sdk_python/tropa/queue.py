"""What waits to be sent, oldest first, with bounds. The sender holds a lock around every call."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import accumulate, islice
from typing import Protocol

from tropa.options import Options

#: What a bytes object costs in CPython beyond its text: header, allocator rounding, its slot in the deque.
OVERHEAD_BYTES = 64
#: The bound is on what the host pays (measured by its resident memory): a batch on its way is there joined, framed and
#: in buffers, and the allocator keeps some of the earlier ones.
_RESERVED_BATCHES = 12


class Orphan(Protocol):
    """Events that another process accepted and did not deliver."""

    @property
    def waiting_events(self) -> int: ...


class Queue(Protocol):
    """Where accepted events wait. ``MemoryQueue`` and ``Spool`` are the two there are."""

    @property
    def full_batch(self) -> bool: ...

    def put(self, event: bytes) -> bool:
        """False: it is full, and the event was not taken.

        Raises:
            OSError: nor was it now; the disk did not take it.
        """

    def take(self) -> list[bytes]:
        """The next batch, which stays counted until ``settle``. Empty: nothing waits."""

    def settle(self) -> None:
        """The batch taken last needs no more keeping: delivered, or in the dead letter.

        Raises:
            OSError: it is settled, but the disk does not know.
        """

    def find_orphans(self) -> list[Orphan]:
        """What ended processes have left, now this queue's. Slow: the one call without the sender's lock."""

    def adopt(self, orphans: list[Orphan]) -> int:
        """Put what was found before all that waits; how many events that is."""

    def tidy(self) -> None:
        """The process ends: what is delivered need not stay behind. More may be put all the same.

        Raises:
            OSError: it stays, for the next process to remove.
        """

    def close(self) -> None: ...

    def forget(self) -> None:
        """In a forked child: let go of what is the parent's without touching it."""


class MemoryQueue:
    """A queue bounded in events and in bytes of memory."""

    def __init__(self, options: Options) -> None:
        self._max_events = options.max_queue_events
        reserve = _RESERVED_BATCHES * options.batch_bytes
        self._max_bytes = max(options.max_queue_bytes - reserve, options.max_queue_bytes // 2)
        self._batch_events, self._batch_bytes = options.batch_events, options.batch_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._taken_events = self._taken_bytes = 0

    @property
    def full_batch(self) -> bool:
        return len(self._waiting) >= self._batch_events or self._waiting_bytes >= self._batch_bytes

    def put(self, event: bytes) -> bool:
        events = len(self._waiting) + self._taken_events
        held = self._waiting_bytes + self._taken_bytes + OVERHEAD_BYTES * events
        if events >= self._max_events or held + len(event) + OVERHEAD_BYTES > self._max_bytes:
            return False
        self._waiting.append(event)
        self._waiting_bytes += len(event)
        return True

    def take(self) -> list[bytes]:
        count = self._next_batch()
        batch = [self._waiting.popleft() for _ in range(count)]
        self._taken_events, self._taken_bytes = count, sum(map(len, batch))
        self._waiting_bytes -= self._taken_bytes
        return batch

    def _next_batch(self) -> int:
        """How many events fit: by a search in running totals, since the host's calls wait for this."""
        ends = list(accumulate(len(event) + 1 for event in islice(self._waiting, self._batch_events)))
        return max(min(1, len(ends)), bisect_right(ends, self._batch_bytes))

    def settle(self) -> None:
        self._taken_events = self._taken_bytes = 0

    def find_orphans(self) -> list[Orphan]:
        return []

    def adopt(self, orphans: list[Orphan]) -> int:
        return len(orphans)

    def tidy(self) -> None:
        """Nothing stays behind."""

    def close(self) -> None:
        """Nothing is held outside of memory."""

    def forget(self) -> None:
        """A new queue replaces this one."""
