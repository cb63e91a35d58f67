"""``Views`` over PostgreSQL: every statement finds its rows by an index, and is given up when it takes too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from tropa_collector.store.postgres.partitions import DAY
from tropa_collector.store.postgres.reading.overview import SAMPLING
from tropa_collector.store.postgres.reading.profile import PROFILE
from tropa_collector.store.postgres.reading.snapshots import BY_KEY, Snapshots
from tropa_collector.store.postgres.session import Session
from tropa_collector.store.summaries.arrivals import End, arrivals, event
from tropa_collector.store.summaries.reading import ViewReading
from tropa_collector.store.views import Arrivals, LiveFilter, Place

CONNECTIONS: Final = 2
RECENT_DAYS: Final = 3  # that hold events: what arrives now is in their tables
_SETTINGS: Final = BY_KEY | {"statement_timeout": "10s"}  # no look goes on long after whoever asked has left
_RECENT: Final = "SELECT min(day) FROM (SELECT DISTINCT day FROM days ORDER BY day DESC LIMIT ?) AS newest"
_NEWEST: Final = "SELECT log_through(), (SELECT coalesce(max(id), 0) FROM quarantine)"
Result = TypeVar("Result")


class PostgresViews(ViewReading):
    """Its connections are its own: a slow page holds up no other reader."""

    def __init__(self, url: str) -> None:
        super().__init__(SAMPLING, PROFILE)
        self._snapshots = Snapshots(url, connections=CONNECTIONS, settings=_SETTINGS)

    async def stop(self) -> None:
        await self._snapshots.stop()

    async def arrivals(self, after: Place | None, wanted: LiveFilter, *, limit: int) -> Arrivals:
        """Up to where no transaction can still put an event: that is asked in a snapshot before the one that is read.

        Refused events have no such place. One that is committed after a later one is passed over here, not in quarantine.
        """
        newest = await self._read(_newest)
        return await self._read(lambda session: arrivals(session, after, _end(session, newest), wanted, limit))

    async def event(self, event_id: int) -> dict[str, Any] | None:
        """Looked for among the recent ones first."""
        return await self._read(lambda session: event(session, event_id, _recently(session)) or event(session, event_id))

    async def _read(self, function: Callable[[Session], Result]) -> Result:
        return await self._snapshots.read(function)


def _newest(session: Session) -> Place:
    return Place(*session.execute(_NEWEST).fetchone())


def _end(session: Session, newest: Place) -> End:
    return End(newest, _recently(session), "ILIKE", "encode(original, 'escape')", escaped)


def _recently(session: Session) -> str:
    (day,) = session.execute(_RECENT, (RECENT_DAYS,)).fetchone()
    return f" AND received_at >= {(day or 0) * DAY}"


def escaped(text: str) -> str:
    """As PostgreSQL writes bytes in its escape format."""
    return "".join(_ESCAPES[byte] for byte in text.encode("utf-8", "surrogatepass"))


_ESCAPES: Final = [chr(byte) if 0 < byte < 128 else f"\\{byte:03o}" for byte in range(256)]
_ESCAPES[ord("\\")] = "\\\\"
