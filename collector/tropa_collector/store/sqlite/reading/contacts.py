"""``ContactReader`` over the embedded store's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from tropa_collector.store.contacts.document import History
from tropa_collector.store.contacts.reading import ContactReading
from tropa_collector.store.contacts.words import SEARCHABLE
from tropa_collector.store.sqlite.reading.doers import SqliteDoers
from tropa_collector.store.sqlite.reading.snapshots import Snapshots
from tropa_collector.store.sqlite.reading.timeline import figures, page
from tropa_collector.store.sqlite.reading.touches import touches

HISTORY = History(page, figures, touches)
Result = TypeVar("Result")


class SqliteContacts(ContactReading):
    """Each call is one function over one snapshot."""

    def __init__(self, file: Path, searchable: Iterable[str] = SEARCHABLE) -> None:
        super().__init__(HISTORY, SqliteDoers, searchable)
        self._snapshots = Snapshots(file)

    async def stop(self) -> None:
        await self._snapshots.stop()

    async def _read(self, function: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self._snapshots.read(function)
