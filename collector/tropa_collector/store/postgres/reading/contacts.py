"""``ContactReader`` over PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from tropa_collector.store.contacts.reading import ContactReading
from tropa_collector.store.contacts.words import SEARCHABLE
from tropa_collector.store.postgres.reading.doers import PostgresDoers
from tropa_collector.store.postgres.reading.history import HISTORY
from tropa_collector.store.postgres.reading.snapshots import Snapshots
from tropa_collector.store.postgres.session import Session

Result = TypeVar("Result")


class PostgresContacts(ContactReading):
    """Its snapshots may be shared with other readers."""

    def __init__(self, snapshots: Snapshots, searchable: Iterable[str] = SEARCHABLE) -> None:
        super().__init__(HISTORY, PostgresDoers, searchable)
        self._snapshots = snapshots

    async def stop(self) -> None:
        await self._snapshots.stop()

    async def _read(self, function: Callable[[Session], Result]) -> Result:
        return await self._snapshots.read(function)
