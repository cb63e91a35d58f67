"""Resolve inside the store's transaction: look up what a batch names, let the planner decide, write what it planned.

Statements are constant a batch: one look-up of identifiers, one of edges, and, only if something is new, ten to load what
the planner must see and one for each table that it writes. The writer is the only one who writes, so what it has read
lately it need not read again.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import (
    Call,
    Contact,
    Edge,
    Identifier,
    Key,
    NextIds,
    Pair,
    Plan,
    Snapshot,
    Triage,
)
from tropa_collector.identity.resolve import anchor_if_known, order_time, resolve, triage
from tropa_collector.store.calls import call_of
from tropa_collector.store.contacts.refs import CONTACT, EDGE, IDENTIFIER
from tropa_collector.store.contacts.registers import feed_rows
from tropa_collector.store.contacts.words import SEARCHABLE
from tropa_collector.store.sqlite.writing.graph import load, rows_in
from tropa_collector.store.sqlite.writing.recent import Recent
from tropa_collector.store.sqlite.writing.registers import write_registers, write_words
from tropa_collector.store.sqlite.writing.submissions import Row
from tropa_collector.store.sqlite.writing.values import Values
from tropa_collector.store.sqlite.writing.words import index_words

_DAYS_KEPT: Final = 16_384  # identifiers of which the day of their last event is known
_DAY: Final = 86_400_000_000


class Resolution:
    """The identity of one store. ``plan`` and ``write`` run inside a transaction; ``committed`` follows it."""

    def __init__(self, connection: sqlite3.Connection, policy: Policy, searchable: Collection[str] = SEARCHABLE) -> None:
        self._connection = connection
        self.policy = policy
        self._searchable = frozenset(searchable)
        self.values = Values(connection)
        self._rows: Recent[Identifier] = Recent()
        self._edges: Recent[Edge] = Recent()
        self._lone: Recent[Contact] = Recent()  # by identifier, contacts that have that one and nothing else
        self._days: dict[int, int] = {}
        self.next_ids = self._free_ids()
        index_words(connection, self._searchable)

    def _free_ids(self) -> NextIds:
        return NextIds(
            *(
                self._scalar(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")
                for table in ("identifiers", "contacts", "identity_log")
            )
        )

    def _scalar(self, sql: str) -> int:
        return int(self._connection.execute(sql).fetchone()[0])

    # -- a batch

    def plan(self, records: Sequence[Row]) -> Plan:
        """Who is behind each record. Nothing is written."""
        anchors, rest, quiet = self._first_look(records)
        first = self._triage(records, rest)
        touched = [index for index, contact in quiet if contact in first.contacts]
        if touched:  # what says nothing beside an event that changes its contact is planned with it
            rest = sorted(rest + touched)
            first = self._triage(records, rest)
        snapshot = self.load(first.contacts) if first.contacts else _EMPTY
        plan = resolve(first, snapshot, policy=self.policy)
        for index, anchor in zip(rest, plan.anchors, strict=True):
            anchors[index] = anchor
        return plan._replace(anchors=anchors)

    def _first_look(self, records: Sequence[Row]) -> tuple[list[int], list[int], list[tuple[int, int]]]:
        """The anchors of what brings nothing new to identifiers of lately, the indexes of the rest, and of the former those
        with several identifiers, each with its contact.

        Most events end here.
        """
        anchors, rest, quiet = [0] * len(records), list[int](), list[tuple[int, int]]()
        row_of, edge_of, policy = self._rows.get, self._edges.get, self.policy
        for index, (_, trust, _, _, message_id, received_at, _, timestamp, _, identity, _) in enumerate(records):
            if identity is None:
                continue
            idents, traits, previous = identity
            if not traits and previous is None:
                ts = order_time(timestamp, received_at, trust)
                row = anchor_if_known(idents, ts, message_id, row_of, edge_of, policy)
                if row is not None:
                    anchors[index] = row.id
                    if len(idents) > 1:
                        quiet.append((index, row.contact))
                    continue
            rest.append(index)
        return anchors, rest, quiet

    def _triage(self, records: Sequence[Row], rest: Sequence[int]) -> Triage:
        calls = [call_of(records[index]) for index in rest]
        known = self._lookup({key for call in calls for key in call.lookups()})
        lone = {row.id: contact for row in known.values() if (contact := self._lone.get(row.id)) is not None}
        return triage(calls, known, self._pairs(calls, known), self.policy, self.next_ids, lone)

    def _lookup(self, keys: Collection[Key]) -> dict[Key, Identifier]:
        known, missing = {}, []
        for key in keys:
            row = self._rows.get(key)
            if row is None:
                missing.append(key)
            else:
                known[key] = row
        waiting = [number for key in missing if (number := self.values.waiting.get(key)) is not None]
        if waiting:
            missing = [key for key in missing if key not in self.values.waiting]
        for row in map(Identifier._make, chain(self._paired(_LOOK_UP, missing), self._waiting(waiting))):
            known[row.kind, row.value] = row
            self._rows.put((row.kind, row.value), row)
        return known

    def _waiting(self, ids: Sequence[int]) -> Iterator[Any]:
        """Rows that the index of values lacks."""
        return self._paired(_LOOK_UP_ID, [(number, None) for number in ids])

    def _paired(self, statements: Mapping[int, str], pairs: Sequence[tuple[Any, Any]]) -> Iterator[Any]:
        """The rows of some pairs, asked for in few texts: SQLite need not compile them anew. NULL finds nothing."""
        for start in range(0, len(pairs), _SIZES[-1]):
            part = pairs[start : start + _SIZES[-1]]
            size = next(size for size in _SIZES if size >= len(part))
            yield from self._connection.execute(statements[size], [*chain.from_iterable(part), *[None] * (2 * (size - len(part)))])

    def _pairs(self, calls: Sequence[Call], known: Mapping[Key, Identifier]) -> dict[Pair, Edge]:
        """The edges between the first and the other identifiers of one event: the only ones that ``triage`` asks for."""
        found, missing = {}, set()
        for call in calls:
            if len(call.identifiers) < 2 or call.previous is not None or (first := known.get(call.identifiers[0].key)) is None:
                continue
            for ident in call.identifiers[1:]:
                other = known.get(ident.key)
                if other is None:
                    continue
                pair = (first.id, other.id) if first.id < other.id else (other.id, first.id)
                edge = self._edges.get(pair)
                if edge is None:
                    missing.add(pair)
                else:
                    found[pair] = edge
        for edge in map(Edge._make, self._paired(_LOOK_UP_EDGE, list(missing))):
            found[edge.a, edge.b] = edge
            self._edges.put((edge.a, edge.b), edge)
        return found

    def load(self, contacts: Collection[int], *, merged: bool = False) -> Snapshot:
        """What the planner must see of these contacts; with ``merged`` also those that lead to them."""
        return load(self._connection, contacts, merged=merged)

    # -- writing

    def write(self, plan: Plan, records: Sequence[Row] = ()) -> None:
        """Put a plan's rows where they belong."""
        put = self._put
        put(_UPSERT_CONTACT, plan.contacts)
        put(_UPSERT_IDENTIFIER, plan.identifiers)
        put(_REDIRECT, plan.redirects)
        put(
            "INSERT OR REPLACE INTO cores VALUES (?, ?, ?)",
            [(core.id, core.merges, json.dumps(core.recent)) for core in plan.cores],
        )
        put(_REPLACE_EDGE, plan.edges)
        if plan.cannot_link:
            parted = next((row.id for row in plan.log if row.action == "unmerge"), 0)
            put("INSERT OR IGNORE INTO cannot_link VALUES (?, ?, ?)", [(*pair, parted) for pair in plan.cannot_link])
        put("DELETE FROM cannot_link WHERE a = ? AND b = ?", plan.can_link)
        now = time.time_ns() // 1_000
        rows = [
            (id_, now, action, contact, other, a, b, reason, event_id, actor, json.dumps(detail) if detail else "{}", key)
            for id_, action, contact, other, a, b, reason, event_id, actor, detail, key in plan.log
        ]
        rows += self._write_traits(plan, now)
        put("INSERT OR IGNORE INTO identity_log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._logged = plan.sequence.log + len(rows) - len(plan.log)
        self._write_days(plan, records)

    def _put(self, sql: str, rows: Sequence[Any]) -> None:
        if rows:
            self._connection.executemany(sql, rows)

    def _write_traits(self, plan: Plan, now: int) -> list[tuple[Any, ...]]:
        """Write what was said of identifiers and return the rows of the log that tell of it."""
        if not plan.traits:
            return []
        changes = write_registers(self._connection, plan.traits, newborn=self.next_ids.identifier)
        if not changes:
            return []
        write_words(self._connection, changes, self._searchable)
        owners = {row.id: row.contact for row in plan.identifiers}
        others = {change.place[0] for change in changes} - owners.keys()
        owners |= rows_in(self._connection, "identifiers", "id, contact", "id", others)
        return feed_rows(changes, owners, plan.sequence.log, now)

    def _write_days(self, plan: Plan, records: Sequence[Row]) -> None:
        """When an identifier was last seen, to the day, written once a day."""
        days, seen, newborn = self._days, dict[int, int](), self.next_ids.identifier
        for row in plan.identifiers:
            if row.id >= newborn:
                days[row.id] = row.first_seen // _DAY  # new ones are written with the day of their first time
        for anchor, record in zip(plan.anchors, records, strict=False):
            day = record[7] // _DAY  # when it happened: an import of old customers shows nobody as seen today
            if anchor and days.get(anchor, 0) < day:
                days[anchor] = seen[anchor] = day
        if len(days) > _DAYS_KEPT:
            self._days = dict(seen)
        self._put("UPDATE identifiers SET last_day = ?2 WHERE id = ?1 AND last_day < ?2", sorted(seen.items()))

    def committed(self, plan: Plan) -> None:
        """The plan is on disk: what was read of it before is out of date."""
        self.next_ids = plan.sequence._replace(log=self._logged)
        self.values.extend(plan.identifiers)
        for row in plan.identifiers:
            self._rows.put((row.kind, row.value), row)
            self._lone.forget(row.id)
        for edge in plan.edges:
            self._edges.put((edge.a, edge.b), edge)
            self._lone.forget(edge.a)
            self._lone.forget(edge.b)
        for identifier, contact in plan.lone.items():
            self._lone.put(identifier, contact)

    def forget_rows(self) -> None:
        """After a rollback, or a change by an operator: what was read before may not be what is on disk."""
        self._rows, self._edges, self._lone, self._days = Recent(), Recent(), Recent(), {}
        self.values.catch_up()
        self.next_ids = self._free_ids()


_SIZES: Final = (4, 16, 64, 256, 512)
_OF_I: Final = ", ".join(f"i.{column}" for column in Identifier._fields)
_LOOK_UP: Final = {
    size: f"WITH w(k, v) AS (VALUES {','.join(['(?,?)'] * size)}) SELECT {_OF_I} FROM w"
    " CROSS JOIN identifier_values AS n ON n.value = v CROSS JOIN identifiers AS i ON i.id = n.id AND i.kind = k"
    for size in _SIZES
}
_LOOK_UP_ID: Final = {
    size: f"WITH w(x, _) AS (VALUES {','.join(['(?,?)'] * size)}) SELECT {_OF_I} FROM w CROSS JOIN identifiers AS i ON i.id = x"
    for size in _SIZES
}
_LOOK_UP_EDGE: Final = {
    size: f"WITH w(x, y) AS (VALUES {','.join(['(?,?)'] * size)}) SELECT {EDGE} FROM w CROSS JOIN edges ON a = x AND b = y"
    for size in _SIZES
}
_EMPTY = Snapshot(frozenset(), (), (), ())
_UPSERT_CONTACT: Final = (
    f"INSERT INTO contacts ({CONTACT}) VALUES ({','.join('?' * len(Contact._fields))}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in Contact._fields if column != "id")
)
#: That it is not 0 is said for SQLite's sake: without it a partial index is not used, and all the contacts are read.
_REDIRECT: Final = "UPDATE contacts SET merged_into = ?2 WHERE merged_into = ?1 AND merged_into != 0"
_REPLACE_EDGE: Final = f"INSERT OR REPLACE INTO edges ({EDGE}) VALUES ({','.join('?' * len(Edge._fields))})"
_UPSERT_IDENTIFIER: Final = (
    f"INSERT INTO identifiers ({IDENTIFIER}, last_day) VALUES ({','.join(f'?{n}' for n in range(1, len(Identifier._fields) + 1))},"
    f" ?{Identifier._fields.index('first_seen') + 1} / {_DAY}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in Identifier._fields if column not in {"id", "kind", "value"})
)
