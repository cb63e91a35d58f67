"""Pages of the admin API's lists that every store makes alike: where one begins, what a quarantined event shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from tropa_collector.events.timestamps import to_iso
from tropa_collector.store.protocol import Page, stored_event

OUTCOMES = ("stored", "duplicate", "quarantined")
#: The columns of ``quarantine`` that a page of it shows.
QUARANTINE = "id, received_at, source, code, path, message, message_id, type, name, original, receipt"


def event_page(rows: Sequence[Sequence[Any]], limit: int) -> Page:
    """Of rows of ``shares.EVENT``, newest first: one more than ``limit`` says that there is a following page."""
    following = f"{rows[limit - 1][1]}-{rows[limit - 1][0]}" if len(rows) > limit else None
    return Page([stored_event(row) for row in rows[:limit]], following)


def quarantine_page(rows: Sequence[Sequence[Any]], limit: int) -> Page:
    """Of rows of ``QUARANTINE``, newest first: one more than ``limit`` says that there is a following page."""
    return Page([quarantine_entry(row) for row in rows[:limit]], str(rows[limit - 1][0]) if len(rows) > limit else None)


def quarantine_entry(row: Sequence[Any]) -> dict[str, Any]:
    """A row of ``QUARANTINE`` as the admin API shows it."""
    id_, received_at, source, code, path, message, message_id, type_, name, original, receipt = row
    return {
        "id": id_,
        "received_at": to_iso(received_at),
        "source": source,
        "code": code,
        "path": path,
        "message": message,
        "messageId": message_id,
        "type": type_,
        "event": name,
        "original": original.decode("utf-8", "replace"),
        "receipt": orjson.loads(receipt),
    }


def last_hour(minutes: Iterable[Sequence[Any]], names: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Roll-ups of the last hour as ``totals`` shows them: (minute, source, outcome, count) and (type, name, count)."""
    return {
        "minutes": [
            {"minute": to_iso(minute * 60_000_000), "source": source, "outcome": OUTCOMES[outcome], "count": count}
            for minute, source, outcome, count in minutes
        ],
        "top_events": [{"type": type_, "event": name, "count": count} for type_, name, count in names],
    }


def cursor(before: str, parts: int) -> tuple[int, ...]:
    """The numbers in ``before``.

    Raises:
        ValueError: it is not the ``next`` of an earlier page.
    """
    numbers = before.split("-")
    if len(numbers) != parts or not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in numbers):
        raise ValueError("`before` must be the `next` of an earlier page")
    return tuple(map(int, numbers))
