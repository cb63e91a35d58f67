"""In-memory twins of both seams, for tests and for programs that embed the runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from tropa_collector.forward.destination import Batch, Destination, Surroundings
from tropa_collector.store.protocol import IdentifierRow, Logged, Stream, Stretch


class MemoryFeed:
    """``LogFeed`` over lists; positions are places in them, from 1."""

    def __init__(self) -> None:
        self.entries: dict[Stream, list[Logged]] = {"events": [], "changes": []}
        self.rows: list[IdentifierRow] = []

    def add(self, stream: Stream, record: dict[str, Any], *, at: int = 0, identifier: int = 0) -> int:
        """Append an entry; its position."""
        entries = self.entries[stream]
        entries.append(Logged(len(entries) + 1, at, record, (identifier,) if identifier else ()))
        return len(entries)

    async def head(self, stream: Stream) -> int:
        return len(self.entries[stream])

    async def read(self, stream: Stream, *, after: int, through: int, limit: int, max_bytes: int) -> Stretch:
        found, size = list[Logged](), 0
        for entry in self.entries[stream][after:through][:limit]:
            found.append(entry)
            size += len(repr(entry.record))
            if size >= max_bytes:
                break
        whole = not found or (size < max_bytes and len(found) < limit)
        return Stretch(found, through if whole else found[-1].position)

    async def waiting_since(self, stream: Stream, after: int) -> int | None:
        waiting = self.entries[stream][after:]
        return waiting[0].at if waiting else None

    async def before(self, stream: Stream, at: int) -> int:
        return next((entry.position - 1 for entry in self.entries[stream] if entry.at >= at), len(self.entries[stream]))

    async def identifiers(self, ids: Sequence[int], contacts: Sequence[int]) -> list[IdentifierRow]:
        return [row for row in self.rows if row.id in ids or {row.contact, row.shared_contact}.intersection(contacts)]

    async def stop(self) -> None:
        return


class MemoryDestination(Destination):
    """Keeps what it is given. ``faults`` are raised first, one a delivery."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.faults: list[Exception] = []
        self.closed = False

    @classmethod
    def open(cls, options: Any, surroundings: Surroundings) -> Self:
        return cls()

    async def deliver(self, batch: Batch) -> bool:
        if self.faults:
            raise self.faults.pop(0)
        self.batches.append(batch)
        return True

    async def close(self) -> None:
        self.closed = True

    @property
    def positions(self) -> list[int]:
        """Of all events that came, in the order of arrival."""
        return [entry.position for batch in self.batches if batch.stream == "events" for entry in batch.entries]
