"""Bytes off the wire to the bytes of a JSON document, with a bound on what they may become.

Content-Type and Content-Encoding are not asked: one client sends gzip labelled as a form, some send it without a label,
and a proxy may have inflated what the label still calls gzip.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol, cast

from tropa_collector.errors import MalformedBody, PayloadTooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OPENS_JSON = frozenset((b"{", b"["))
_MAX_LAYERS = 2  # a client that compresses, behind a proxy that does so again
_MAX_MEMBERS = 100  # of one gzip stream; each costs a decoder, however little it holds
_ZSTD_WINDOW_LOG = 23  # 8 MiB: what RFC 9659 allows a zstd content coding to ask of its receiver


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_Start = Callable[[bytes, int], _Decoder]


def inflate(raw: bytes, *, max_bytes: int) -> bytes:
    """The document in ``raw``: gzip, zlib and zstd are inflated, twice if nested; else as it is.

    Raises:
        PayloadTooLarge: the document has more than ``max_bytes``; found out after inflating that many and one.
        MalformedBody: the compressed data is cut short or damaged.
    """
    if raw[:1] not in _OPENS_JSON:
        for _ in range(_MAX_LAYERS):
            codec = _codec_of(raw)
            if codec is None:
                break
            raw = _inflate_layer(raw, codec, max_bytes)
        else:
            if _codec_of(raw) is not None:
                raise MalformedBody(f"The body is compressed more than {_MAX_LAYERS} times over. Compress it once.")
    if len(raw) > max_bytes:
        raise _too_large(max_bytes)
    return raw


def _codec_of(raw: bytes) -> str | None:
    if raw.startswith(b"\x1f\x8b"):
        return "gzip"
    if raw.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    return "zlib" if _is_zlib(raw) else None


def _is_zlib(raw: bytes) -> bool:
    # RFC 1950: method 8, window up to 32 KiB, a header divisible by 31. Headers that announce a preset dictionary are
    # left out: nobody could inflate them, and without them no JSON text passes for zlib ("80" would).
    if len(raw) < 2:
        return False
    method, flags = raw[0], raw[1]
    return method & 0x8F == 0x08 and not flags & 0x20 and (method << 8 | flags) % 31 == 0


def _inflate_layer(raw: bytes, codec: str, max_bytes: int) -> bytes:
    start, parts, room = _STARTS[codec], [], max_bytes
    for _ in range(_MAX_MEMBERS):
        try:
            decoder = start(raw, max_bytes)
            part = decoder.decompress(raw, room + 1)
        except (zlib.error, zstd.ZstdError) as error:
            raise MalformedBody(f"The body starts as {codec} but cannot be inflated: {error}.") from None
        if len(part) > room:
            raise _too_large(max_bytes)
        if not decoder.eof:
            raise MalformedBody(f"The body's {codec} data is cut short: it ends before its own end mark.")
        parts.append(part)
        room -= len(part)
        raw = decoder.unused_data.lstrip(b"\0")  # gzip files may be padded with zeros
        if not raw:
            return b"".join(parts)
        if _codec_of(raw) != codec:
            raise MalformedBody(f"The body's {codec} data is followed by {len(raw)} bytes that do not belong to it.")
    raise MalformedBody(f"The body's {codec} data has more than {_MAX_MEMBERS} members. Compress the batch as one.")


def _start_gzip(_raw: bytes, _max_bytes: int) -> _Decoder:
    return zlib.decompressobj(wbits=31)


def _start_zlib(_raw: bytes, _max_bytes: int) -> _Decoder:
    return zlib.decompressobj(wbits=15)


def _start_zstd(raw: bytes, max_bytes: int) -> _Decoder:
    # A frame names its size or its window before any data: what it asks for is refused before it is allocated.
    size = cast("int | None", zstd.get_frame_info(raw[:32]).decompressed_size)
    if size is None and raw[5] > (_ZSTD_WINDOW_LOG - 10) << 3:
        raise PayloadTooLarge(f"The body's zstd window is over {1 << _ZSTD_WINDOW_LOG >> 20} MiB (RFC 9659).")
    if size is not None and size > max_bytes:
        raise _too_large(max_bytes)
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


_STARTS: dict[str, _Start] = {"gzip": _start_gzip, "zlib": _start_zlib, "zstd": _start_zstd}


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body is over {max_bytes} bytes once inflated. Send fewer events at a time.")
