"""Which store's log is followed."""

from __future__ import annotations

from pathlib import Path

from tropa_collector.errors import SettingsError
from tropa_collector.store.protocol import LogFeed
from tropa_collector.store.sqlite.feed import SqliteFeed


def feed_of(store: str, data: Path) -> LogFeed:
    """The log of the store that a setting names.

    Raises:
        SettingsError: its log cannot be followed.
    """
    if store != "sqlite":
        raise SettingsError(
            f"Destinations follow the embedded store's log; that of {store.partition(':')[0]} cannot be followed yet."
        )
    return SqliteFeed(data)
