"""The part of the identity graph that the planner must see, read from the tables."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from tropa_collector.identity.records import Contact, Core, Edge, Identifier, Snapshot
from tropa_collector.store.contacts.refs import CONTACT, EDGE, IDENTIFIER, ends
from tropa_collector.store.postgres.connect import Connection


async def load(connection: Connection, contacts: Collection[int], *, merged: bool) -> Snapshot:
    """What the planner must see of these contacts (``records.py``); with ``merged`` also those that lead to them."""
    members = await _identifiers(connection, "contact", contacts)
    around = await _identifiers(connection, "id", ends(await _edges_of(connection, members)) - set(members))
    whole = set(contacts) | {row.contact for row in around.values()}
    members |= await _identifiers(connection, "contact", whole - set(contacts))
    edges = await _edges_of(connection, members)
    rows = members | await _identifiers(connection, "id", ends(edges) - set(members))
    owners = {row.contact for row in rows.values()} | {row.shared_contact for row in rows.values() if row.shared_contact}
    cores = await rows_in(connection, "cores", "id, merges, recent", "id", {row.core for row in rows.values()})
    return Snapshot(
        whole,
        [rows[identifier] for identifier in sorted(rows)],
        edges,
        await _contacts(connection, owners, merged=merged),
        [Core(row[0], row[1], tuple(json.loads(row[2]))) for row in cores],
        [(row[0], row[1]) for row in await _pairs_of(connection, "cannot_link", "a, b", members)],
    )


async def rows_in(connection: Connection, table: str, columns: str, column: str, ids: Collection[int]) -> list[Any]:
    """Rows of which a column holds one of these ids."""
    if not ids:
        return []
    return await connection.fetch(f"SELECT {columns} FROM {table} WHERE {column} = ANY($1::bigint[])", sorted(ids))


async def _identifiers(connection: Connection, column: str, ids: Collection[int]) -> dict[int, Identifier]:
    return {row[0]: Identifier._make(row) for row in await rows_in(connection, "identifiers", IDENTIFIER, column, ids)}


async def _edges_of(connection: Connection, members: Collection[int]) -> list[Edge]:
    return sorted(Edge._make(row) for row in await _pairs_of(connection, "edges", EDGE, members))


async def _pairs_of(connection: Connection, table: str, columns: str, members: Collection[int]) -> list[Any]:
    """Rows with an end among these identifiers."""
    sql = f"SELECT {columns} FROM {table} WHERE a = ANY($1::bigint[]) OR b = ANY($1::bigint[])"
    return await connection.fetch(sql, sorted(members)) if members else []


async def _contacts(connection: Connection, ids: Collection[int], *, merged: bool) -> list[Contact]:
    rows = await rows_in(connection, "contacts", CONTACT, "id", ids)
    if merged:
        rows += await rows_in(connection, "contacts", CONTACT, "merged_into", ids)
    return [Contact._make(row) for row in rows]
