"""A body read in both ways, the quick one and the slow one, and what is sent to tell them apart."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from tropa_collector.errors import RequestError
from tropa_collector.events.accept import DEPTH
from tropa_collector.events.normalise import Limits, parse
from tropa_collector.events.plain import Decode, Decoded
from tropa_collector.events.validate import Envelope, Valid, check_all, open_batch, open_single

LIMITS = Limits()
TIGHT = Limits(max_depth=DEPTH, max_string_chars=40, max_list_items=2, max_map_items=4)
MOST_BYTES = 400
USUAL: dict[str, Any] = {
    "messageId": "m",
    "anonymousId": "a",
    "timestamp": "2026-11-21T20:31:35.253Z",
    "context": {
        "page": {"url": "https://shop.example/ж"},
        "screen": {"width": 1920},
        "userAgent": "Mozilla/5.0",
        "ip": "192.0.2.1",
    },
    "type": "track",
    "event": "Order Completed",
    "properties": {"total": 12.5, "products": [{"sku": "P-1", "price": 1e-7}], "note": 'a "quoted"\nline'},
}
SQLITE = sqlite3.connect(":memory:")
RANDOM_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
Verdicts = Sequence[Any]  # of each event; or why the body was refused


def slowly(body: bytes, *, limits: Limits) -> Decoded:
    return Decoded(parse(body, limits=limits))


def of_batch(decoded: Decoded) -> Envelope:
    return open_batch(*decoded, max_events=100, max_bytes=10_000)


def of_event(decoded: Decoded) -> Envelope:
    return open_single(*decoded, type_="track")


def verdicts(body: bytes, decode: Decode, open_: Callable[[Decoded], Envelope], limits: Limits) -> Verdicts:
    try:
        envelope = open_(decode(body, limits=limits))
    except RequestError as error:
        return error.code, str(error)
    return list(check_all(envelope, source="s", limits=limits, max_event_bytes=MOST_BYTES))


def as_text(found: Verdicts) -> str:
    """1, 1.0 and True told apart; an id that was made up without a message id is not compared."""
    return RANDOM_ID.sub("random", repr(found))


def assert_same(body: bytes, decode: Decode, open_: Callable[[Decoded], Envelope], limits: Limits = LIMITS) -> None:
    found = verdicts(body, decode, open_, limits)
    assert as_text(found) == as_text(verdicts(body, slowly, open_, limits))
    for event in found:
        if isinstance(event, Valid):
            assert orjson.dumps(orjson.loads(event.encoded)) == event.encoded
            text = event.encoded.decode()
            assert SQLITE.execute("SELECT json_valid(?), json_extract(?, '$.type')", (text, text)).fetchone() == (1, event.type)


def encoded(value: object) -> bytes:
    return orjson.dumps(value)


def is_taken(body: bytes, decode: Decode) -> bool:
    try:
        return bool(decode(body, limits=LIMITS).encoded)
    except RequestError:
        return False


#: Values for any place of an event.
ODD = {
    "a number without an end": b"1e999",
    "one of many digits": b"1" * 400,
    "one of more digits than Python reads": b"1" * 5_000,
    "past int64": b"9223372036854775808",
    "past 2**53, which is taken slowly": b"9007199254740993",
    "past int64, negative": b"-9223372036854775809",
    "minus zero": b"-0",
    "a leading zero": b"01",
    "no fraction": b"1.",
    "a bare minus": b"-",
    "NaN": b"NaN",
    "-Infinity": b"-Infinity",
    "another way to write 1": b"1.0e0",
    "more digits than a double has": b"0.1000000000000000055511151231257827",
    "invalid UTF-8": b'"\xff"',
    "a surrogate as bytes": b'"\xed\xa0\x80"',
    "a lone surrogate": rb'"\ud800"',
    "NUL": rb'"\u0000"',
    "a raw control character": b'"\x01"',
    "an escape that needs none": rb'"\/"',
    "a trailing comma": b"[1,]",
    "two equal keys": b'{"a":1,"a":2}',
    "a space": b"[1, 2]",
    "deep": b"[" * 60 + b"]" * 60,
    "too deep": b"[" * 70 + b"]" * 70,
    "deeper than parsers go": b"[" * 3_000 + b"]" * 3_000,
    "a comment": b"1/**/",
}
