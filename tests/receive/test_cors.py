from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tropa_collector.receive.cors import answer_headers, origin_allowed, preflight_headers

SHOP = b"https://shop.example"


def test_a_preflight_mirrors_origin_and_headers() -> None:
    asked = b"content-type,x-retry-count, rsa-retry-attempt"
    answer = dict(preflight_headers({b"origin": SHOP, b"access-control-request-headers": asked, b"accept": b"*"}))
    assert answer == {
        b"access-control-allow-origin": SHOP,
        b"access-control-allow-credentials": b"true",
        b"access-control-allow-methods": b"GET, POST, OPTIONS",
        b"access-control-allow-headers": asked,
        b"access-control-max-age": b"7200",
        b"vary": b"Origin, Access-Control-Request-Headers",
    }


def test_a_preflight_that_asks_for_no_headers_gets_none() -> None:
    assert b"access-control-allow-headers" not in dict(preflight_headers({b"origin": SHOP}))


@pytest.mark.parametrize(
    "origin", [SHOP, b"null", b"http://localhost:3000", b"http://[::1]:80", b"chrome-extension://abc", b"file://"]
)
def test_an_answer_mirrors_the_origin(origin: bytes) -> None:
    assert answer_headers({b"origin": origin}) == [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"Retry-After"),
        (b"vary", b"Origin"),
    ]


@pytest.mark.parametrize("origin", [b"", b"https://a\r\nset-cookie: x", b"https://a/b", b"a", b"https://a b", b"https://\xff"])
def test_what_is_no_origin_is_not_mirrored(origin: bytes) -> None:
    assert answer_headers({b"origin": origin}) == []
    assert preflight_headers({b"origin": origin}) == []


def test_without_an_origin_there_is_nothing_to_say() -> None:
    assert answer_headers({}) == []
    assert preflight_headers({b"access-control-request-headers": b"x"}) == []


@given(st.binary(max_size=40))
def test_nothing_mirrored_can_end_a_header(value: bytes) -> None:
    for origin in (value, SHOP + value):
        answer = preflight_headers({b"origin": origin, b"access-control-request-headers": value})
        for _, said in answer + answer_headers({b"origin": origin}):
            assert said.isascii()
            assert not {10, 13, 0} & set(said)


@pytest.mark.parametrize(
    ("origin", "allowed", "answer"),
    [
        (SHOP, (), True),
        (None, ("https://shop.example",), True),
        (SHOP, ("https://shop.example",), True),
        (SHOP, ("https://Shop.Example/",), True),
        (SHOP, ("shop.example",), True),
        (SHOP, ("*",), True),
        (SHOP, ("http://shop.example",), False),
        (SHOP, ("https://other.example", "https://shop.example"), True),
        (b"https://shop.example:8443", ("https://shop.example",), False),
        (b"https://shop.example:8443", ("shop.example",), True),
        (b"https://www.shop.example", ("shop.example",), False),
        (b"https://www.shop.example", ("*.shop.example",), True),
        (b"https://a.b.shop.example:444", ("*.shop.example",), True),
        (b"https://www.shop.example", ("https://*.shop.example",), True),
        (b"http://www.shop.example", ("https://*.shop.example",), False),
        (SHOP, ("*.shop.example",), False),
        (b"https://.shop.example", ("*.shop.example",), False),
        (b"https://evilshop.example", ("*.shop.example", "shop.example"), False),
        (b"https://shop.example.evil.test", ("*.shop.example", "shop.example"), False),
        (b"https://evil.test/.shop.example", ("*.shop.example",), False),
        (b"https://evil.test#.shop.example", ("*.shop.example",), False),
        (b"null", ("shop.example",), False),
        (b"null", ("null",), True),
        (b"file://", ("file://",), True),
        (b"file://", ("*",), True),
        (b"file://", ("shop.example", "*.shop.example"), False),
        (b"", ("shop.example", ""), False),
        (b"http://[::1]", ("[::1]",), True),
    ],
)
def test_origin_allowed(origin: bytes | None, allowed: tuple[str, ...], answer: bool) -> None:
    assert origin_allowed(origin, allowed) is answer
