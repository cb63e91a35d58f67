"""From what an operator calls a contact to its id, its identifiers, and back to names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from tropa_collector.identity.records import ERASED, Contact, Edge, Identifier, NextIds
from tropa_collector.store.connection import Connection
from tropa_collector.store.protocol import Ref, public_id

IDENTIFIER = ", ".join(Identifier._fields)
CONTACT = ", ".join(Contact._fields)
EDGE = ", ".join(Edge._fields)
NOBODY = NextIds()


def contact_of(connection: Connection, ref: Ref) -> int | None:
    """The live contact that is meant; a merged one leads to its survivor in one hop."""
    if ref.id:
        row = connection.execute(
            "SELECT CASE merged_into WHEN 0 THEN id ELSE merged_into END FROM contacts WHERE id = ?", (ref.id,)
        )
    else:
        row = connection.execute("SELECT contact FROM identifiers_by_value WHERE value = ? AND kind = ?", (ref.value, ref.kind))
    found = row.fetchone()
    return None if found is None else int(found[0])


def identifier_of(connection: Connection, ref: Ref) -> Identifier | None:
    sql = f"SELECT {IDENTIFIER} FROM identifiers_by_value WHERE value = ? AND kind = ?"
    row = connection.execute(sql, (ref.value, ref.kind)).fetchone()
    return None if row is None else Identifier._make(row)


def members_of(connection: Connection, contact: int) -> list[Identifier]:
    rows = connection.execute(f"SELECT {IDENTIFIER} FROM identifiers WHERE contact = ? ORDER BY id", (contact,))
    return [Identifier._make(row) for row in rows]


def devices_shared_by(connection: Connection, contact: int) -> list[Identifier]:
    """Of a shared device's contact: the device, which is an identifier of its first owner."""
    rows = connection.execute(
        f"SELECT {IDENTIFIER} FROM identifiers WHERE shared_contact = ? AND shared_contact != 0 ORDER BY id",
        (contact,),
    )
    return [Identifier._make(row) for row in rows]


def identifiers(connection: Connection, ids: Iterable[int]) -> dict[int, Identifier]:
    rows = connection.execute(f"SELECT {IDENTIFIER} FROM identifiers WHERE id IN ({inside(set(ids))})")
    return {row[0]: Identifier._make(row) for row in rows}


def edges_of(connection: Connection, ids: Collection[int]) -> list[Edge]:
    """Every edge with an end among these, revoked ones included."""
    listed = inside(ids)
    rows = connection.execute(
        f"SELECT {EDGE} FROM edges WHERE a IN ({listed}) UNION SELECT {EDGE} FROM edges WHERE b IN ({listed})"
    )
    return [Edge._make(row) for row in rows]


def ends(edges: Iterable[Edge]) -> set[int]:
    """The identifiers that edges join."""
    return {end for edge in edges for end in (edge.a, edge.b)}


def inside(ids: Collection[int]) -> str:
    """Integers of ours for an IN list: a mark each would pass SQLite's bound on marks."""
    return ",".join(map(str, sorted(ids))) or "-1"  # standard SQL has no empty list


def name_of(rows: dict[int, Identifier], identifier: int) -> dict[str, str | None] | None:
    row = rows.get(identifier)
    return None if row is None else {"kind": row.kind, "value": shown_value(row)}


def shown_value(row: Identifier) -> str | None:
    """Nothing for an erased one: what is kept of it is a keyed hash, and that says nothing to anybody."""
    return None if row.state == ERASED else row.value


def merged_ids(connection: Connection, contact: int) -> list[int]:
    rows = connection.execute("SELECT id FROM contacts WHERE merged_into = ? AND merged_into != 0 ORDER BY id", (contact,))
    return [row[0] for row in rows]


def public_ids(contacts: Iterable[int]) -> list[Any]:
    return [public_id(contact) for contact in contacts]
