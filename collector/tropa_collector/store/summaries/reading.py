"""``Views`` over any store that hands out snapshots: each question is one function in one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tropa_collector.store.protocol import Ref
from tropa_collector.store.summaries import overview, refusals, rollups, samples
from tropa_collector.store.summaries.overview import Sampling
from tropa_collector.store.summaries.profile import Profile, holders
from tropa_collector.store.views import Visits

Result = TypeVar("Result")


class ViewReading(ABC):
    """All of ``Views`` but the log's newest end. ``sampling`` and ``profile`` are the store's own.

    ``_read`` runs a function in a thread, over one snapshot.
    """

    def __init__(self, sampling: Sampling, profile: Profile) -> None:
        self._sampling = sampling
        self._profile = profile

    async def traffic(self, now: int) -> dict[str, Any]:
        return await self._read(lambda connection: overview.traffic(connection, now, self._sampling))

    async def visitors(self, now: int) -> dict[str, Any]:
        return await self._read(lambda connection: overview.visitors(connection, now, self._sampling))

    async def refusals(self, source: str = "", *, limit: int = 100) -> dict[str, Any]:
        return await self._read(lambda connection: refusals.groups(connection, source, limit))

    async def refused_ids(self, code: str, path: str, source: str, *, before: int | None = None, limit: int) -> list[int]:
        return await self._read(lambda connection: refusals.of_group(connection, (code, path, source), before, limit))

    async def milestones(self, browser: Sequence[str], server: Sequence[str]) -> dict[str, int]:
        return await self._read(lambda connection: rollups.milestones(connection, browser, server))

    async def census(self, after: int, until: int) -> dict[str, Any]:
        return await self._read(lambda connection: rollups.census(connection, after, until))

    async def oldest_minute(self) -> int:
        return await self._read(rollups.oldest_minute)

    async def sample(self, type_: str, name: str, *, until: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        return await self._read(lambda connection: samples.sample(connection, type_, name, until, limit))

    async def portrait(self, ref: Ref) -> dict[str, Any] | None:
        return await self._read(lambda connection: self._profile.portrait(connection, ref))

    async def visits(self, contact: int, *, before: str | None = None, limit: int = 100) -> Visits:
        return await self._read(lambda connection: self._profile.visits(connection, contact, before, limit))

    async def days(self, contact: int) -> dict[str, Any]:
        return await self._read(lambda connection: self._profile.days(connection, contact))

    async def surroundings(self, contact: int) -> dict[str, Any]:
        return await self._read(lambda connection: self._profile.surroundings(connection, contact))

    async def holders(self, refs: Sequence[Ref]) -> dict[tuple[str, str], str | None]:
        return await self._read(lambda connection: holders(connection, refs))

    @abstractmethod
    async def _read(self, function: Callable[[Any], Result]) -> Result: ...
