"""Where the events of identifiers are, and how they are taken away."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import Any, Final

from tropa_collector.store.connection import Connection, number
from tropa_collector.store.contacts.refs import inside
from tropa_collector.store.deeds import deeds_of
from tropa_collector.store.operations.workplace import Archive
from tropa_collector.store.sqlite.numbering import NEWEST_EVENT
from tropa_collector.store.sqlite.writing.erased import directory_of, make_key

_SHELL: Final = "json_object('type', type, 'messageId', message_id, 'erased', json('true'))"


_THROUGH: Final = "(SELECT value FROM counters WHERE name = 'dedupe_through_id')"


def event_ids(connection: Connection, identifiers: Collection[int]) -> list[int]:
    """The events that hang on these identifiers: of the timeline's runs, and of the log's tail."""
    listed = inside(identifiers)
    return [
        row[0]
        for row in connection.execute(
            "SELECT t.event_id FROM timeline_runs AS r CROSS JOIN timeline AS t ON t.run = r.run"
            f" WHERE t.identifier IN ({listed}) UNION SELECT id FROM events WHERE id > {_THROUGH} AND identifier IN ({listed})"
            " ORDER BY 1"
        )
    ]


def forget(connection: Connection, found: Sequence[int]) -> None:
    """Shells in place of events; the indexes that lead to them forget them."""
    runs = [run for (run,) in connection.execute("SELECT run FROM timeline_runs ORDER BY run")]
    for start in range(0, len(found), 500):
        part = inside(found[start : start + 500])
        rows = connection.execute(
            f"SELECT type, name, touch, identifier, timestamp, id FROM events WHERE id IN ({part})"
        ).fetchall()
        _unindex(connection, rows, runs)
        connection.execute(f"UPDATE events SET identifier = NULL, name = '', touch = 0, body = {_SHELL} WHERE id IN ({part})")


def _unindex(connection: Connection, rows: Sequence[tuple[Any, ...]], runs: Sequence[int]) -> None:
    """Take events out of the runs that hold them; a run is named after its first event."""
    places, deeds = [], []
    for type_, name, touch, *place in rows:
        run = bisect_right(runs, place[2])
        if run:
            places.append((runs[run - 1], *place))
            deeds += [(runs[run - 1], *deed) for deed in deeds_of(type_, name, (place[0], place[1], place[2]), touch=touch)]
    connection.executemany("DELETE FROM timeline WHERE run = ? AND identifier = ? AND timestamp = ? AND event_id = ?", places)
    connection.executemany(
        "DELETE FROM deeds WHERE run = ? AND deed = ? AND identifier = ? AND timestamp = ? AND event_id = ?", deeds
    )


def _make_key(connection: Connection) -> bytes:
    assert isinstance(connection, sqlite3.Connection)
    return make_key(directory_of(connection))


def _newest_event(connection: Connection) -> int:
    return number(connection, f"SELECT {NEWEST_EVENT}")


ARCHIVE: Final = Archive(event_ids, forget, _make_key, _newest_event)
