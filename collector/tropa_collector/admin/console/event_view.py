"""One event through the stages: what was sent, what each stage added, where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tropa_collector.admin.console.json_view import lines
from tropa_collector.events.timestamps import to_microseconds
from tropa_collector.identity.identifiers import Extracted
from tropa_collector.store.protocol import TRUST_NAMES

if TYPE_CHECKING:
    from tropa_collector.admin.api import AdminParts

#: Which stage put a field beside the sender's own.
MARKS: Final = {
    "$.enriched": "enriched",
    "$.timestamp": "receipt",
    "$.originalTimestamp": "receipt",
    "$.received_at": "receipt",
    "$.source": "receipt",
    "$.trust": "receipt",
    "$.contact_id": "identity",
}


def event_values(parts: AdminParts, found: dict[str, Any]) -> dict[str, Any]:
    """What ``event_detail.html`` shows of a stored event, as ``LiveReader.event`` gives it."""
    event, sent = found["event"], found["sent"]
    source = parts.ring.named(event["source"])
    identity = parts.pipeline.identifiers(sent, source, to_microseconds(event["received_at"])) if source is not None else None
    return {
        "event": {
            name: event.get(name) for name in ("type", "messageId", "received_at", "timestamp", "source", "trust", "contact_id")
        },
        "name": event.get("event") or event.get("name") or "",
        "who": found["who"],
        "skew_ms": _skew_ms(event),
        "enriched": event.get("enriched") or {},
        "identity": identity_values(identity),
        "sent": lines(sent),
        "stored": lines(event, marks=MARKS),
    }


def identity_values(found: Extracted | None) -> dict[str, Any]:
    """The identifiers that an event carried, strongest first, and the values that became none."""
    if found is None:
        return {"known": False, "identifiers": [], "refusals": []}
    return {
        "known": True,
        "identifiers": [
            {"kind": kind, "value": value, "trust": TRUST_NAMES[trust]} for (kind, value), trust, *_ in found.identifiers
        ],
        "refusals": [refusal._asdict() for refusal in found.refusals],
    }


def _skew_ms(event: dict[str, Any]) -> int:
    """How far the sender's clock was off, as it was corrected."""
    original = event.get("originalTimestamp")
    return round((to_microseconds(event["timestamp"]) - to_microseconds(original)) / 1000) if original else 0
