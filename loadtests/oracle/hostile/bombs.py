"""Small requests that mean to become large: in bytes, in depth, in digits, in keys, in time."""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
_EVENT = b'{"type":"track","event":"Bomb","anonymousId":"b","properties":{"p":%b}}'


class Bomb(NamedTuple):
    """A body, and what it is in words. ``dud``: large on the wire, small once read, and so taken."""

    name: str
    body: bytes
    dud: bool = False


def bombs(*, mebibytes: int) -> list[Bomb]:
    """Compressed ones grow to that many MiB of zeros or spaces."""
    part = min(mebibytes, 64)
    times = mebibytes // part
    gzipped = gzip.compress(bytes(part * MIB), 9) * times
    streamed = zstd.ZstdCompressor(level=3)
    frame = b"".join(streamed.compress(bytes(part * MIB)) for _ in range(times)) + streamed.flush()
    return [
        Bomb(f"gzip, {mebibytes} MiB", gzipped),
        Bomb(f"gzip, {part} MiB", gzipped[: len(gzipped) // times]),
        Bomb(f"gzip in gzip, {mebibytes} MiB", gzip.compress(gzipped, 9)),
        Bomb(f"gzip in zstd, {mebibytes} MiB", zstd.compress(gzipped)),
        Bomb(f"zlib, {part} MiB", zlib.compress(bytes(part * MIB), 9)),
        Bomb(f"zstd, {mebibytes} MiB, size not named", frame),
        Bomb(f"zstd, {part} MiB, size named", zstd.compress(bytes(part * MIB))),
        Bomb("gzip, 500 KB of empty members", (gzip.compress(b"") * 25_000)[:500_000]),
        Bomb("lists, 100 000 deep", _EVENT % (b"[" * 100_000 + b"]" * 100_000)),
        Bomb("objects, 70 000 deep", _EVENT % (b'{"a":' * 70_000 + b"1" + b"}" * 70_000)),
        Bomb("both in turn, 60 000 deep", _EVENT % (b'[{"a":' * 60_000 + b"1" + b"}]" * 60_000)),
        Bomb("lists, 450 000 opened", b"[" * 450_000),
        Bomb("strings that never end", b'{"a":"' + b"\\" * 450_000),
        Bomb("an integer of 400 000 digits", _EVENT % (b"7" * 400_000)),
        Bomb("20 000 integers past 64 bits", _EVENT % (b"[" + b",".join([b"9" * 20] * 20_000) + b"]")),
        Bomb("a fraction of 400 000 digits", _EVENT % (b"0." + b"7" * 400_000), dud=True),
        Bomb("1 000 000 keys, gzip", gzip.compress(_EVENT % _keys(1_000_000), 9)),
        Bomb("40 000 keys", _EVENT % _keys(40_000)),
        Bomb("40 000 keys that are one", _EVENT % (b"{" + b",".join([b'"key":1'] * 40_000) + b"}"), dud=True),
        Bomb("240 000 list items", _EVENT % (b"[" + b",".join([b"1"] * 240_000) + b"]")),
        Bomb("80 000 lone surrogates", _EVENT % (b'"' + rb"\ud800" * 80_000 + b'"')),
        Bomb("300 KB of backslashes and quotes", _EVENT % (b'"' + rb"\"" * 150_000 + b'"')),
    ]


def _keys(number: int) -> bytes:
    return b"{" + b",".join(b'"k%d":1' % key for key in range(number)) + b"}"
