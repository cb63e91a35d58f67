"""``Views`` over the embedded store's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from tropa_collector.store.sqlite.reading.overview import SAMPLING
from tropa_collector.store.sqlite.reading.profile import PROFILE
from tropa_collector.store.sqlite.reading.snapshots import Snapshots
from tropa_collector.store.summaries.arrivals import End, arrivals, event
from tropa_collector.store.summaries.reading import ViewReading
from tropa_collector.store.views import Arrivals, LiveFilter, Place

_NEWEST: Final = "SELECT (SELECT coalesce(max(id), 0) FROM events), (SELECT coalesce(max(id), 0) FROM quarantine)"
Result = TypeVar("Result")


class SqliteViews(ViewReading):
    """Its connections are its own: a slow page holds up no other reader."""

    def __init__(self, file: Path) -> None:
        super().__init__(SAMPLING, PROFILE)
        self._snapshots = Snapshots(file)

    async def stop(self) -> None:
        await self._snapshots.stop()

    async def arrivals(self, after: Place | None, wanted: LiveFilter, *, limit: int) -> Arrivals:
        return await self._read(lambda connection: arrivals(connection, after, _end(connection), wanted, limit))

    async def event(self, event_id: int) -> dict[str, Any] | None:
        return await self._read(lambda connection: event(connection, event_id))

    async def _read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self._snapshots.read(function)


def _end(connection: sqlite3.Connection) -> End:
    return End(Place(*connection.execute(_NEWEST).fetchone()))
