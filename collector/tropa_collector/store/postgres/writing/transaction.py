"""What one group commit does: everything that was taken together, in one transaction, beside those of other collectors.

``Transaction.commit`` is all or nothing. Locks are taken in one order, so that nobody waits in a circle: dedupe keys (sorted),
then, only if something is new about who is who, the identity lock, then the common counters. What needs no lock is done before it.
A row that PostgreSQL itself refuses is found by bisecting and put into quarantine.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import asyncpg

from tropa_collector.store.deeds import is_touch
from tropa_collector.store.operations.erased import MARK
from tropa_collector.store.postgres.connect import (
    ERASURE,
    LOCK_CLASS,
    TRIES,
    Connection,
    is_fault_of_a_row,
    is_retryable,
    step_back,
)
from tropa_collector.store.postgres.partitions import day_of, make_days
from tropa_collector.store.postgres.session import storable
from tropa_collector.store.postgres.writing.identity import Resolution
from tropa_collector.store.postgres.writing.memory import Memory, Rollup
from tropa_collector.store.postgres.writing.tables import EVENTS, QUARANTINE
from tropa_collector.store.protocol import Outcome, Quarantined, Record, Submission

logger = logging.getLogger("tropa.store")

_TYPE, _NAME = itemgetter(2), itemgetter(3)

#: original_at and key: what a retry has in common with its first try
DedupeKey = tuple[int, int]


@dataclass(slots=True)
class _Work:
    """What a transaction writes; memory follows only after the commit."""

    records: list[Record] = field(default_factory=list)  # the new ones
    keys: list[int] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    rollups: Counter[Rollup] = field(default_factory=Counter)


class Transaction:
    """Group commits on one connection; what they remember is shared with the collector's other connections."""

    def __init__(self, connection: Connection, memory: Memory, resolution: Resolution | None = None) -> None:
        self._connection = connection
        self._memory = memory
        self._backend = connection.get_server_pid()
        self.resolution = resolution or Resolution(connection, memory)

    async def commit(self, submissions: Sequence[Submission]) -> list[bytes]:
        """Commit submissions together; for each, one ``Outcome`` a record.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError: nothing is known to be committed: the caller answers 503.
        """
        try:
            return await self._commit_again(submissions)
        except Exception as error:  # the writer's boundary: a row that breaks anything is found and set aside
            if not is_fault_of_a_row(error) or self._connection.is_closed():
                raise
            return await self._isolate(submissions, error)

    async def probe(self, seconds: float) -> None:
        """Is the database there, and does it take writes?

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError: no.
        """
        if await self._connection.fetchval("SELECT pg_is_in_recovery()", timeout=seconds):
            raise ConnectionError("the server has become a replica")

    async def _commit_again(self, submissions: Sequence[Submission]) -> list[bytes]:
        for attempt in range(1, TRIES):
            try:
                return await self._commit(submissions)
            except asyncpg.CheckViolationError:
                self._memory.tables.clear()  # retention has dropped a day that was known
            except asyncpg.PostgresError as error:
                if not is_retryable(error):
                    raise
                await step_back(attempt)
        return await self._commit(submissions)

    async def _commit(self, submissions: Sequence[Submission]) -> list[bytes]:
        await self._make_tables(submissions)
        work = _Work()
        async with self._connection.transaction():
            await self._take_part()
            outcomes = await self._sort_out(submissions, work)
            refused = self._memory.erased.refuse(work.records)
            await self._count(work)
            anchors, last_days = await self.resolution.resolve(work.records)
            await self._insert_events(work.records, anchors)
            await self._insert_quarantined(work, refused)
        self._memory.note_seen(work.keys)
        self._memory.note_days(last_days)
        return outcomes

    async def _make_tables(self, submissions: Sequence[Submission]) -> None:
        days = {day_of(record[5]) for submission in submissions for record in submission.records}
        if missing := days - self._memory.tables:
            await make_days(self._connection, missing)
            self._memory.tables |= missing

    async def _take_part(self) -> None:
        """No erasure begins until this is committed; one that was done since is learnt of before anything is decided."""
        await self._connection.execute("SELECT take_part_in_log(), pg_advisory_xact_lock_shared($1, $2)", LOCK_CLASS, ERASURE)
        erasures: int = await self._connection.fetchval("SELECT value FROM counters WHERE name = 'erasures'")
        if erasures != self._memory.erasures:
            rows = await self._connection.fetch("SELECT value FROM identifiers WHERE state = 3 AND starts_with(value, $1)", MARK)
            key: bytes | None = await self._connection.fetchval("SELECT key FROM erasure_key")
            self._memory.erased.replace({row[0] for row in rows}, key or b"")
            self._memory.erasures = erasures

    # -- new or known

    async def _sort_out(self, submissions: Sequence[Submission], work: _Work) -> list[bytes]:
        """Decide stored or duplicate for every record, and count everything."""
        keyed = [[self._memory.key(record[0], record[4]) for record in submission.records] for submission in submissions]
        fresh = await self._note_keys(self._unseen(submissions, keyed))
        outcomes = []
        for submission, keys in zip(submissions, keyed, strict=True):
            flags = bytearray(len(keys))
            for position, (record, key) in enumerate(zip(submission.records, keys, strict=True)):
                if fresh.pop((record[6], key), None) is None:
                    flags[position] = Outcome.DUPLICATE
                else:
                    work.records.append(record)
                    work.keys.append(key)
            outcomes.append(bytes(flags))
            quarantined = [Quarantined(*map(storable, bad)) for bad in submission.quarantined]
            _count_outcomes(submission.records, quarantined, flags, work.rollups)
            work.quarantined.extend(quarantined)
            work.released.extend(submission.released)
        return outcomes

    def _unseen(self, submissions: Sequence[Submission], keyed: list[list[int]]) -> dict[DedupeKey, int]:
        """Of keys that were not seen lately the first record's times."""
        found: dict[DedupeKey, int] = {}
        met: set[int] = set()
        for submission, keys in zip(submissions, keyed, strict=True):
            for record, key in zip(submission.records, keys, strict=True):
                if key not in met and key not in self._memory.seen:
                    met.add(key)
                    found[record[6], key] = record[5]
        return found

    async def _note_keys(self, wanted: dict[DedupeKey, int]) -> dict[DedupeKey, bool]:
        """Those of the keys that no transaction has written; one that is about to is waited for."""
        if not wanted:
            return {}
        rows = [(*key, wanted[key]) for key in sorted(wanted)]
        inserted = await self._connection.fetch(
            "INSERT INTO dedupe SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])"
            " ON CONFLICT DO NOTHING RETURNING original_at, key",
            *zip(*rows, strict=True),
        )
        return {(row[0], row[1]): True for row in inserted}

    # -- writing

    async def _insert_events(self, records: Sequence[Record], anchors: Sequence[int]) -> None:
        rows = [(anchor or None, *record[:9], is_touch(record[8])) for anchor, record in zip(anchors, records, strict=True)]
        await EVENTS.insert(self._connection, rows)

    async def _insert_quarantined(self, work: _Work, refused: int) -> None:
        """Counters are common to all collectors: they are changed in one order, and only when there is something to count."""
        await QUARANTINE.insert(self._connection, work.quarantined)
        counts = Counter(
            {"erased_refused": refused, "quarantine_bytes": sum(len(b[8]) + len(b[9].encode()) for b in work.quarantined)}
        )
        if work.released:
            rows = await self._connection.fetch(
                "DELETE FROM quarantine WHERE id = ANY($1::bigint[]) RETURNING octet_length(original) + octet_length(receipt)",
                work.released,
            )
            counts["quarantine_bytes"] -= sum(row[0] for row in rows)
            counts["quarantine_released"] += len(rows)
        for name, by in sorted(counts.items()):
            if by:
                await self._connection.execute("UPDATE counters SET value = value + $1 WHERE name = $2", by, name)

    async def _count(self, work: _Work) -> None:
        days = Counter(day_of(record[5]) for record in work.records)
        if days:
            await self._connection.execute(
                "INSERT INTO days SELECT day, $3, events FROM unnest($1::integer[], $2::bigint[]) AS counted(day, events)"
                " ON CONFLICT (day, backend) DO UPDATE SET events = days.events + excluded.events",
                *zip(*days.items(), strict=True),
                self._backend,
            )
        rollups = self._memory.bounded(work.rollups)
        if rollups:
            await self._connection.execute(
                "INSERT INTO rollups SELECT minute, source, type, name, outcome, $7, count FROM unnest"
                "($1::bigint[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[])"
                " AS counted(minute, source, type, name, outcome, count)"
                " ON CONFLICT (minute, source, type, name, outcome, backend) DO UPDATE SET count = rollups.count + excluded.count",
                *zip(*((*row, count) for row, count in sorted(rollups.items())), strict=True),
                self._backend,
            )

    # -- one bad row

    async def _isolate(self, submissions: Sequence[Submission], error: Exception) -> list[bytes]:
        if len(submissions) > 1:
            middle = len(submissions) // 2
            return await self.commit(submissions[:middle]) + await self.commit(submissions[middle:])
        (submission,) = submissions
        records = submission.records
        if len(records) > 1:
            middle = len(records) // 2
            first = await self.commit([submission._replace(records=records[:middle])])
            second = await self.commit([Submission(records[middle:])])
            return [first[0] + second[0]]
        if not records:
            raise error
        # By its type alone: a message may hold what was sent. It is in quarantine, beside the event.
        logger.error("an event was set aside: %s", type(error).__name__)
        await self._commit_again([Submission((), [*submission.quarantined, _refused(records[0], error)], submission.released)])
        return [bytes([Outcome.QUARANTINED])]


def _count_outcomes(
    records: Sequence[Record], quarantined: Sequence[Quarantined], flags: bytearray, rollups: Counter[Rollup]
) -> None:
    if records:
        minute, source = records[0][5] // 60_000_000, records[0][0]
        for (type_, name, outcome), count in Counter(zip(map(_TYPE, records), map(_NAME, records), flags, strict=True)).items():
            rollups[minute, source, type_, name, outcome] += count
    for bad in quarantined:
        rollups[bad[1] // 60_000_000, bad[0], bad[2], bad[3], Outcome.QUARANTINED] += 1


def _refused(record: Record, error: Exception) -> Quarantined:
    source, _, type_, name, message_id, received_at, _, _, body, _ = record
    why, original = f"The store could not hold this event: {str(error)[:500]}", body.encode("utf-8", "replace")
    return Quarantined(source, received_at, type_, name, "store_refused", "$", why, message_id, original, "{}")
