from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropa_collector.errors import MalformedBody
from tropa_collector.receive.pixel import GIF, decode

BODY = '{"event":"Письмо открыто?>~","userId":"42"}'.encode()
STANDARD, URL_SAFE = base64.b64encode(BODY), base64.urlsafe_b64encode(BODY)


@pytest.mark.parametrize(
    "query",
    [
        b"data=" + URL_SAFE,
        b"data=" + URL_SAFE.rstrip(b"="),
        b"data=" + STANDARD,
        b"data=" + STANDARD.replace(b"+", b" ").replace(b" ", b"%20"),
        b"data=" + quote(STANDARD, safe="").encode(),
        b"writeKey=wk&data=" + URL_SAFE + b"&utm=1",
        b"data=" + URL_SAFE + b"&data=second",
    ],
)
def test_decode(query: bytes) -> None:
    assert decode(query) == BODY


@given(st.binary(max_size=60), st.booleans(), st.booleans())
def test_every_body_comes_back(body: bytes, url_safe: bool, percent: bool) -> None:
    text = base64.urlsafe_b64encode(body) if url_safe else base64.b64encode(body)
    assert decode(b"data=" + (quote(text, safe="").encode() if percent else text)) == body


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (b"", "needs \\?data="),
        (b"writeKey=wk", "needs \\?data="),
        (b"dat=abcd", "needs \\?data="),
        (b"data=%7B%7D", "not base64url"),
        (b"data=a", "not base64url"),
        (b"data=a*bc", "not base64url"),
        (b"data=\xff\xfe", "not base64url"),
        (b"data=ab=cd", "not base64url"),
    ],
)
def test_what_cannot_be_read_is_named(query: bytes, says: str) -> None:
    with pytest.raises(MalformedBody, match=says):
        decode(query)


def test_the_alphabets_in_this_table_differ() -> None:
    assert b"+" in STANDARD or b"/" in STANDARD
    assert STANDARD != URL_SAFE


def test_the_image_is_one_transparent_pixel() -> None:
    assert GIF[:6] == b"GIF89a"
    assert GIF[6:10] == b"\x01\x00\x01\x00"
    assert GIF[19:21] == b"\x21\xf9"  # the graphic control extension that makes colour 0 transparent
    assert GIF[22] & 1
    assert GIF[-1:] == b";"
