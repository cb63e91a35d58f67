"""Resolve inside the store's transaction: look up what a batch names, let the planner decide, write what it planned.

A batch that brings nothing new is read without a lock, in two queries: an event stores its identifier, whose contact is found
when it is read, so a merge at the same moment does it no harm. Everything else is decided under one advisory lock that every
collector takes, and read again behind it. Statements are constant a batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

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
    Triage,
)
from tropa_collector.identity.resolve import order_time, resolve, triage
from tropa_collector.identity.traits import Register, fold
from tropa_collector.store.contacts.words import SEARCHABLE, word
from tropa_collector.store.postgres.connect import IDENTITY, LOCK_CLASS, Connection
from tropa_collector.store.postgres.memory import Memory
from tropa_collector.store.postgres.tables import CANNOT_LINK, CONTACTS, CORES, EDGES, IDENTIFIERS, LOG, TRAIT_WORDS, TRAITS
from tropa_collector.store.protocol import Record

MAX_NAMED_TRAITS: Final = 100  # of one row of the feed
_DAY: Final = 86_400_000_000
_IDENTIFIER: Final = ", ".join(Identifier._fields)
_EDGE: Final = ", ".join(Edge._fields)
_CONTACT: Final = ", ".join(Contact._fields)
_REGISTER: Final = ", ".join(Register._fields)
_EMPTY: Final = Snapshot(frozenset(), (), (), ())

Place = tuple[int, str]  # of a trait: identifier and name


class Resolution:
    """The identity of one store over one connection. Everything here runs inside a transaction."""

    def __init__(
        self, connection: Connection, memory: Memory, policy: Policy | None = None, searchable: Collection[str] = SEARCHABLE
    ) -> None:
        self._connection = connection
        self._memory = memory
        self._searchable = frozenset(searchable)
        self.policy = policy or Policy()

    # -- a batch

    async def resolve(self, records: Sequence[Record]) -> tuple[Sequence[int], dict[int, int]]:
        """The identifier that each record hangs on (0: nobody), and which identifiers were seen on a day that is now written."""
        calls = [_call(record) for record in records]
        if not any(call.identifiers for call in calls):
            return [0] * len(calls), {}
        first = await self._triage(calls, NextIds())
        anchors: Sequence[int] = first.anchors
        made: dict[int, int] = {}
        if first.slow or first.identifiers or await self._says_something(calls, anchors):
            await self.lock()
            free = await self.next_ids()
            plan = await self._plan(calls, free)
            await self.write(plan)
            anchors = plan.anchors
            # New identifiers are written with the day of their first time: that day need not be written again.
            made = {row.id: row.first_seen // _DAY for row in plan.identifiers if row.id >= free.identifier}
        return anchors, made | await self._write_days(anchors, records, made)

    async def lock(self) -> None:
        """Until the transaction ends no other collector decides who is who."""
        await self._connection.execute("SELECT pg_advisory_xact_lock($1, $2)", LOCK_CLASS, IDENTITY)

    async def next_ids(self) -> NextIds:
        """The next free ids; they are ours while we hold the lock."""
        row = await self._connection.fetchrow(
            "SELECT i.last_value, c.last_value, l.last_value FROM identifier_ids AS i, contact_ids AS c, log_ids AS l"
        )
        assert row is not None
        return NextIds(*row)

    async def _plan(self, calls: Sequence[Call], free: NextIds) -> Plan:
        first = await self._triage(calls, free)
        snapshot = await self.load(first.contacts) if first.slow else _EMPTY
        return resolve(first, snapshot, policy=self.policy)

    async def _triage(self, calls: Sequence[Call], sequence: NextIds) -> Triage:
        known = await self._lookup({key for call in calls for key in call.lookups()})
        pairs = await self._pairs(calls, known)
        return triage(calls, known, pairs, self.policy, sequence)

    async def _says_something(self, calls: Sequence[Call], anchors: Sequence[int]) -> bool:
        """Would a trait of these events change what is stored?"""
        writes = _trait_writes(calls, anchors)
        return bool(writes) and bool(_told(*await self._folded(writes)))

    async def _lookup(self, keys: Collection[Key]) -> dict[Key, Identifier]:
        rows = await self._connection.fetch(
            f"SELECT {_IDENTIFIER} FROM unnest($1::text[], $2::text[]) AS wanted(k, v) JOIN identifiers ON value = v AND kind = k",
            *zip(*sorted(keys), strict=True),
        )
        return {(row[1], row[2]): Identifier._make(row) for row in rows}

    async def _pairs(self, calls: Sequence[Call], known: Mapping[Key, Identifier]) -> dict[Pair, Edge]:
        """The edges between the first and the other identifiers of one event: the only ones that ``triage`` asks for."""
        wanted = set()
        for call in calls:
            if len(call.identifiers) < 2 or call.previous is not None or (first := known.get(call.identifiers[0].key)) is None:
                continue
            others = (known.get(ident.key) for ident in call.identifiers[1:])
            wanted |= {(min(first.id, other.id), max(first.id, other.id)) for other in others if other is not None}
        if not wanted:
            return {}
        rows = await self._connection.fetch(
            f"SELECT {_EDGE} FROM unnest($1::bigint[], $2::bigint[]) AS wanted(x, y) JOIN edges ON a = x AND b = y",
            *zip(*sorted(wanted), strict=True),
        )
        return {(row[0], row[1]): Edge._make(row) for row in rows}

    # -- loading

    async def load(self, contacts: Collection[int], *, merged: bool = False) -> Snapshot:
        """What the planner must see of these contacts (``records.py``); with ``merged`` also those that lead to them."""
        members = await self._identifiers("contact", contacts)
        around = await self._identifiers("id", _ends(await self._edges_of(members)) - set(members))
        whole = set(contacts) | {row.contact for row in around.values()}
        members |= await self._identifiers("contact", whole - set(contacts))
        edges = await self._edges_of(members)
        rows = members | await self._identifiers("id", _ends(edges) - set(members))
        owners = {row.contact for row in rows.values()} | {row.shared_contact for row in rows.values() if row.shared_contact}
        cores = await self._in("cores", "id, merges, recent", "id", {row.core for row in rows.values()})
        return Snapshot(
            whole,
            [rows[identifier] for identifier in sorted(rows)],
            edges,
            await self._contacts(owners, merged=merged),
            [Core(row[0], row[1], tuple(json.loads(row[2]))) for row in cores],
            [(row[0], row[1]) for row in await self._pairs_of("cannot_link", "a, b", members)],
        )

    async def _in(self, table: str, columns: str, column: str, ids: Collection[int]) -> list[Any]:
        if not ids:
            return []
        return await self._connection.fetch(f"SELECT {columns} FROM {table} WHERE {column} = ANY($1::bigint[])", sorted(ids))

    async def _identifiers(self, column: str, ids: Collection[int]) -> dict[int, Identifier]:
        return {row[0]: Identifier._make(row) for row in await self._in("identifiers", _IDENTIFIER, column, ids)}

    async def _edges_of(self, members: Collection[int]) -> list[Edge]:
        return sorted(Edge._make(row) for row in await self._pairs_of("edges", _EDGE, members))

    async def _pairs_of(self, table: str, columns: str, members: Collection[int]) -> list[Any]:
        """Rows with an end among these identifiers."""
        sql = f"SELECT {columns} FROM {table} WHERE a = ANY($1::bigint[]) OR b = ANY($1::bigint[])"
        return await self._connection.fetch(sql, sorted(members)) if members else []

    async def _contacts(self, ids: Collection[int], *, merged: bool) -> list[Contact]:
        rows = await self._in("contacts", _CONTACT, "id", ids)
        if merged:
            rows += await self._in("contacts", _CONTACT, "merged_into", ids)
        return [Contact._make(row) for row in rows]

    # -- writing

    async def write(self, plan: Plan) -> None:
        """Put a plan's rows where they belong; the lock is held."""
        connection, now = self._connection, time.time_ns() // 1_000
        await CONTACTS.upsert(connection, {row.id: row for row in plan.contacts}.values())
        identifiers = {row.id: (*row, row.first_seen // _DAY) for row in plan.identifiers}
        await IDENTIFIERS.upsert(connection, identifiers.values())
        for redirect in plan.redirects:
            await connection.execute("UPDATE contacts SET merged_into = $2 WHERE merged_into = $1", *redirect)
        await CORES.upsert(connection, {row.id: (row.id, row.merges, json.dumps(row.recent)) for row in plan.cores}.values())
        await EDGES.upsert(connection, plan.edges)
        parted = next((row.id for row in plan.log if row.action == "unmerge"), 0)
        await CANNOT_LINK.insert(connection, [(*pair, parted) for pair in plan.cannot_link], "ON CONFLICT DO NOTHING")
        if plan.can_link:
            await connection.executemany("DELETE FROM cannot_link WHERE a = $1 AND b = $2", plan.can_link)
        changed = await self._write_traits(plan.traits)
        rows = [(row[0], now, *row[1:9], json.dumps(row.detail), row.dedup_key) for row in plan.log]
        rows += await self._trait_changes(changed, plan.sequence.log, now)
        await LOG.insert(connection, rows, "ON CONFLICT DO NOTHING")
        await self._set_ids(plan.sequence._replace(log=plan.sequence.log + len(rows) - len(plan.log)))

    async def _set_ids(self, sequence: NextIds) -> None:
        """A transaction that fails after this leaves a gap and nothing else."""
        await self._connection.execute(
            "SELECT setval('identifier_ids', $1, false), setval('contact_ids', $2, false), setval('log_ids', $3, false)", *sequence
        )

    async def _folded(self, writes: Sequence[TraitWrite]) -> tuple[dict[Place, Register | None], dict[Place, Register]]:
        """The stored registers that these words touch, and what they would be with them."""
        old: dict[Place, Register | None] = {(write.identifier, write.key): None for write in writes}
        columns = f"identifier, key, {_REGISTER}"
        for row in await self._in("traits", columns, "identifier", {identifier for identifier, _ in old}):
            if (row[0], row[1]) in old:
                old[row[0], row[1]] = _register(row)
        new: dict[Place, Register] = {}
        for write in writes:
            place = (write.identifier, write.key)
            new[place] = fold(new.get(place, old[place]), write)
        return old, new

    async def _write_traits(self, writes: Sequence[TraitWrite]) -> list[Place]:
        """Fold new words into the stored registers, one read, one write, and say which have another value now."""
        if not writes:
            return []
        old, new = await self._folded(writes)
        told = _told(old, new)
        await TRAITS.upsert(self._connection, [(*place, *_columns(register)) for place, register in told.items()])
        changed = [(place, _value(old[place]), register.value) for place, register in told.items()]
        changed = [change for change in changed if change[1] != change[2]]
        await self._write_words(changed)
        return [place for place, _, _ in changed]

    async def _write_words(self, changed: Sequence[tuple[Place, Any, Any]]) -> None:
        """Keep the searchable traits' index in step."""
        found = [(word(old), word(new), *place) for place, old, new in changed if place[1] in self._searchable]
        if gone := [(old, *at) for old, _, *at in found if old]:
            await self._connection.executemany("DELETE FROM trait_words WHERE text = $1 AND identifier = $2 AND key = $3", gone)
        await TRAIT_WORDS.insert(self._connection, [(new, *at) for _, new, *at in found if new], "ON CONFLICT DO NOTHING")

    async def _trait_changes(self, changed: Sequence[Place], first_id: int, now: int) -> list[tuple[Any, ...]]:
        """One row of the log a contact, so that the feed of changes tells of its traits too."""
        owner = {row[0]: row[1] for row in await self._in("identifiers", "id, contact", "id", {place[0] for place in changed})}
        keys: dict[int, set[str]] = {}
        for identifier, key in changed:
            keys.setdefault(owner[identifier], set()).add(key)
        return [
            (first_id + n, now, "traits", contact, 0, 0, 0, "", "", "system", _dumps(sorted(names)[:MAX_NAMED_TRAITS]), None)
            for n, (contact, names) in enumerate(sorted(keys.items()))
        ]

    async def _write_days(self, anchors: Sequence[int], records: Sequence[Record], made: Mapping[int, int]) -> dict[int, int]:
        """When an identifier was last seen, to the day, written once a day. A row that another transaction holds is left to it."""
        known, seen = self._memory.last_days, dict[int, int]()
        for anchor, record in zip(anchors, records, strict=True):
            day = record[5] // _DAY
            if anchor and max(known.get(anchor, -1), made.get(anchor, -1), seen.get(anchor, -1)) < day:
                seen[anchor] = day
        if seen:
            await self._connection.execute(
                "UPDATE identifiers SET last_day = day FROM ("
                "SELECT id AS free, day FROM unnest($1::bigint[], $2::integer[]) AS seen(number, day)"
                " JOIN identifiers ON id = number AND last_day < day ORDER BY id FOR UPDATE OF identifiers SKIP LOCKED) AS due"
                " WHERE id = free",
                *zip(*sorted(seen.items()), strict=True),
            )
        return seen


def _trait_writes(calls: Sequence[Call], anchors: Sequence[int]) -> list[TraitWrite]:
    return [
        TraitWrite(anchor, key, value, call.trust, call.ts, call.event_id, call.source)
        for call, anchor in zip(calls, anchors, strict=True)
        if call.traits and anchor
        for key, value in call.traits.items()
    ]


def _told(old: Mapping[Place, Register | None], new: Mapping[Place, Register]) -> dict[Place, Register]:
    return {place: register for place, register in sorted(new.items()) if register != old[place]}


def _call(record: Record) -> Call:
    source, trust, _, _, message_id, received_at, _, timestamp, _, identity = record
    ts = order_time(timestamp, received_at, trust)
    if identity is None:
        return Call(message_id, ts, source, trust, ())
    idents, traits, previous = identity
    return Call(message_id, ts, source, trust, tuple(Ident(*ident) for ident in idents), traits, previous)


def _register(row: Sequence[Any]) -> Register:
    _, _, value, trust, ts, event_id, source, first_value, first_ts, first_event = row
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
