"""What goes when it is old, or more than its room: the same in every store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class RetentionOptions(Protocol):
    @property
    def retention_days(self) -> int: ...
    @property
    def quarantine_days(self) -> int: ...
    @property
    def quarantine_bytes(self) -> int: ...
    @property
    def dedupe_days(self) -> int: ...


def overdue(rows: Iterable[tuple[int, int, int]], *, excess: int, before: int) -> tuple[list[int], int]:
    """Of quarantine's rows (id, received at, bytes), the oldest first: the ids of those that go, and the bytes that frees.

    A row goes when it was received before ``before``, or while ``excess`` bytes are not yet freed.
    """
    gone: list[int] = []
    freed = 0
    for number, received_at, size in rows:
        if freed >= excess and received_at >= before:
            break
        gone.append(number)
        freed += size
    return gone, freed
