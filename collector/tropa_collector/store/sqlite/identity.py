"""Resolve inside the store's transaction: look up what a batch names, let the planner decide, write what it planned.

Statements are constant a batch: one look-up of identifiers, one of edges, and, only if something is new, ten to load what
the planner must see and one for each table that it writes. The writer is the only one who writes, so what it has read
lately it need not read again.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Generic, TypeVar

import orjson

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import (
    Call,
    Contact,
    Core,
    Edge,
    Ident,
    Identifier,
    Key,
    NextIds,
    Pair,
    Plan,
    Snapshot,
    TraitWrite,
)
from tropa_collector.identity.resolve import order_time, resolve, triage
from tropa_collector.identity.traits import Register, fold
from tropa_collector.store.protocol import Record
from tropa_collector.store.sqlite.words import SEARCHABLE, index_words, word

CACHE_ROWS = 12_288  # of one generation, of which there are two
MAX_NAMED_TRAITS = 100  # of one row of the feed
_DAY = 86_400_000_000
_IDENTIFIER: Final = ", ".join(Identifier._fields)
_EDGE: Final = ", ".join(Edge._fields)
_CONTACT: Final = ", ".join(Contact._fields)
_REGISTER: Final = ", ".join(Register._fields)


Rows = TypeVar("Rows")
Place = tuple[int, str]  # of a trait: identifier and name


class Recent(Generic[Rows]):
    """The latest rows by key, in two generations, so that forgetting costs nothing."""

    def __init__(self) -> None:
        self._now: dict[Any, Rows] = {}
        self._before: dict[Any, Rows] = {}

    def get(self, key: Any) -> Rows | None:
        row = self._now.get(key)
        if row is None and (row := self._before.get(key)) is not None:
            self._now[key] = row
        return row

    def put(self, key: Any, row: Rows) -> None:
        if len(self._now) >= CACHE_ROWS:
            self._before, self._now = self._now, {}
        self._now[key] = row
        self._before.pop(key, None)


class Resolution:
    """The identity of one store. ``plan`` and ``write`` run inside a transaction; ``committed`` follows it."""

    def __init__(self, connection: sqlite3.Connection, policy: Policy, searchable: Collection[str] = SEARCHABLE) -> None:
        self._connection = connection
        self.policy = policy
        self._searchable = frozenset(searchable)
        self._rows: Recent[Identifier] = Recent()
        self._edges: Recent[Edge] = Recent()
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

    def plan(self, records: Sequence[Record]) -> Plan:
        """Who is behind each record. Nothing is written."""
        calls = [_call(record) for record in records]
        known = self._lookup({key for call in calls for key in call.lookups()})
        pairs = self._pairs(calls, known)
        first = triage(calls, known, pairs, self.policy, self.next_ids)
        snapshot = self.load(first.contacts) if first.slow else _EMPTY
        return resolve(first, snapshot, policy=self.policy)

    def _lookup(self, keys: Collection[Key]) -> dict[Key, Identifier]:
        known, missing = {}, []
        for key in keys:
            row = self._rows.get(key)
            if row is None:
                missing.append(key)
            else:
                known[key] = row
        for part in _parts(missing, 500):
            marks = ",".join(["(?,?)"] * len(part))
            rows = self._connection.execute(
                f"WITH w(k, v) AS (VALUES {marks}) SELECT {_IDENTIFIER} FROM w JOIN identifiers ON value = v AND kind = k",
                list(chain.from_iterable(part)),
            )
            for row in map(Identifier._make, rows):
                known[row.kind, row.value] = row
                self._rows.put((row.kind, row.value), row)
        return known

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
        for part in _parts(list(missing), 500):
            marks = ",".join(["(?,?)"] * len(part))
            rows = self._connection.execute(
                f"WITH w(x, y) AS (VALUES {marks}) SELECT {_EDGE} FROM w JOIN edges ON a = x AND b = y",
                list(chain.from_iterable(part)),
            )
            for edge in map(Edge._make, rows):
                found[edge.a, edge.b] = edge
                self._edges.put((edge.a, edge.b), edge)
        return found

    def load(self, contacts: Collection[int], *, merged: bool = False) -> Snapshot:
        """What the planner must see of these contacts (``records.py``); with ``merged`` also those that lead to them."""
        members = self._identifiers("contact", contacts)
        whole = set(contacts) | {
            row.contact for row in self._identifiers("id", _ends(self._edges_of(members)) - set(members)).values()
        }
        if len(whole) > len(set(contacts)):
            members |= self._identifiers("contact", whole - set(contacts))
        edges = self._edges_of(members)
        beyond = self._identifiers("id", _ends(edges) - set(members))
        rows = members | beyond
        owners = {row.contact for row in rows.values()} | {row.shared_contact for row in rows.values() if row.shared_contact}
        return Snapshot(
            whole,
            [rows[identifier] for identifier in sorted(rows)],
            edges,
            self._contacts(owners, merged=merged),
            [
                Core(core, merges, tuple(json.loads(recent)))
                for core, merges, recent in self._in("cores", "id, merges, recent", "id", {row.core for row in rows.values()})
            ],
            self._in("cannot_link", "a, b", "a", members) + self._in("cannot_link", "a, b", "b", members),
        )

    def _in(self, table: str, columns: str, column: str, ids: Collection[int]) -> list[Any]:
        if not ids:
            return []
        inside = ",".join(map(str, sorted(ids)))  # integers of ours: a mark each would pass SQLite's bound on marks
        return self._connection.execute(f"SELECT {columns} FROM {table} WHERE {column} IN ({inside})").fetchall()

    def _identifiers(self, column: str, ids: Collection[int]) -> dict[int, Identifier]:
        return {row[0]: Identifier._make(row) for row in self._in("identifiers", _IDENTIFIER, column, ids)}

    def _edges_of(self, members: Collection[int]) -> list[Edge]:
        rows = {(row[0], row[1]): row for row in self._in("edges", _EDGE, "a", members)}
        rows |= {(row[0], row[1]): row for row in self._in("edges", _EDGE, "b", members)}
        return [Edge._make(rows[pair]) for pair in sorted(rows)]

    def _contacts(self, ids: Collection[int], *, merged: bool) -> list[Contact]:
        rows = self._in("contacts", _CONTACT, "id", ids)
        if merged:
            rows += self._in("contacts", _CONTACT, "merged_into", ids)
        return [Contact._make((*row[:5], bool(row[5]), row[6])) for row in rows]

    # -- writing

    def write(self, plan: Plan, records: Sequence[Record] = ()) -> None:
        """Put a plan's rows where they belong."""
        execute = self._connection.executemany
        execute(
            f"INSERT INTO contacts ({_CONTACT}) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status,"
            " merged_into = excluded.merged_into, first_seen = excluded.first_seen, merges = excluded.merges,"
            " manual = excluded.manual, rev = excluded.rev",
            plan.contacts,
        )
        execute(_UPSERT_IDENTIFIER, plan.identifiers)
        self._note_days(plan.identifiers)
        execute("UPDATE contacts SET merged_into = ?2 WHERE merged_into = ?1", plan.redirects)
        execute(
            "INSERT OR REPLACE INTO cores VALUES (?, ?, ?)",
            [(core.id, core.merges, json.dumps(core.recent)) for core in plan.cores],
        )
        execute(f"INSERT OR REPLACE INTO edges ({_EDGE}) VALUES ({','.join('?' * len(Edge._fields))})", plan.edges)
        parted = next((row.id for row in plan.log if row.action == "unmerge"), 0)
        execute("INSERT OR IGNORE INTO cannot_link VALUES (?, ?, ?)", [(*pair, parted) for pair in plan.cannot_link])
        execute("DELETE FROM cannot_link WHERE a = ? AND b = ?", plan.can_link)
        changed = self._write_traits(plan.traits)
        now = time.time_ns() // 1_000
        rows = [(row[0], now, *row[1:9], json.dumps(row.detail), row.dedup_key) for row in plan.log]
        rows += self._trait_changes(changed, plan.sequence.log, now)
        execute("INSERT OR IGNORE INTO identity_log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._logged = plan.sequence.log + len(rows) - len(plan.log)
        self._write_days(plan.anchors, records)

    def _write_traits(self, writes: Sequence[TraitWrite]) -> Sequence[Place]:
        """Fold new words into the stored registers, one read, one write, and say which have changed."""
        if not writes:
            return ()
        places = {(write.identifier, write.key) for write in writes}
        old: dict[Place, Register | None] = dict.fromkeys(places)
        for row in self._in("traits", f"identifier, key, {_REGISTER}", "identifier", {identifier for identifier, _ in places}):
            if (row[0], row[1]) in old:
                old[row[0], row[1]] = _register(row[2:])
        new = dict(old)
        for write in writes:
            place = (write.identifier, write.key)
            new[place] = fold(new[place], write)
        told = {place: register for place, register in sorted(new.items()) if register is not None and register != old[place]}
        self._connection.executemany(
            "INSERT OR REPLACE INTO traits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*place, *_columns(register)) for place, register in told.items()],
        )
        changed = [(place, old[place], register) for place, register in told.items() if _value(old[place]) != register.value]
        self._write_words([(place, _value(before), register.value) for place, before, register in changed])
        return [place for place, _, _ in changed]

    def _write_words(self, changed: Sequence[tuple[Place, Any, Any]]) -> None:
        """Keep the searchable traits' index in step."""
        found = [(word(old), word(new), *place) for place, old, new in changed if place[1] in self._searchable]
        if not found:
            return
        execute = self._connection.executemany
        execute(
            "DELETE FROM trait_words WHERE text = ? AND identifier = ? AND key = ?", [(old, *at) for old, _, *at in found if old]
        )
        execute("INSERT OR IGNORE INTO trait_words VALUES (?, ?, ?)", [(new, *at) for _, new, *at in found if new])

    def _trait_changes(self, changed: Sequence[Place], first_id: int, now: int) -> list[tuple[Any, ...]]:
        """One row of the log a contact, so that the feed of changes tells of its traits too."""
        if not changed:
            return []
        owner = dict(self._in("identifiers", "id, contact", "id", {identifier for identifier, _ in changed}))
        keys: dict[int, set[str]] = {}
        for identifier, key in changed:
            keys.setdefault(owner[identifier], set()).add(key)
        return [
            (first_id + n, now, "traits", contact, 0, 0, 0, "", "", "system", _dumps(sorted(names)[:MAX_NAMED_TRAITS]), None)
            for n, (contact, names) in enumerate(sorted(keys.items()))
        ]

    def _note_days(self, identifiers: Sequence[Identifier]) -> None:
        """New identifiers are written with the day of their first time: that day need not be written again."""
        free = self.next_ids.identifier
        for row in identifiers:
            if row.id >= free:
                self._days[row.id] = row.first_seen // _DAY

    def _write_days(self, anchors: Sequence[int], records: Sequence[Record]) -> None:
        """When an identifier was last seen, to the day, written once a day."""
        days, seen = self._days, {}
        for anchor, record in zip(anchors, records, strict=False):
            day = record[5] // _DAY
            if anchor and days.get(anchor, 0) < day:
                days[anchor] = seen[anchor] = day
        if len(days) > CACHE_ROWS:
            self._days = dict(seen)
        self._connection.executemany("UPDATE identifiers SET last_day = ?2 WHERE id = ?1 AND last_day < ?2", sorted(seen.items()))

    def committed(self, plan: Plan) -> None:
        """The plan is on disk: what was read of it before is out of date."""
        self.next_ids = plan.sequence._replace(log=self._logged)
        for row in plan.identifiers:
            self._rows.put((row.kind, row.value), row)
        for edge in plan.edges:
            self._edges.put((edge.a, edge.b), edge)

    def forget_rows(self) -> None:
        """After a rollback, or a change by an operator: what was read before may not be what is on disk."""
        self._rows, self._edges, self._days = Recent(), Recent(), {}
        self.next_ids = self._free_ids()


_EMPTY = Snapshot(frozenset(), (), (), ())
_UPSERT_IDENTIFIER = (
    f"INSERT INTO identifiers ({_IDENTIFIER}, last_day) VALUES ({','.join(f'?{n}' for n in range(1, len(Identifier._fields) + 1))},"
    f" ?{Identifier._fields.index('first_seen') + 1} / {_DAY}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in Identifier._fields if column not in {"id", "kind", "value"})
)


_new = tuple.__new__


def _call(record: Record) -> Call:
    source, trust, _, _, message_id, received_at, _, timestamp, _, identity = record
    ts = order_time(timestamp, received_at, trust)
    if identity is None:
        return Call(message_id, ts, source, trust, ())
    idents, traits, previous = identity
    # Both are made for every event: a named tuple's own constructor costs three times as much.
    return _new(Call, (message_id, ts, source, trust, tuple([_new(Ident, ident) for ident in idents]), traits, previous))


def _register(row: Sequence[Any]) -> Register:
    value, trust, ts, event_id, source, first_value, first_ts, first_event = row
    return Register(_loads(value), trust, ts, event_id, source, _loads(first_value), first_ts, first_event)


def _value(register: Register | None) -> Any:
    return None if register is None else register.value


def _columns(register: Register) -> tuple[Any, ...]:
    value, trust, ts, event_id, source, first_value, first_ts, first_event = register
    return _dumps(value), trust, ts, event_id, source, _dumps(first_value), first_ts, first_event


def _loads(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _dumps(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _ends(edges: Iterable[Edge]) -> set[int]:
    return {end for edge in edges for end in (edge.a, edge.b)}


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
