"""Pages of the admin API's lists that every store makes alike: where one begins, what a quarantined event shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from tropa_collector.events.timestamps import to_iso

OUTCOMES = ("stored", "duplicate", "quarantined")


def quarantine_entry(row: Sequence[Any]) -> dict[str, Any]:
    keys = (
        "id",
        "received_at",
        "source",
        "code",
        "path",
        "message",
        "messageId",
        "type",
        "event",
        "original",
        "receipt",
    )
    entry = dict(zip(keys, row, strict=True))
    entry["received_at"] = to_iso(entry["received_at"])
    entry["original"] = entry["original"].decode("utf-8", "replace")
    entry["receipt"] = orjson.loads(entry["receipt"])
    return entry


def cursor(before: str, parts: int) -> tuple[int, ...]:
    numbers = before.split("-")
    if len(numbers) != parts or not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in numbers):
        raise ValueError("`before` must be the `next` of an earlier page")
    return tuple(map(int, numbers))
