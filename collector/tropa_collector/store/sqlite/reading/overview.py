"""What was received of late, over the store's file: ids are dense and in the order of commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from tropa_collector.store.contacts.shares import OWNER
from tropa_collector.store.summaries.overview import Sampling, listed

_SAMPLED: Final = (
    "SELECT json_extract(text_of(body), '$.enriched.geo.country'), json_extract(text_of(body), '$.enriched.device.type'),"
    f" json_extract(text_of(body), '$.enriched.device.browser.name'), {OWNER} FROM events WHERE id IN ({{ids}})"
)


def events_since(connection: sqlite3.Connection, since: int) -> tuple[int, int]:
    """The first event received since then, and how many there are."""
    found = connection.execute("SELECT id FROM events WHERE received_at >= ? ORDER BY received_at LIMIT 1", (since,)).fetchone()
    if found is None:
        return 0, 0
    (newest,) = connection.execute("SELECT max(id) FROM events").fetchone()
    return found[0], newest - found[0] + 1


def sampled(connection: sqlite3.Connection, ids: Sequence[int], _: int) -> list[Any]:
    return [row for some in listed(ids) for row in connection.execute(_SAMPLED.format(ids=some))]


SAMPLING: Final = Sampling(events_since, sampled)
