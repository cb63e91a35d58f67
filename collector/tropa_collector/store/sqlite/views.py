"""The console's readers over the embedded store's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tropa_collector.store.sqlite import overview
from tropa_collector.store.sqlite.snapshots import Snapshots


class SqliteViews:
    """``OverviewReader``. Its connections are its own: a slow page holds up no other reader."""

    def __init__(self, file: Path) -> None:
        self._snapshots = Snapshots(file)

    async def stop(self) -> None:
        await self._snapshots.stop()

    async def traffic(self, now: int) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: overview.traffic(connection, now))

    async def visitors(self, now: int) -> dict[str, Any]:
        return await self._snapshots.read(lambda connection: overview.visitors(connection, now))
