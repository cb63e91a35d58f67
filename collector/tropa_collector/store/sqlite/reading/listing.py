"""All contacts and all events, row by row in one snapshot, for whoever takes them out of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tropa_collector.identity.records import LIVE, Key
from tropa_collector.store.contacts.lists import MAX_TRAIT_NAMES, contact_row
from tropa_collector.store.contacts.shares import EVENT
from tropa_collector.store.protocol import stored_event
from tropa_collector.store.sqlite.file import open_reading, reading
from tropa_collector.store.sqlite.reading.doers import gather_doers


def trait_names(file: Path) -> list[str]:
    """The traits that anybody has, the first of them by name."""
    with reading(file) as connection:
        rows = connection.execute("SELECT DISTINCT key FROM traits ORDER BY key LIMIT ?", (MAX_TRAIT_NAMES,))
        return [key for (key,) in rows]


def list_events(file: Path, *, since: int | None, type_: str | None, name: str | None) -> Iterator[Mapping[str, Any]]:
    """Events as the API shows them, in the order of commit; ``since`` is of receipt."""
    where, values = ["1"], list[Any]()
    for test, value in (("received_at >= ?", since), ("type = ?", type_), ("name = ?", name)):
        if value is not None:
            where.append(test)
            values.append(value)
    with reading(file) as connection:
        for row in connection.execute(f"SELECT {EVENT} FROM events WHERE {' AND '.join(where)} ORDER BY id", values):
            yield stored_event(row)


def list_contacts(file: Path, *, since: int | None, did: str | None, not_did: str | None) -> Iterator[Mapping[str, Any]]:
    """Contacts as ``contact_row`` shows them."""
    tests = ["status = ?"]
    with reading(file) as connection:
        for table, name, test in (("wanted", did, "id IN temp.wanted"), ("unwanted", not_did, "id NOT IN temp.unwanted")):
            if name:
                gather_doers(connection, table, name, since)
                tests.append(test)
        sql = f"SELECT id, first_seen FROM contacts WHERE {' AND '.join(tests)} ORDER BY id"
        for contact, first_seen in connection.execute(sql, (LIVE,)):
            yield contact_row(connection, contact, first_seen)


def key_counter(file: Path) -> tuple[Callable[[Sequence[Key]], int], Callable[[], None]] | None:
    """How many of some keys the store holds already, and how to end asking; None when there is no store yet."""
    if not file.is_file():
        return None
    connection = open_reading(file)

    def count(keys: Sequence[Key]) -> int:
        values = list({value for _, value in keys})
        sql = f"SELECT kind, value FROM identifiers_by_value WHERE value IN ({','.join('?' * len(values))})"
        held = set(connection.execute(sql, values))
        return sum(key in held for key in keys)

    return count, connection.close
