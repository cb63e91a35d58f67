"""For the host application's own tests: clients that send nothing and remember everything.

def test_checkout_is_tracked():
    with tropa.testing.capture() as captured:
        checkout(cart)
    assert captured.named("Order Completed")[0]["properties"]["revenue"] == 39.95
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tropa
from tropa.client import Client
from tropa.transport import Reply


class MemoryTransport:
    """A collector that says 200, or whatever ``replies`` holds first; ``batches`` are the bodies it was given."""

    def __init__(self, *replies: Reply | Exception) -> None:
        self.replies = list(replies)
        self.batches: list[dict[str, Any]] = []

    def post(self, body: bytes, *, retries: int, timeout: float) -> Reply:
        self.batches.append(json.loads(body))
        reply = self.replies.pop(0) if self.replies else Reply(200, {"success": True}, None)
        if isinstance(reply, Exception):
            raise reply
        return reply


class CapturingClient(Client):
    """A client whose ``events`` are what would have been sent, decoded from the very bytes."""

    def __init__(self, write_key: str = "test") -> None:
        super().__init__(write_key, handle_sigterm=False, transport=MemoryTransport())
        self.events: list[dict[str, Any]] = []

    def _accept(self, event: bytes) -> bool:
        self.events.append(json.loads(event))
        return True

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The ``track`` events of this name."""
        return [event for event in self.of_type("track") if event.get("event") == name]

    def clear(self) -> None:
        self.events.clear()


@contextmanager
def capture() -> Iterator[CapturingClient]:
    """Within the block, ``tropa.track(…)`` and its like go to the yielded client."""
    before, client = tropa.default_client, CapturingClient()
    tropa.default_client = client
    try:
        yield client
    finally:
        tropa.default_client = before
        client.shutdown(0)


__all__ = ["CapturingClient", "MemoryTransport", "Reply", "capture"]
