from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.processor import processor_seconds

from tropa_collector.errors import MalformedBody, PayloadTooLarge
from tropa_collector.receive.body import inflate

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX = 512_000
DOCUMENT = b'{"type":"track","event":"Product Added"}'
MEBIBYTE = bytes(1 << 20)


def gzip_bomb(mebibytes: int) -> bytes:
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1) as file:
        for _ in range(mebibytes):
            file.write(MEBIBYTE)
    return sink.getvalue()


def zstd_bomb(mebibytes: int, window_log: int) -> bytes:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window_log})
    return b"".join(compressor.compress(MEBIBYTE) for _ in range(mebibytes)) + compressor.flush()


def zstd_stream(document: bytes) -> bytes:
    compressor = zstd.ZstdCompressor()
    return compressor.compress(document) + compressor.flush()


@pytest.mark.parametrize(
    "raw",
    [
        DOCUMENT,
        gzip.compress(DOCUMENT),
        gzip.compress(DOCUMENT[:9]) + gzip.compress(DOCUMENT[9:]) + gzip.compress(b""),
        gzip.compress(DOCUMENT) + bytes(7),
        zlib.compress(DOCUMENT, 1),
        zlib.compress(DOCUMENT, 9),
        zlib.compress(DOCUMENT, 6, wbits=9),
        zstd.compress(DOCUMENT),
        zstd_stream(DOCUMENT),
        zstd.compress(DOCUMENT[:9]) + zstd.compress(DOCUMENT[9:]),
        gzip.compress(gzip.compress(DOCUMENT)),
        zstd.compress(gzip.compress(DOCUMENT)),
    ],
)
def test_every_encoding_gives_the_document(raw: bytes) -> None:
    assert inflate(raw, max_bytes=MAX) == DOCUMENT


@pytest.mark.parametrize("raw", [b"", b" ", b"x", b"80", b"8", b"\xef\xbb\xbf{}", b"  [1]", b"writeKey=a", b"\x1f", b"null"])
def test_anything_else_is_left_for_the_json_parser(raw: bytes) -> None:
    assert inflate(raw, max_bytes=MAX) is raw


@given(st.one_of(st.integers(), st.floats(), st.text(max_size=9)))
def test_no_number_or_text_passes_for_compressed(value: object) -> None:
    raw = str(value).encode("utf-8", "surrogatepass").lstrip(b"\x08\x18(HXhx")
    assert inflate(raw, max_bytes=MAX) == raw


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (gzip.compress(DOCUMENT)[:-3], "gzip data is cut short"),
        (gzip.compress(DOCUMENT)[:4], "gzip data is cut short"),
        (zlib.compress(DOCUMENT)[:-1], "zlib data is cut short"),
        (zstd.compress(DOCUMENT)[:-1], "zstd data is cut short"),
        (zstd.compress(DOCUMENT)[:4], "starts as zstd but cannot be inflated"),
        (zstd_stream(DOCUMENT)[:5], "starts as zstd but cannot be inflated"),
        (b"\x1f\x8b" + bytes(30), "starts as gzip but cannot be inflated"),
        (b"\x78\x9c" + b"\xff" * 30, "starts as zlib but cannot be inflated"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 30, "starts as zstd but cannot be inflated"),
        (gzip.compress(DOCUMENT)[:-8] + bytes(8), "starts as gzip but cannot be inflated"),
        (gzip.compress(DOCUMENT) + b"tail", "followed by 4 bytes"),
        (gzip.compress(b"") * 101, "more than 100 members"),
        (gzip.compress(gzip.compress(gzip.compress(DOCUMENT))), "more than 2 times over"),
    ],
)
def test_damage_is_named(raw: bytes, says: str) -> None:
    with pytest.raises(MalformedBody, match=says):
        inflate(raw, max_bytes=MAX)


@given(st.binary(max_size=60), st.sampled_from([b"\x1f\x8b\x08", b"\x78\x9c", b"\x28\xb5\x2f\xfd", b""]))
def test_no_bytes_raise_anything_else(tail: bytes, head: bytes) -> None:
    try:
        assert len(inflate(head + tail, max_bytes=1_000)) <= 1_000
    except (MalformedBody, PayloadTooLarge) as refusal:
        assert refusal.message


@pytest.mark.parametrize("encode", [bytes, gzip.compress, zlib.compress, zstd.compress, zstd_stream])
def test_the_bound_is_exact(encode: type[bytes]) -> None:
    assert len(inflate(encode(b"[" * 1_000), max_bytes=1_000)) == 1_000
    with pytest.raises(PayloadTooLarge, match="over 1000 bytes"):
        inflate(encode(b"[" * 1_001), max_bytes=1_000)


@pytest.mark.parametrize(
    "bomb",
    [
        gzip_bomb(64),
        gzip_bomb(64) * 3,
        gzip.compress(gzip_bomb(64)),
        gzip.compress(MEBIBYTE[:4_000]) * 2_000,
        gzip.compress(b"") * 20_000,
        zstd_bomb(64, 21),
        zstd_bomb(64, 27),
        zstd.compress(MEBIBYTE * 64),
    ],
    ids=["gzip", "members", "nested", "many members", "empty members", "zstd", "zstd window", "zstd sized"],
)
def test_a_bomb_is_refused_at_once_and_in_little_memory(bomb: bytes) -> None:
    tracemalloc.start()
    with processor_seconds() as spent, pytest.raises((PayloadTooLarge, MalformedBody)):
        inflate(bomb, max_bytes=MAX)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert spent[0] < 0.2
    assert peak < 16 << 20


RESIDENT = """
import resource, sys, time
from tropa_collector.errors import PayloadTooLarge
from tropa_collector.receive.body import inflate
bomb = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.process_time()
try:
    inflate(bomb, max_bytes=512_000)
except PayloadTooLarge:
    print(int((time.process_time() - started) * 1e6), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("bomb", [gzip_bomb(1_024), zstd_bomb(1_024, 23)], ids=["gzip", "zstd"])
def test_a_gibibyte_bomb_costs_milliseconds_and_few_resident_pages(bomb: bytes) -> None:
    ran = subprocess.run([sys.executable, "-c", RESIDENT], input=bomb, capture_output=True, check=True)
    micros, grown_kib = map(int, ran.stdout.split())
    assert micros < 4 * 50_000
    assert grown_kib < 16 << 10
