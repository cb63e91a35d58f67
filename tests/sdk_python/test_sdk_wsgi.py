from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from tropa.context import current_visit
from tropa.integrations.wsgi import TropaMiddleware
from tropa.testing import CapturingClient


def environ(**values: str) -> dict[str, Any]:
    made: dict[str, Any] = {"PATH_INFO": "/checkout", "REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "shop.example", **values}
    setup_testing_defaults(made)
    return made


def test_a_call_during_a_request_carries_its_visitor() -> None:
    client = CapturingClient()

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        client.track("u", "Order Completed")
        start_response("200 OK", [])
        return [b"thanks"]

    body = TropaMiddleware(app)(
        environ(
            HTTP_COOKIE="tropa_id=abc.1763757095",
            QUERY_STRING="step=2",
            SCRIPT_NAME="/shop",
            PATH_INFO="/чай".encode().decode("latin-1"),
            HTTP_USER_AGENT="Mozilla/5.0",
        ),
        lambda *_: None,
    )
    assert list(body) == [b"thanks"]
    [event] = client.events
    assert event["anonymousId"] == "abc"
    assert event["context"]["ip"] == "192.0.2.1"
    assert event["context"]["page"] == {
        "path": "/shop/чай",
        "url": "http://shop.example/shop/%D1%87%D0%B0%D0%B9?step=2",
        "search": "?step=2",
    }


def test_the_parts_of_a_streamed_body_and_its_close_belong_to_the_request() -> None:
    client = CapturingClient()

    class Stream:
        def __iter__(self) -> Iterator[bytes]:
            for n in range(2):
                client.track("u", f"part {n}")
                yield b"."

        def close(self) -> None:
            client.track("u", "closed")

    first = TropaMiddleware(lambda *_: Stream())(environ(HTTP_COOKIE="tropa_id=first.1"), lambda *_: None)
    second = TropaMiddleware(lambda *_: Stream())(environ(HTTP_COOKIE="tropa_id=second.1"), lambda *_: None)
    for left, right in zip(first, second, strict=True):
        assert left == right
    first.close()  # type: ignore[attr-defined]
    assert [(event["event"], event["anonymousId"]) for event in client.events] == [
        ("part 0", "first"),
        ("part 0", "second"),
        ("part 1", "first"),
        ("part 1", "second"),
        ("closed", "first"),
    ]
    assert current_visit.get() is None


def test_a_body_that_is_made_already_is_left_to_the_server() -> None:
    class FileWrapper:
        pass

    for made in ([b"a"], (b"a",), FileWrapper()):
        body = TropaMiddleware(lambda *_, made=made: made)({**environ(), "wsgi.file_wrapper": FileWrapper}, lambda *_: None)
        assert body is made


def test_forwarded_addresses_are_believed_from_trusted_proxies_only() -> None:
    client = CapturingClient()

    def app(*_: Any) -> list[bytes]:
        client.track("u", "E")
        return []

    for trusted in ((), ("192.0.2.0/24",)):
        TropaMiddleware(app, trusted_proxies=trusted)(environ(HTTP_X_FORWARDED_FOR="203.0.113.9"), lambda *_: None)
    assert [event["context"]["ip"] for event in client.events] == ["192.0.2.1", "203.0.113.9"]


def test_an_odd_request_is_answered_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    body = TropaMiddleware(lambda *_: [b"fine"])(environ(PATH_INFO="/\u0447"), lambda *_: None)
    assert list(body) == [b"fine"]
    assert "could not be read" in caplog.text
