"""``type = "relay"``: onward to an endpoint that speaks the Segment HTTP Tracking API: Segment, RudderStack, another Tropa.

Message ids and original times are the sender's, so the other end recognises what it has. Changes of contacts stay here: the API has
no call for them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal, Self

import orjson

from tropa_collector.forward.destination import Batch, Destination, Options, Refused, Surroundings
from tropa_collector.forward.egress import Egress, HttpOptions, expect_taken

MAX_REQUEST_BYTES: Final = 500_000
MAX_EVENT_BYTES: Final = 32_768
#: What the collector put beside the sender's fields (store/protocol.py).
_OURS: Final = frozenset(("received_at", "contact_id", "source", "trust", "enriched", "sentAt"))
_AROUND: Final = len(b'{"batch":[]}')


class RelayOptions(HttpOptions):
    """A table of ``type = "relay"``. ``url`` is the endpoint's, up to ``/v1/batch``."""

    write_key: str
    changes: Literal[False] = False
    batch_events: int = 500


class Relay(Destination):
    """One endpoint."""

    options: ClassVar[type[Options]] = RelayOptions

    def __init__(self, options: RelayOptions) -> None:
        self._url = options.url.rstrip("/").removesuffix("/v1/batch") + "/v1/batch"
        self._egress = Egress(options)
        credentials = base64.b64encode(f"{options.write_key}:".encode()).decode()
        self._headers = {"Content-Type": "application/json", "Authorization": f"Basic {credentials}"}

    @classmethod
    def open(cls, options: RelayOptions, surroundings: Surroundings) -> Self:
        return cls(options)

    async def deliver(self, batch: Batch) -> bool:
        events = [orjson.dumps(as_sent(entry.record)) for entry in batch.entries]
        if any(len(event) > MAX_EVENT_BYTES for event in events):
            raise Refused(f"An event is over {MAX_EVENT_BYTES} bytes.")
        for body in _bodies(events):
            expect_taken(await self._egress.post(self._url, body, self._headers))
        return True

    async def close(self) -> None:
        await self._egress.close()


def as_sent(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as its sender would send it now: the time corrected, without ``sentAt``, so that it is not corrected again.

    Its address is that of the visitor, as far as it was kept: else the other end would place everybody where this collector is.
    """
    sent = {name: value for name, value in event.items() if name not in _OURS}
    context = dict(sent.get("context") or {})
    address = (event.get("enriched") or {}).get("ip")
    if address and not context.get("ip"):
        context["ip"] = address
    return sent | ({"context": context} if context else {})


def _bodies(events: list[bytes]) -> Iterator[bytes]:
    """Requests of at most ``MAX_REQUEST_BYTES``."""
    part: list[bytes] = []
    size = _AROUND
    for event in events:
        if part and size + len(event) + 1 > MAX_REQUEST_BYTES:
            yield _body(part)
            part, size = [], _AROUND
        part.append(event)
        size += len(event) + 1
    if part:
        yield _body(part)


def _body(events: list[bytes]) -> bytes:
    return b'{"batch":[' + b",".join(events) + b"]}"
