"""Feed quarantined events through the stages again, after the cause was fixed.

A replay keeps the first receipt's time, source, address and user agent. The event leaves quarantine in the same commit
that stores it (or that quarantines it anew, with its present reason), so it is never in two places and never in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tropa_collector.errors import MalformedBody
from tropa_collector.events.normalise import Limits, parse
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.events.validate import Envelope
from tropa_collector.pipeline import Pipeline
from tropa_collector.receive.keys import KeyRing
from tropa_collector.receive.receipt import Receipt
from tropa_collector.store.protocol import EventReader

PAGE_ROWS = 200
_LIMITS = Limits(max_depth=200)  # the most that settings allow: what is cut to be read at all stays too deep under any


async def replay(
    pipeline: Pipeline, reader: EventReader, ring: KeyRing, *, code: str | None = None, ids: Sequence[int] = ()
) -> dict[str, Any]:
    """Replay the quarantined events with this code, or these ids, or all: ``{"replayed", "stored", "quarantined", "skipped"}``."""
    counts = {"replayed": 0, "stored": 0, "quarantined": 0, "skipped": 0}
    before: str | None = None
    while True:
        page = await reader.quarantine(code=code, ids=ids, before=before, limit=PAGE_ROWS)
        for row in page.rows:
            outcome = await replay_row(pipeline, ring, row)
            counts[outcome] += 1
            counts["replayed"] += outcome != "skipped"
        if page.next is None:
            return counts
        before = page.next


async def replay_row(pipeline: Pipeline, ring: KeyRing, row: dict[str, Any]) -> str:
    """``stored``, ``quarantined`` or ``skipped``: what became of a row of ``EventReader.quarantine``."""
    source = ring.named(row["source"])
    if source is None:
        return "skipped"  # the source was removed: its events wait until it is back
    facts = row["receipt"]
    if facts.get("envelope", ()) is None:
        return "skipped"  # its batch's context held what no store takes: without it, it would be another event
    receipt = Receipt(
        source=source,
        received_at=to_microseconds(row["received_at"]),
        address=facts.get("address"),
        user_agent=facts.get("user_agent"),
        hints=facts.get("hints") or {},
        retried=bool(facts.get("retried")),
        opted_out=bool(facts.get("opted_out")),
        replay=True,
        visitor=facts.get("anonymousId"),
    )
    original = row["original"].encode("utf-8", "surrogatepass")
    try:
        item = parse(original, limits=_LIMITS)
    except MalformedBody:
        return "skipped"
    if isinstance(item, dict):
        item.pop("writeKey", None)
        if item.get("type") is None:
            item["type"] = row["type"] or None
    outer = facts.get("envelope") or {}
    envelope = Envelope([item], outer.get("sentAt"), outer.get("context"), outer.get("integrations"))
    verdict = await pipeline.ingest(envelope, receipt, lambda: [original], [row["id"]])
    return "quarantined" if verdict.errors else "stored"
