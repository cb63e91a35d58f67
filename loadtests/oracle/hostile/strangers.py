"""A crowd in which nobody is like another: each event its own user agent, address, name, ids and campaign."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from loadtests.oracle.exchange import post

BATCH_EVENTS = 100


def batches(count: int, *, key: str) -> Iterator[bytes]:
    """Requests of a hundred strangers each, with headers of the first."""
    for first in range(0, count, BATCH_EVENTS):
        strangers = range(first, min(count, first + BATCH_EVENTS))
        body = orjson.dumps({"batch": [_event(number) for number in strangers]})
        lines = (f"x-write-key: {key}", f"user-agent: {_agent(-first)}", f"x-forwarded-for: {_address(first)}", f"x-a-{first}: 1")
        yield post("/v1/batch", body, *lines)


def _agent(number: int) -> str:
    device, chrome = f"Linux; Android {number % 15}; SM-{number:X}", f"Chrome/{number % 150}.0.{number}.0"
    return f"Mozilla/5.0 ({device}) AppleWebKit/537.36 {chrome} Mobile Safari/537.36"


def _address(number: int) -> str:
    spread = number * 2_654_435_761 % 2**32
    if number % 2:
        return ".".join(str(byte) for byte in spread.to_bytes(4, "big"))
    return f"2a02:{spread >> 16:x}:{spread & 0xFFFF:x}::{number % 65_536:x}"


def _event(number: int) -> dict[str, Any]:
    search = f"?utm_source=s{number}&utm_campaign=c{number}&gclid=g{number}"
    context = {
        "ip": _address(number),
        "userAgent": _agent(number),
        "page": {"url": f"https://shop.example/{number}{search}", "search": search, "title": f"Page {number}"},
        "locale": f"x-{number}",
    }
    ids = {"messageId": f"stranger-{number}", "anonymousId": f"a-{number}", "userId": f"u-{number}"}
    return {
        "type": "track",
        "event": f"Name {number}",
        f"field_{number}": 1,
        "context": context,
        "properties": {f"p{number}": number},
        **ids,
    }
