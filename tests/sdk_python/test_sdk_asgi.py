from __future__ import annotations

import asyncio
from typing import Any

import pytest

import tropa
from tropa.context import current_visit
from tropa.integrations.asgi import TropaMiddleware
from tropa.integrations.request import anonymous_id, client_address, networks
from tropa.testing import CapturingClient


def http(*headers: tuple[str, str], client: tuple[str, int] | None = ("192.0.2.1", 1), **scope: Any) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    base = {"type": "http", "scheme": "https", "path": "/checkout", "query_string": b"step=2", "headers": raw}
    return base | {"client": client} | scope


def tracked_in(scope: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The event of a call made in a handler, and in a thread that the handler waits for."""
    client = CapturingClient()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.to_thread(client.track, "u", "Order Completed")

    asyncio.run(TropaMiddleware(app, **options)(scope, None, None))  # type: ignore[arg-type]
    assert current_visit.get() is None
    return client.events[0]


def test_a_call_during_a_request_carries_its_visitor() -> None:
    event = tracked_in(
        http(
            ("Host", "shop.example"),
            ("Cookie", "theme=dark; tropa_id=aB3-_x.1763757095"),
            ("Referer", "https://shop.example/cart"),
            ("User-Agent", "Mozilla/5.0"),
            ("Accept-Language", "ru-RU,ru;q=0.9"),
        )
    )
    assert event["anonymousId"] == "aB3-_x"
    assert event["userId"] == "u"
    del event["context"]["library"]
    assert event["context"] == {
        "page": {
            "path": "/checkout",
            "url": "https://shop.example/checkout?step=2",
            "search": "?step=2",
            "referrer": "https://shop.example/cart",
        },
        "ip": "192.0.2.1",
        "userAgent": "Mozilla/5.0",
        "locale": "ru-RU",
    }


def test_a_bare_request_lends_what_there_is() -> None:
    event = tracked_in({"type": "websocket", "path": "/ws", "headers": [], "server": ("10.0.0.1", 80)})
    assert "anonymousId" not in event
    assert event["context"]["page"] == {"path": "/ws", "url": "http://10.0.0.1:80/ws"}


def test_an_odd_request_is_answered_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    assert "page" not in tracked_in({"type": "http", "query_string": 7})["context"]
    assert "could not be read" in caplog.text


def test_the_cookie_name_is_an_option_and_split_cookie_headers_are_joined() -> None:
    scope = http(("Cookie", "a=b"), ("Cookie", "shop_id=abc.1"))
    assert tracked_in(scope, cookie_name="shop")["anonymousId"] == "abc"


@pytest.mark.parametrize(
    ("cookies", "found"),
    [
        ("tropa_id=abc.1763757095", "abc"),
        ('x=1;tropa_id="abc.lx3k"; y', "abc"),
        ("tropa_id=0f8b-4c.1%20", None),
        ("tropa_id=abc%2E12", "abc"),
        ("tropa_id=abc", None),
        ("tropa_id=", None),
        ("tropa_id=a b.1", None),
        ("tropa_id=" + "a" * 201 + ".1", None),
        ("nottropa_id=abc.1", None),
        ("", None),
    ],
)
def test_the_anonymous_id_in_a_cookie(cookies: str, found: str | None) -> None:
    assert anonymous_id(cookies, "tropa") == found


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("192.0.2.1", "203.0.113.9", (), "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.2.3.4", ("10.0.0.0/8",), "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9", ("10.0.0.0/8",), "192.0.2.1"),
        ("10.0.0.1", "", ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", "unknown", ("10.0.0.1",), None),
        (None, "203.0.113.9", ("10.0.0.0/8",), None),
        ("unix:", "", (), None),
        ("fd00::1", "2001:db8::7", ("fd00::/8",), "2001:db8::7"),
    ],
)
def test_whose_address_is_believed(peer: str | None, forwarded: str, trusted: tuple[str, ...], address: str | None) -> None:
    assert client_address(peer, forwarded, networks(trusted)) == address


def test_a_proxy_that_is_no_address_is_an_error_at_construction() -> None:
    with pytest.raises(ValueError, match="proxy"):
        TropaMiddleware(None, trusted_proxies=("proxy",))  # type: ignore[arg-type]


async def _lifespan(app: Any) -> list[str]:
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await TropaMiddleware(app)({"type": "lifespan"}, receive, send)
    return sent


async def _own_lifespan(_scope: Any, receive: Any, send: Any) -> None:
    for event in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{event}"
        await send({"type": f"lifespan.{event}.complete"})


async def _no_lifespan(_scope: Any, _receive: Any, _send: Any) -> None:
    raise ValueError("only http")


async def _raises_after_receiving(_scope: Any, receive: Any, _send: Any) -> None:
    await receive()
    raise ValueError("only http")


async def _ignores(_scope: Any, _receive: Any, _send: Any) -> None:
    return


@pytest.mark.parametrize("app", [_own_lifespan, _no_lifespan, _raises_after_receiving, _ignores])
def test_the_shutdown_of_any_application_flushes_before_it_is_complete(app: Any, collector: Any) -> None:
    client = tropa.Client("k", collector.url, upload_interval=60.0, handle_sigterm=False)
    client.track("u", "E")
    assert asyncio.run(_lifespan(app)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert collector.names() == {"E": 1}
    client.shutdown(1)


def test_a_startup_that_fails_stays_failed() -> None:
    async def failing(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})
        raise ValueError("no database")

    with pytest.raises(ValueError, match="no database"):
        asyncio.run(_lifespan(failing))
