"""All contacts and all events, row by row in one snapshot, for whoever takes them out of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tropa_collector.events.timestamps import to_iso
from tropa_collector.identity.records import ERASED, LIVE, Key
from tropa_collector.store.connection import Connection
from tropa_collector.store.protocol import public_id, stored_event
from tropa_collector.store.sqlite.behaviour import gather_doers
from tropa_collector.store.sqlite.contact import traits_of
from tropa_collector.store.sqlite.dossier import reading
from tropa_collector.store.sqlite.refs import members_of

MAX_TRAIT_NAMES: Final = 500
KINDS: Final = ("user_id", "email", "phone")
_CONTACT: Final = (
    "(SELECT CASE WHEN i.shared_from IS NOT NULL AND e.timestamp >= i.shared_from THEN i.shared_contact ELSE i.contact END"
    " FROM identifiers AS i WHERE i.id = e.identifier)"
)
_EVENT: Final = f"id, received_at, timestamp, original_at, source, trust, {_CONTACT}, body"


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
        for row in connection.execute(f"SELECT {_EVENT} FROM events AS e WHERE {' AND '.join(where)} ORDER BY id", values):
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


def contact_row(connection: Connection, contact: int, first_seen: int) -> dict[str, Any]:
    """A contact as a row of a table: values by kind, other identifiers as kind:value, traits as ``trait.<name>``."""
    own = [row for row in members_of(connection, contact) if row.state != ERASED]
    values = {kind: [row.value for row in own if row.kind == kind] for kind in KINDS}
    others = [f"{row.kind}:{row.value}" for row in own if row.kind not in KINDS]
    traits = {f"trait.{name}": trait.value for name, trait in traits_of(connection, contact, own).items()}
    return {"id": public_id(contact), "first_seen_at": to_iso(first_seen), **values, "other_identifiers": others, **traits}


def key_counter(file: Path) -> tuple[Callable[[Sequence[Key]], int], Callable[[], None]] | None:
    """How many of some keys the store holds already, and how to end asking; None when there is no store yet."""
    if not file.is_file():
        return None
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)

    def count(keys: Sequence[Key]) -> int:
        marks = ",".join(["(?,?)"] * len(keys))
        sql = f"WITH w(k, v) AS (VALUES {marks}) SELECT count(*) FROM w JOIN identifiers ON value = v AND kind = k"
        return int(connection.execute(sql, [part for key in keys for part in key]).fetchone()[0])

    return count, connection.close
