"""Which events there ever were: counted once from the roll-ups, in slices, and kept up to date from then on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tropa_collector.store.views import SchemaReader

MAX_NAMES = 2_000
PATIENCE_SECONDS = 0.1  # that a page waits for a census under way; what it has by then is shown
FRESH_MINUTES = 15  # that are read each time rather than kept
PAUSE_SECONDS = 0.02  # between two slices: other readers have their turn


@dataclass(frozen=True, slots=True)
class Entry:
    """An event by its name. Times are seconds since 1970, to the minute."""

    type: str
    name: str
    first_at: int
    last_at: int
    count: int
    sources: frozenset[str]

    def joined(self, other: Entry) -> Entry:
        first, last = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        return replace(self, first_at=first, last_at=last, count=self.count + other.count, sources=self.sources | other.sources)


class SchemaBook:
    """Entries of whole minutes are kept; those of the last few minutes are read each time."""

    def __init__(self, reader: SchemaReader) -> None:
        self._reader = reader
        self._entries: dict[tuple[str, str], Entry] = {}
        self._began = 0
        self._through = 0
        self._census: asyncio.Task[None] | None = None
        self.is_full = False  # more names than are kept

    async def entries(self) -> tuple[list[Entry], float]:
        """What is known, and the share of the history that was read (1: all of it)."""
        now = time.time_ns() // 60_000_000_000
        if now - self._through > FRESH_MINUTES and (self._census is None or self._census.done()):
            self._census = asyncio.create_task(self._count(now - 1))
        if self._census is not None and not self._census.done():
            await asyncio.wait([self._census], timeout=PATIENCE_SECONDS)
            if not self._census.done():
                return list(self._entries.values()), (self._through - self._began) / max(1, now - self._began)
            self._census.result()
        recent = await self._reader.census(self._through, now)
        return list(_joined(dict(self._entries), recent["rows"]).values()), 1.0

    async def _count(self, until: int) -> None:
        if not self._through:
            oldest = await self._reader.oldest_minute()
            if not oldest:
                return
            self._began = self._through = oldest - 1
        while self._through < until:
            counted = await self._reader.census(self._through, until)
            self._entries = dict(list(_joined(self._entries, counted["rows"]).items())[:MAX_NAMES])
            self.is_full = len(self._entries) >= MAX_NAMES
            self._through = counted["through"]
            await asyncio.sleep(PAUSE_SECONDS)


def _joined(entries: dict[tuple[str, str], Entry], rows: Iterable[Any]) -> dict[tuple[str, str], Entry]:
    for type_, name, source, first_at, last_at, count in rows:
        new = Entry(type_, name, first_at, last_at, count, frozenset({source}))
        old = entries.get((type_, name))
        entries[type_, name] = new if old is None else old.joined(new)
    return entries
