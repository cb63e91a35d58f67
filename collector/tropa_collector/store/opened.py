"""The store that the settings name, with everything that can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tropa_collector.identity.blocked import BlockedValue
from tropa_collector.settings import Settings
from tropa_collector.store.protocol import ContactReader, EventLog, EventReader
from tropa_collector.store.sqlite.file import FILE_NAME
from tropa_collector.store.sqlite.reading.contacts import SqliteContacts
from tropa_collector.store.sqlite.reading.reader import SqliteReader
from tropa_collector.store.sqlite.reading.views import SqliteViews
from tropa_collector.store.sqlite.writing.client import SqliteLog
from tropa_collector.store.views import Views


class Log(EventLog, Protocol):
    """An ``EventLog`` that is opened and closed."""

    async def start(self) -> None:
        """Open it.

        Raises:
            StoreError, SettingsError: it cannot be opened.
        """
        ...

    async def stop(self, *, seconds: float) -> int:
        """Commit what waits and close it; the number of events left unanswered."""
        ...


class _Reader(EventReader, Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Contacts(ContactReader, Protocol):
    """A ``ContactReader`` that lets go of its connections."""

    async def ruled(self, rules: tuple[BlockedValue, ...]) -> list[dict[str, Any]]:
        """Stored identifiers that these rules would refuse or let join nobody, the first thousand."""
        ...

    async def stop(self) -> None: ...


class _Views(Views, Protocol):
    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Store:
    """Both sides of a store."""

    log: Log
    reader: _Reader
    contacts: Contacts
    views: _Views

    async def start(self) -> None:
        """Open it; the reading side follows the writing side, which makes what is not there.

        Raises:
            StoreError: it does not open.
        """
        await self.log.start()
        await self.reader.start()

    async def stop_reading(self) -> None:
        await self.contacts.stop()
        await self.views.stop()
        await self.reader.stop()


def store_of(settings: Settings) -> Store:
    """The embedded one, or PostgreSQL."""
    if settings.store != "sqlite":
        return _postgres(settings)
    file = settings.data / FILE_NAME
    return Store(
        SqliteLog(settings), SqliteReader(settings.data), SqliteContacts(file, settings.searchable_traits), SqliteViews(file)
    )


def _postgres(settings: Settings) -> Store:
    from tropa_collector.store.postgres.reading.contacts import PostgresContacts  # noqa: PLC0415 - asyncpg is an extra
    from tropa_collector.store.postgres.reading.reader import PostgresReader  # noqa: PLC0415
    from tropa_collector.store.postgres.reading.snapshots import BY_KEY, Snapshots  # noqa: PLC0415
    from tropa_collector.store.postgres.reading.views import PostgresViews  # noqa: PLC0415
    from tropa_collector.store.postgres.writing.log import PostgresLog  # noqa: PLC0415

    snapshots = Snapshots(settings.store, settings=BY_KEY)
    return Store(
        PostgresLog(settings),
        PostgresReader(snapshots),
        PostgresContacts(snapshots, settings.searchable_traits),
        PostgresViews(settings.store),
    )
