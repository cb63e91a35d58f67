"""Events and changes as rows of a table: what ClickHouse and Parquet hold, column by column the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.store.protocol import Logged

_NOTHING: Final[Mapping[str, Any]] = {}


def event_row(entry: Logged) -> dict[str, Any]:
    """An event; its times in UTC microseconds. What its mapping took away is empty."""
    event = entry.record
    enriched = event.get("enriched") or _NOTHING
    return {
        "position": entry.position,
        "received_at": entry.at,
        "timestamp": _time(event.get("timestamp"), entry.at),
        "original_at": _time(event.get("originalTimestamp"), 0),
        "type": _text(event.get("type")),
        "name": _text(event.get("event") or event.get("name")),
        "source": _text(event.get("source")),
        "trust": _text(event.get("trust")),
        "message_id": _text(event.get("messageId")),
        "anonymous_id": _text(event.get("anonymousId")),
        "user_id": _text(event.get("userId")),
        "identifier": entry.identifiers[0] if entry.identifiers else 0,
        "country": _text((enriched.get("geo") or _NOTHING).get("country")),
        "bot": bool((enriched.get("device") or _NOTHING).get("bot")),
        "body": orjson.dumps(event).decode(),
    }


def change_row(entry: Logged) -> dict[str, Any]:
    """A contact's change."""
    change = entry.record
    return {
        "position": entry.position,
        "at": entry.at,
        "type": change["type"],
        "contact": contact_number(change.get("contact_id")),
        "other_contact": contact_number(change.get("other_contact_id")),
        "body": orjson.dumps(change).decode(),
    }


def contact_number(public: str | None) -> int:
    """The integer in ``c12`` (store/protocol.py, public_id); 0 for none."""
    return int(public[1:]) if public else 0


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _time(text: Any, otherwise: int) -> int:
    try:
        return to_microseconds(text)
    except (TypeError, ValueError):
        return otherwise
