"""Resolve inside the store's transaction: look up what a batch names, let the planner decide, write what it planned.

A batch that brings nothing new is read without a lock, in two queries: an event stores its identifier, whose contact is found
when it is read, so a merge at the same moment does it no harm. Everything else is decided under one advisory lock that every
collector takes, and read again behind it. Statements are constant a batch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from tropa_collector.identity.policy import Policy
from tropa_collector.identity.records import (
    Call,
    Edge,
    Identifier,
    Key,
    NextIds,
    Pair,
    Plan,
    Snapshot,
    TraitWrite,
    Triage,
)
from tropa_collector.identity.resolve import resolve, triage
from tropa_collector.store.calls import call_of
from tropa_collector.store.contacts.refs import EDGE, IDENTIFIER
from tropa_collector.store.contacts.registers import feed_rows
from tropa_collector.store.contacts.words import SEARCHABLE
from tropa_collector.store.postgres.connect import IDENTITY, LOCK_CLASS, Connection
from tropa_collector.store.postgres.writing.graph import load, rows_in
from tropa_collector.store.postgres.writing.memory import Memory
from tropa_collector.store.postgres.writing.registers import would_change, write_registers, write_words
from tropa_collector.store.postgres.writing.tables import CANNOT_LINK, CONTACTS, CORES, EDGES, IDENTIFIERS, LOG
from tropa_collector.store.protocol import Record

_DAY: Final = 86_400_000_000
_EMPTY: Final = Snapshot(frozenset(), (), (), ())


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
        calls = [call_of(record) for record in records]
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
        return bool(writes) and await would_change(self._connection, writes)

    async def _lookup(self, keys: Collection[Key]) -> dict[Key, Identifier]:
        rows = await self._connection.fetch(
            f"SELECT {IDENTIFIER} FROM unnest($1::text[], $2::text[]) AS wanted(k, v) JOIN identifiers ON value = v AND kind = k",
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
            f"SELECT {EDGE} FROM unnest($1::bigint[], $2::bigint[]) AS wanted(x, y) JOIN edges ON a = x AND b = y",
            *zip(*sorted(wanted), strict=True),
        )
        return {(row[0], row[1]): Edge._make(row) for row in rows}

    async def load(self, contacts: Collection[int], *, merged: bool = False) -> Snapshot:
        """What the planner must see of these contacts; with ``merged`` also those that lead to them."""
        return await load(self._connection, contacts, merged=merged)

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
        rows = [(row[0], now, *row[1:9], json.dumps(row.detail), row.dedup_key) for row in plan.log]
        rows += await self._write_traits(plan, now)
        await LOG.insert(connection, rows, "ON CONFLICT DO NOTHING")
        await self._set_ids(plan.sequence._replace(log=plan.sequence.log + len(rows) - len(plan.log)))

    async def _set_ids(self, sequence: NextIds) -> None:
        """A transaction that fails after this leaves a gap and nothing else."""
        await self._connection.execute(
            "SELECT setval('identifier_ids', $1, false), setval('contact_ids', $2, false), setval('log_ids', $3, false)", *sequence
        )

    async def _write_traits(self, plan: Plan, now: int) -> list[tuple[Any, ...]]:
        """Write what was said of identifiers and return the rows of the log that tell of it."""
        changes = await write_registers(self._connection, plan.traits)
        await write_words(self._connection, changes, self._searchable)
        owners = await rows_in(self._connection, "identifiers", "id, contact", "id", {change.place[0] for change in changes})
        return feed_rows(changes, {row[0]: row[1] for row in owners}, plan.sequence.log, now)

    async def _write_days(self, anchors: Sequence[int], records: Sequence[Record], made: Mapping[int, int]) -> dict[int, int]:
        """When an identifier was last seen, to the day, written once a day. A row that another transaction holds is left to it."""
        known, seen = self._memory.last_days, dict[int, int]()
        for anchor, record in zip(anchors, records, strict=True):
            day = record[7] // _DAY  # when it happened: an import of old customers shows nobody as seen today
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
