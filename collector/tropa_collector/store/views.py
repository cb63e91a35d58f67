"""What the console asks a store for: summaries and samples, none of which grows with the store. Rows are plain values.

A store implements them beside ``EventReader``. A look that would take too long is ``Unavailable``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from tropa_collector.store.protocol import Ref


class OverviewReader(Protocol):
    """The last day in figures. ``now`` is UTC microseconds."""

    async def traffic(self, now: int) -> dict[str, Any]:
        """From the minute roll-ups of the last 24 hours.

        ``{"minutes": [(start of five minutes in s, stored, duplicate, quarantined)], "top": [(type, name, count)],
        "sources": [(source, stored, duplicate, quarantined, newest minute in s)], "rate": events a second just now}``
        """
        ...

    async def visitors(self, now: int) -> dict[str, Any]:
        """From events taken evenly over the last 24 hours.

        ``{"sampled", "of", "countries": [(code, events)], "devices": [(type, events)], "browsers": [(name, events)],
        "visitors", "new", "identified"}``; the last three count contacts.
        """
        ...


class Place(NamedTuple):
    """How far a page has read: the newest event and the newest quarantined one that it knows."""

    event: int
    refused: int


@dataclass(frozen=True, slots=True)
class LiveFilter:
    """What a live view shows; empty: anything. ``text`` is looked for in names, reasons and whole events."""

    source: str = ""
    type: str = ""
    outcome: Literal["", "stored", "quarantined"] = ""
    contact: int = 0
    text: str = ""


class Arrivals(NamedTuple):
    """The newest of what arrived, newest first; ``new`` counts all of it, whether it passed the filter or not."""

    rows: list[dict[str, Any]]
    place: Place
    new: int


class LiveReader(Protocol):
    """The newest end of the log and of quarantine."""

    async def arrivals(self, after: Place | None, wanted: LiveFilter, *, limit: int) -> Arrivals:
        """At most ``limit`` rows from behind ``after``; None: the newest there are."""
        ...

    async def event(self, event_id: int) -> dict[str, Any] | None:
        """``{"event": as the admin API shows it, "sent": as its sender wrote it, "who": what its contact is called}``."""
        ...


class RefusalReader(Protocol):
    """Quarantine by reason."""

    async def refusals(self, source: str = "", *, limit: int = 100) -> dict[str, Any]:
        """The newest refused events by code, path and source, most frequent first.

        ``{"groups": [{"code", "path", "source", "count", "first_at", "last_at", "newest_id", "names", "name", "message"}],
        "looked_at", "more"}``; ``more``: quarantine holds older ones that were not looked at.
        """
        ...

    async def refused_ids(self, code: str, path: str, source: str, *, before: int | None = None, limit: int) -> list[int]:
        """Ids of one group's events, newest first, from before an id."""
        ...


class SetupReader(Protocol):
    """Whether what a setup needs has arrived."""

    async def milestones(self, browser: Sequence[str], server: Sequence[str]) -> dict[str, int]:
        """When (s since 1970, to the minute; 0: not lately) the last ``page`` of the browser sources, ``identify`` of any, and
        event of the ``server`` sources was stored."""
        ...


class SchemaReader(Protocol):
    """Which events there are, and what they hold. Minutes are since 1970, other times seconds."""

    async def census(self, after: int, until: int) -> dict[str, Any]:
        """Stored events by name and source within the minutes ``after`` (not inside) to ``until``, or the first of them.

        ``{"rows": [(type, name, source, first seen, last seen, count)], "through": the last minute counted}``
        """
        ...

    async def oldest_minute(self) -> int:
        """Where a census begins; 0: nothing has ever come."""
        ...

    async def sample(self, type_: str, name: str, *, until: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Newest events of a name received up to ``until``: when, and their properties or traits."""
        ...


class Visits(NamedTuple):
    """A page of a contact's history, newest first.

    Rows are ``{"id", "at": µs, "place": the next page's ``before`` behind it, "known": it named the person, "event"}``.
    """

    rows: list[dict[str, Any]]
    more: bool


class ProfileReader(Protocol):
    """One contact's history: each call is a bounded look."""

    async def portrait(self, ref: Ref) -> dict[str, Any] | None:
        """As ``ContactReader.contact``, and ``complete``: of a long history the newest events alone are counted."""
        ...

    async def visits(self, contact: int, *, before: str | None = None, limit: int = 100) -> Visits:
        """The events of all its identifiers. A ``before`` that is no row's place is a ``ValueError``."""
        ...

    async def days(self, contact: int) -> dict[str, Any]:
        """``{"days": [(day since 1970, events)], "counted", "complete"}``; a long history is counted from its newest end."""
        ...

    async def surroundings(self, contact: int) -> dict[str, Any]:
        """``{"places": [((country, city), events, last)], "devices": [((type, browser, system), events, last)], "looked_at"}``."""
        ...

    async def holders(self, refs: Sequence[Ref]) -> dict[tuple[str, str], str | None]:
        """Whose identifiers these are now."""
        ...


class Views(OverviewReader, LiveReader, RefusalReader, SetupReader, SchemaReader, ProfileReader, Protocol):
    """All of them."""
