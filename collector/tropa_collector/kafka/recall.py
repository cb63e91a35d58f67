"""Bad events of a record that is taken again: good ones are recognised by the store, bad ones have nothing to be recognised by.

What a worker before this one had stored and not yet noted is little and new, so the newest rows of quarantine tell.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from tropa_collector.events.timestamps import to_iso
from tropa_collector.store.protocol import EventReader, Quarantined

logger = logging.getLogger("tropa.kafka")

ROWS: Final = 1_000
RETRY_SECONDS: Final = 0.5

_Trace = tuple[str, ...]


class Recall:
    """What quarantine held when partitions came to this worker."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._held: Counter[_Trace] = Counter()
        self._stale = True
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        """Partitions came: somebody else may have stored what comes next."""
        self._stale = True

    async def new(self, quarantined: Sequence[Quarantined]) -> list[Quarantined]:
        """Those that quarantine did not hold; of each that it held, as many are left out."""
        async with self._reading:
            if self._stale:
                self._held = await self._read()
                self._stale = False
        new = []
        for bad in quarantined:
            trace = _of_event(bad)
            if self._held[trace]:
                self._held[trace] -= 1
            else:
                new.append(bad)
        return new

    async def _read(self) -> Counter[_Trace]:
        while True:
            try:
                page = await self._reader.quarantine(limit=ROWS)
            except Exception:
                logger.exception("quarantine cannot be read")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return Counter(map(_of_row, page.rows))


def _of_event(bad: Quarantined) -> _Trace:
    original = bad.original.decode("utf-8", "replace")
    return to_iso(bad.received_at), bad.source, bad.code, bad.path, bad.message_id, original


def _of_row(row: dict[str, Any]) -> _Trace:
    return row["received_at"], row["source"], row["code"], row["path"], row["messageId"], row["original"]
