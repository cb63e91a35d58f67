"""How far a partition has come: its records are stored out of turn, its offset is committed in turn."""

from __future__ import annotations

from collections import deque


class Offsets:
    """Of one partition. Everything before ``next`` is in the store."""

    def __init__(self) -> None:
        self._begun: deque[int] = deque()  # not stored, or stored before one that is not
        self._stored: set[int] = set()
        self.next: int | None = None  # None: nothing was begun
        self.asked: int | None = None  # what ``to_commit`` said the last time

    def begin(self, offset: int) -> None:
        """A record was taken. Offsets rise; some may be missing (a compacted topic, the marks of transactions)."""
        if self.next is None:
            self.next = self.asked = offset
        self._begun.append(offset)

    def stored(self, offset: int) -> None:
        """A record is in the store."""
        self._stored.add(offset)
        while self._begun and self._begun[0] in self._stored:
            done = self._begun.popleft()
            self._stored.remove(done)
            self.next = done + 1

    def to_commit(self) -> int | None:
        """``next``, if it has moved since this was asked."""
        if self.next == self.asked:
            return None
        self.asked = self.next
        return self.next
