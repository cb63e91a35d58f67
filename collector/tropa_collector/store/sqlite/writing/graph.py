"""The part of the identity graph that the planner must see, read from the tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any

from tropa_collector.identity.records import Contact, Core, Edge, Identifier, Snapshot
from tropa_collector.store.contacts.refs import CONTACT, EDGE, IDENTIFIER, ends, inside


def load(connection: sqlite3.Connection, contacts: Collection[int], *, merged: bool) -> Snapshot:
    """What the planner must see of these contacts (``records.py``); with ``merged`` also those that lead to them."""
    members = _identifiers(connection, "contact", contacts)
    around = _identifiers(connection, "id", ends(_edges_of(connection, members)) - set(members))
    whole = set(contacts) | {row.contact for row in around.values()}
    if len(whole) > len(set(contacts)):
        members |= _identifiers(connection, "contact", whole - set(contacts))
    edges = _edges_of(connection, members)
    rows = members | _identifiers(connection, "id", ends(edges) - set(members))
    owners = {row.contact for row in rows.values()} | {row.shared_contact for row in rows.values() if row.shared_contact}
    cores = rows_in(connection, "cores", "id, merges, recent", "id", {row.core for row in rows.values()})
    return Snapshot(
        whole,
        [rows[identifier] for identifier in sorted(rows)],
        edges,
        _contacts(connection, owners, merged=merged),
        [Core(core, merges, tuple(json.loads(recent))) for core, merges, recent in cores],
        rows_in(connection, "cannot_link", "a, b", "a", members) + rows_in(connection, "cannot_link", "a, b", "b", members),
    )


def rows_in(connection: sqlite3.Connection, table: str, columns: str, column: str, ids: Collection[int]) -> list[Any]:
    """Rows of which a column holds one of these ids."""
    if not ids:
        return []
    return connection.execute(f"SELECT {columns} FROM {table} WHERE {column} IN ({inside(ids)})").fetchall()


def _identifiers(connection: sqlite3.Connection, column: str, ids: Collection[int]) -> dict[int, Identifier]:
    return {row[0]: Identifier._make(row) for row in rows_in(connection, "identifiers", IDENTIFIER, column, ids)}


def _edges_of(connection: sqlite3.Connection, members: Collection[int]) -> list[Edge]:
    rows = {(row[0], row[1]): row for row in rows_in(connection, "edges", EDGE, "a", members)}
    rows |= {(row[0], row[1]): row for row in rows_in(connection, "edges", EDGE, "b", members)}
    return [Edge._make(rows[pair]) for pair in sorted(rows)]


def _contacts(connection: sqlite3.Connection, ids: Collection[int], *, merged: bool) -> list[Contact]:
    rows = rows_in(connection, "contacts", CONTACT, "id", ids)
    if merged:
        rows += rows_in(connection, "contacts", CONTACT, "merged_into != 0 AND merged_into", ids)
    return [Contact._make((*row[:5], bool(row[5]), row[6])) for row in rows]
