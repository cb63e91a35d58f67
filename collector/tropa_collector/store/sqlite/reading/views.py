"""The console's readers over the embedded store's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tropa_collector.store.protocol import Ref
from tropa_collector.store.sqlite.reading import census, live, overview, profile, refusals
from tropa_collector.store.sqlite.reading.milestones import milestones
from tropa_collector.store.sqlite.reading.snapshots import Snapshots
from tropa_collector.store.views import Arrivals, LiveFilter, Place, Visits


class SqliteViews:
    """``Views``. Its connections are its own: a slow page holds up no other reader."""

    def __init__(self, file: Path) -> None:
        self._snapshots = Snapshots(file)

    async def stop(self) -> None:
        await self._snapshots.stop()

    async def traffic(self, now: int) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: overview.traffic(connection, now))

    async def visitors(self, now: int) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: overview.visitors(connection, now))

    async def arrivals(self, after: Place | None, wanted: LiveFilter, *, limit: int) -> Arrivals:
        return await self._snapshots.read(lambda connection: live.arrivals(connection, after, wanted, limit))

    async def event(self, event_id: int) -> dict[str, Any] | None:
        return await self._snapshots.read(lambda connection: live.event(connection, event_id))

    async def refusals(self, source: str = "", *, limit: int = 100) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: refusals.groups(connection, source, limit))

    async def refused_ids(self, code: str, path: str, source: str, *, before: int | None = None, limit: int) -> list[int]:
        return await self._snapshots.read(lambda connection: refusals.of_group(connection, (code, path, source), before, limit))

    async def milestones(self, browser: Sequence[str], server: Sequence[str]) -> dict[str, int]:
        return await self._snapshots.read(lambda connection: milestones(connection, browser, server))

    async def census(self, after: int, until: int) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: census.census(connection, after, until))

    async def oldest_minute(self) -> int:
        return await self._snapshots.read(census.oldest_minute)

    async def sample(self, type_: str, name: str, *, until: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        return await self._snapshots.read(lambda connection: census.sample(connection, type_, name, until, limit))

    async def portrait(self, ref: Ref) -> dict[str, Any] | None:
        return await self._snapshots.read(lambda connection: profile.portrait(connection, ref))

    async def visits(self, contact: int, *, before: str | None = None, limit: int = 100) -> Visits:
        return await self._snapshots.read(lambda connection: profile.visits(connection, contact, before, limit))

    async def days(self, contact: int) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: profile.days(connection, contact))

    async def surroundings(self, contact: int) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: profile.surroundings(connection, contact))

    async def holders(self, refs: Sequence[Ref]) -> dict[tuple[str, str], str | None]:
        return await self._snapshots.read(lambda connection: profile.holders(connection, refs))
