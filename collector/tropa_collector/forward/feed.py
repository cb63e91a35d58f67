"""Which store's log is followed."""

from __future__ import annotations

from pathlib import Path

from tropa_collector.store.protocol import LogFeed
from tropa_collector.store.sqlite.reading.feed import SqliteFeed


def feed_of(store: str, data: Path) -> LogFeed:
    """The log of the store that the setting names."""
    if store == "sqlite":
        return SqliteFeed(data)
    from tropa_collector.store.postgres.reading.feed import PostgresFeed  # noqa: PLC0415 - of an extra

    return PostgresFeed(store)
