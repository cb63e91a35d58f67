"""What the forwarding tests put into a log."""

from __future__ import annotations

from typing import Any

from tropa_collector.forward.memory import MemoryFeed
from tropa_collector.store.protocol import Record

AT = 1_795_000_000_000_000


def event(number: int, **fields: Any) -> dict[str, Any]:
    """A stored event as the API shows it."""
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"m-{number}",
        "anonymousId": f"a-{number % 10}",
        "properties": {"n": number},
        "originalTimestamp": "2026-11-18T06:53:20.000Z",
        "timestamp": "2026-11-18T06:53:20.000Z",
        "received_at": "2026-11-18T06:53:20.000Z",
        "contact_id": "c1",
        "source": "web",
        "trust": "claimed",
        "enriched": {"device": {"bot": False}, "geo": None, "campaign": None, "page": None, "ip": None},
        **fields,
    }


def feed_of(events: int) -> MemoryFeed:
    feed = MemoryFeed()
    for number in range(1, events + 1):
        feed.add("events", event(number), at=AT + number, identifier=number % 10 + 1)
    return feed


def record(number: int, **fields: Any) -> Record:
    """An event on its way to the store, with one anonymous id."""
    body = (
        f'{{"type":"track","event":"Order Completed","messageId":"m-{number}","anonymousId":"a-{number % 10}",'
        f'"properties":{{"n":{number}}},"enriched":{{"device":null,"geo":null,"campaign":null,"page":null,"ip":null}}}}'
    )
    at = AT + number * 1_000
    identity: Any = ([(("anonymous_id", f"a-{number % 10}"), 0, 700, False)], None, None)
    return Record("web", 0, "track", "Order Completed", f"m-{number}", at, at - 500, at - 400, body, identity)._replace(**fields)
