"""The store's in-memory twin: the same promises but durability, for tests and for programs that embed the stages."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

from tropa_collector.errors import Conflict, Unavailable
from tropa_collector.store.pages import cursor, quarantine_entry
from tropa_collector.store.protocol import (
    EventQuery,
    Operation,
    Outcome,
    Page,
    Quarantined,
    Record,
    StoreState,
    Submission,
    stored_event,
)

RECENT_KEYS = 65_536


class MemoryStore:
    """``EventLog`` and ``EventReader`` over lists. ``fail_with`` makes the next commits refuse."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.held: dict[int, Quarantined] = {}
        self.fail_with: Unavailable | None = None
        self._keys: set[tuple[str, int, str]] = set()
        self._recent: OrderedDict[tuple[str, str], None] = OrderedDict()  # catches a retry that was stamped anew
        self._next = 1
        self._released = 0

    @property
    def state(self) -> StoreState:
        failing = self.fail_with
        return StoreState(True) if failing is None else StoreState(False, failing.code, failing.message)

    def refusal(self) -> Unavailable | None:
        return self.fail_with

    def gauges(self) -> dict[str, float]:
        return {"queue_events": 0}

    async def operate(self, operation: Operation) -> Any:
        raise Conflict(f"The in-memory store has no operation {operation.name!r}: it keeps no contacts.")

    async def commit(self, submission: Submission) -> Sequence[int]:
        if self.fail_with is not None:
            raise self.fail_with
        flags = bytearray()
        for record in submission.records:
            if self._is_known(record):
                flags.append(Outcome.DUPLICATE)
            else:
                flags.append(Outcome.STORED)
                self.records.append(record)
        for bad in submission.quarantined:
            self.held[self._next] = bad
            self._next += 1
        for quarantine_id in submission.released:
            self._released += self.held.pop(quarantine_id, None) is not None
        return bytes(flags)

    def _is_known(self, record: Record) -> bool:
        key, recent = (record.source, record.original_at, record.message_id), (record.source, record.message_id)
        known = key in self._keys or recent in self._recent
        self._keys.add(key)
        self._recent[recent] = None
        if len(self._recent) > RECENT_KEYS:
            self._recent.popitem(last=False)
        return known

    async def events(self, query: EventQuery) -> Page:
        wanted = [
            (record.received_at, number, record)
            for number, record in enumerate(self.records, start=1)
            if query.message_id in {None, record.message_id}
            and query.type in {None, record.type}
            and query.name in {None, record.name}
            and query.source in {None, record.source}
            and (query.since is None or record.received_at >= query.since)
        ]
        wanted.sort(reverse=True)
        if query.before is not None:
            received_at, number = cursor(query.before, 2)
            wanted = [entry for entry in wanted if entry[:2] < (received_at, number)]
        page = wanted[: query.limit]
        following = f"{page[-1][0]}-{page[-1][1]}" if len(wanted) > query.limit else None
        return Page(
            [
                stored_event((number, r.received_at, r.timestamp, r.original_at, r.source, r.trust, None, r.body))
                for _, number, r in page
            ],
            following,
        )

    async def quarantine(
        self, *, code: str | None = None, ids: Sequence[int] = (), before: str | None = None, limit: int = 100
    ) -> Page:
        behind = None if before is None else cursor(before, 1)[0]
        wanted = [
            (number, bad)
            for number, bad in sorted(self.held.items(), reverse=True)
            if code in {None, bad.code} and (not ids or number in ids) and (behind is None or number < behind)
        ]
        return Page(
            [_shown(number, bad) for number, bad in wanted[:limit]],
            str(wanted[limit - 1][0]) if len(wanted) > limit else None,
        )

    async def totals(self) -> dict[str, Any]:
        top = Counter((record.type, record.name) for record in self.records)
        return {
            "events_stored": len(self.records),
            "quarantined": len(self.held),
            "quarantine_dropped": 0,
            "quarantine_released": self._released,
            "top_events": [{"type": type_, "event": name, "count": count} for (type_, name), count in top.most_common(20)],
        }


def _shown(number: int, bad: Quarantined) -> dict[str, Any]:
    return quarantine_entry(
        (
            number,
            bad.received_at,
            bad.source,
            bad.code,
            bad.path,
            bad.message,
            bad.message_id,
            bad.type,
            bad.name,
            bad.original,
            bad.receipt,
        )
    )
