"""Malformed requests without end, the same ones for the same seed: bodies × encodings × content types × paths × headers."""

from __future__ import annotations

import gzip
import json
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from loadtests.oracle.exchange import post

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Dice = random.Random

PATHS = (
    "/v1/track", "/v1/t", "/v1/identify", "/v1/page", "/v1/screen", "/v1/group", "/v1/alias", "/v1/batch", "/v1/batch",
    "/v1/b/",
    "/v1/import", "/beacon/v1/batch", "/v1/validate", "/v1/m",
)  # fmt: skip
CONTENT_TYPES = (
    "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
    "application/json; charset=utf-16", "", "application/octet-stream", "a" * 2_000, "image/gif",
)  # fmt: skip
LABELS = ("", "", "", "gzip", "deflate", "zstd", "br", "identity", "gzip, gzip", "x" * 500)
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**53 + 1, 2**63, -(2**64), 10**400, 1.5, 1e308, float("nan"), float("inf"), "", " ",
    "null", "\0", "\ud800",
    "\udfff\ud800", "\u202e", "x" * 20_000, "💥" * 300, [], [[]], {}, {"a": None}, [1, "2", {}], {"$ne": 1},
    {"__proto__": {"admin": True}},
    {"constructor": {"prototype": {"x": 1}}}, "' OR 1=1 --", "=cmd|' /C calc'!A0", "<script>alert(1)</script>",
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "../../etc/passwd", "\r\nSet-Cookie: a=b",
)  # fmt: skip
FIELDS = (
    "type", "event", "messageId", "anonymousId", "userId", "groupId", "previousId", "timestamp", "originalTimestamp",
    "sentAt", "receivedAt",
    "context", "integrations", "properties", "traits", "name", "category", "writeKey", "channel", "enriched",
    "contact_id", "__proto__",
)  # fmt: skip
CONTEXT_FIELDS = (
    "active", "app", "campaign", "device", "ip", "library", "locale", "location", "network", "os", "page", "referrer",
    "screen", "timezone",
    "groupId", "traits", "userAgent", "userAgentData", "identity",
)  # fmt: skip


def _event(dice: Dice) -> dict[str, Any]:
    kind = dice.choice(("track", "identify", "page", "screen", "group", "alias"))
    return {
        "type": kind,
        "event": "Hostile",
        "messageId": f"h-{dice.getrandbits(64):x}",
        "anonymousId": "h",
        "properties": {"price": 1},
    }


def _wrong_types(dice: Dice) -> bytes:
    event = _event(dice)
    for name in dice.sample(FIELDS, dice.randint(1, 8)):
        event[name] = dice.choice(JUNK)
    if dice.random() < 0.5:
        event["context"] = {name: dice.choice(JUNK) for name in dice.sample(CONTEXT_FIELDS, dice.randint(1, 8))}
    return _text(event)


def _wrong_batch(dice: Dice) -> bytes:
    items: list[Any] = [_event(dice) if dice.random() < 0.5 else dice.choice(JUNK) for _ in range(dice.randint(0, 30))]
    body: dict[str, Any] = {"batch": dice.choice([items, items, items, dice.choice(JUNK)])}
    for name in ("sentAt", "context", "integrations", "writeKey"):
        if dice.random() < 0.3:
            body[name] = dice.choice(JUNK)
    return _text(body)


def _text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _truncated(dice: Dice) -> bytes:
    whole = _text({"batch": [_event(dice) for _ in range(5)]})
    return whole[: dice.randrange(len(whole))]


def _flipped(dice: Dice) -> bytes:
    body = bytearray(_text({"batch": [_event(dice) for _ in range(3)]}))
    for _ in range(dice.randint(1, 10)):
        body[dice.randrange(len(body))] = dice.randrange(256)
    return bytes(body)


def _escapes(dice: Dice) -> bytes:
    text = "".join(dice.choice((r"\ud83d", r"\ude00", r"\u0000", r"\uDFFF", r"\"", r"\\", r"\x", r"\u12", "a")) for _ in range(40))
    return b'{"type":"track","event":"' + text.encode() + b'","anonymousId":"h"}'


def _numbers(dice: Dice) -> bytes:
    number = dice.choice(
        ("1" * 30, "-" + "9" * 5_000, "1" * 100_000, "1e999", "-1e400", "0.1e-99999", "NaN", "-Infinity", "01", "+1", "1.", ".5")
    )
    return b'{"type":"track","event":"n","anonymousId":"h","properties":{"v":' + number.encode() + b"}}"


def _deep(dice: Dice) -> bytes:
    levels, opening = dice.choice((65, 200, 900, 1_100, 5_000, 100_000)), dice.choice((b"[", b'{"a":', b'[{"a":'))
    body = b'{"type":"track","event":"d","anonymousId":"h","properties":{"p":' + (opening * levels)[:400_000]
    closing = {b"[": b"]", b'{"a":': b"}", b'[{"a":': b"}]"}[opening] * levels
    return body + b"1" + closing[:90_000] + b"}}" if dice.random() < 0.5 else body


def _wide(dice: Dice) -> bytes:
    keys = dice.choice((501, 3_000, 25_000))
    return b'{"type":"track","event":"w","anonymousId":"h","properties":{' + b",".join(b'"k%d":1' % n for n in range(keys)) + b"}}"


def _odd_text(dice: Dice) -> bytes:
    whole = _text(_event(dice))
    return dice.choice(
        (b"", b" ", b"\xef\xbb\xbf", b"\xef\xbb\xbf" + whole, whole.decode().encode("utf-16"),
        whole.decode().encode("utf-32-le"), whole + whole,
         whole + b"\0", b"null", b"[]", b"{}", b'"text"', b"12", b"[1,2", b'{"batch":[]}', b"event=a&b=c", b"<a/>",
         b"\0" * 500, b"// c\n" + whole,
         b"{" + b'"a":1,' * 900 + b'"a":2}', whole.replace(b'"', b"'"))
    )  # fmt: skip


def _random_bytes(dice: Dice) -> bytes:
    magic = dice.choice((b"", b"", b"\x1f\x8b", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x78\x9c", b"{", b"PK\3\4"))
    return magic + dice.randbytes(dice.choice((0, 1, 7, 300, 5_000)))


BODIES: tuple[Callable[[Dice], bytes], ...] = (
    _wrong_types, _wrong_types, _wrong_types, _wrong_batch, _wrong_batch, _truncated, _flipped, _escapes, _numbers,
    _deep, _wide, _odd_text,
    _random_bytes,
)  # fmt: skip


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(1, wbits=-15)
    return packer.compress(body) + packer.flush()


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


ENCODINGS: tuple[Callable[[bytes], bytes], ...] = (
    bytes, bytes, bytes, _gzip, lambda body: zlib.compress(body, 1), lambda body: zstd.compress(body, 1), _raw_deflate,
    lambda body: _gzip(_gzip(body)), lambda body: _gzip(_gzip(_gzip(body))), lambda body: zstd.compress(_gzip(body), 1),
    lambda body: _gzip(body)[:-5], lambda body: zlib.compress(body)[: len(body) // 3 + 2],
    lambda body: zstd.compress(body)[:-3],
    lambda body: _gzip(body) + b"tail", lambda body: _gzip(body) * 3, lambda body: _gzip(b"") * 150,
)  # fmt: skip


def _odd_headers(dice: Dice, key: str) -> list[str]:
    junk = dice.choice(("", "x" * 3_000, "\u00ff\u00fe", "null", "-1", "'\"<>", "127.0.0.1, ::1, %s" % ("9." * 40), "\t"))
    names = (
        "user-agent",
        "x-forwarded-for",
        "origin",
        "cookie",
        "referer",
        "x-retry-count",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-gpc",
        "dnt",
    )
    lines = [f"{name}: {junk}" for name in dice.sample(names, dice.randint(0, 3))]
    credentials = (f"x-write-key: {key}",) * 8 + (
        "authorization: Basic %%%",
        "authorization: Bearer",
        "x-write-key: \u00ff",
        "x-a: b",
    )
    return [*lines, dice.choice(credentials)]


def requests(count: int, *, key: str, seed: int = 1) -> Iterator[bytes]:
    """``count`` requests as they go onto the wire: sound HTTP, unsound in everything else."""
    for number in range(count):
        dice = Dice(f"{seed}/{number}")
        body = ENCODINGS[number % len(ENCODINGS)](BODIES[number // len(ENCODINGS) % len(BODIES)](dice))
        lines = [f"content-type: {dice.choice(CONTENT_TYPES)}", *_odd_headers(dice, key)]
        if label := dice.choice(LABELS):
            lines.append(f"content-encoding: {label}")
        query = dice.choice(("", "", "", "?writeKey=", "?writeKey=%00%ff", "?" + "a=b&" * 15, "?a[b]=c;d"))
        path = dice.choice(PATHS) + query
        yield _latin(path, body, lines)


def _latin(path: str, body: bytes, lines: list[str]) -> bytes:
    head, _, content = post("/", body, "x-lines: here").partition(b"\r\n\r\n")
    head = head.replace(b"x-lines: here", "\r\n".join(lines).encode("latin-1", "replace")).replace(
        b"POST / ", f"POST {path} ".encode("latin-1")
    )
    return head + b"\r\n\r\n" + content
