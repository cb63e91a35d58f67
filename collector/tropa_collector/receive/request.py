"""A request on its way to a reply: its head, and its body as it comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from tropa_collector.errors import PayloadTooLarge
from tropa_collector.receive.replies import Reply

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
HeaderMap = dict[bytes, bytes]


class Gone(Exception):
    """The client hung up: there is nobody to answer."""


class Ask(NamedTuple):
    """A request on its way to a reply: what the handlers of all paths need."""

    method: str
    headers: HeaderMap
    scope: Scope
    receive: Receive


Handler = Callable[[Ask], Awaitable[Reply]]


async def read_body(ask: Ask, limit: int) -> bytes:
    """The body as sent.

    Raises:
        PayloadTooLarge: it has more than ``limit`` bytes.
        Gone: it did not come whole.
    """
    length = ask.headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit:
        raise PayloadTooLarge(f"The body has {int(length)} bytes; at most {limit} are taken.")
    message = await ask.receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return message["body"]  # type: ignore[no-any-return]
    parts, size = [], 0
    while message["type"] == "http.request":
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise PayloadTooLarge(f"The body is larger than {limit} bytes.")
        if not message.get("more_body"):
            return b"".join(parts)
        message = await ask.receive()
    raise Gone
