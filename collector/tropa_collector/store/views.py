"""What the console asks a store for: summaries and samples, none of which grows with the store. Rows are plain values.

A store implements them beside ``EventReader``; the console shows what one lacks as not available.
"""

from __future__ import annotations

from typing import Any, Protocol


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


class Views(OverviewReader, Protocol):
    """All of them."""
