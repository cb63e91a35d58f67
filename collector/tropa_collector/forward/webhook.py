"""``type = "webhook"``: batches as signed POST requests, as Standard Webhooks describes them (standardwebhooks.com).

A batch that comes again has the same ``webhook-id``: whoever receives it can tell. The body is
``{"type": "tropa.events", "timestamp": …, "data": [event, …]}``, or ``tropa.changes`` with the changes of contacts.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Annotated, ClassVar, Final, Self

import orjson
from pydantic import AfterValidator, Field

from tropa_collector.events.timestamps import to_iso
from tropa_collector.forward.destination import Batch, Destination, Options, Surroundings
from tropa_collector.forward.egress import Egress, HttpOptions, expect_taken

_PREFIX: Final = "whsec_"


def _key(secret: str) -> bytes:
    """The key in a secret.

    Raises:
        ValueError: not ``whsec_`` and Base64 of 24 to 64 bytes.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError("a secret is whsec_ and the Base64 of 24 to 64 random bytes")
    return key


def _checked(secret: str) -> str:
    _key(secret)
    return secret


class WebhookOptions(HttpOptions):
    """A table of ``type = "webhook"``."""

    secrets: tuple[Annotated[str, AfterValidator(_checked)], ...] = Field(min_length=1)  # two while one takes the other's place
    batch_events: int = 100
    batch_bytes: int = 500_000


class Webhook(Destination):
    """One endpoint."""

    options: ClassVar[type[Options]] = WebhookOptions

    def __init__(self, options: WebhookOptions, clock: Callable[[], float] = time.time) -> None:
        self._url = options.url
        self._keys = [_key(secret) for secret in options.secrets]
        self._egress = Egress(options)
        self._clock = clock

    @classmethod
    def open(cls, options: WebhookOptions, surroundings: Surroundings) -> Self:
        return cls(options)

    async def deliver(self, batch: Batch) -> bool:
        entries = batch.entries
        body = orjson.dumps(
            {"type": f"tropa.{batch.stream}", "timestamp": to_iso(entries[-1].at), "data": [entry.record for entry in entries]}
        )
        signed = signature_headers(message_id(batch.id), int(self._clock()), body, self._keys)
        expect_taken(await self._egress.post(self._url, body, {"Content-Type": "application/json", **signed}))
        return True

    async def close(self) -> None:
        await self._egress.close()


def message_id(batch_id: str) -> str:
    """Without full stops: they part what is signed."""
    return f"msg_{blake2b(batch_id.encode(), digest_size=15).hexdigest()}"


def signature_headers(message: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """Headers of one attempt: HMAC-SHA256 over ``id.timestamp.body``, one signature a key."""
    content = f"{message}.{timestamp}.".encode() + body
    signatures = [f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys]
    return {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}
