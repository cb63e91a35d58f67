"""Where events may be sent: the guard looks at addresses, not at names."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address

import pytest
from loadtests.forward_server import OddServer
from pydantic import ValidationError

from tropa_collector.forward.destination import DeliveryError
from tropa_collector.forward.egress import LONGEST_ASKED_SECONDS, Egress, GuardedResolver, HttpOptions, _seconds, may_go_to

PUBLIC = ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
]
NEVER = ["0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1", "::ffff:169.254.169.254"]


@pytest.mark.parametrize("text", [*PUBLIC, *PRIVATE, *NEVER])
def test_addresses(text: str) -> None:
    address = ip_address(text)
    assert may_go_to(address, allow_private=False) == (text in PUBLIC)
    assert may_go_to(address, allow_private=True) == (text not in NEVER)


def options(url: str, **more: object) -> HttpOptions:
    return HttpOptions.model_validate({"type": "webhook", "url": url, **more})


def post(chosen: HttpOptions) -> int:
    async def inside() -> int:
        egress = Egress(chosen)
        try:
            return (await egress.post(chosen.url, b"{}", {})).status
        finally:
            await egress.close()

    return asyncio.run(inside())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
def test_a_private_address_is_not_gone_to_however_it_is_spelt(host: str) -> None:
    with OddServer() as server:
        with pytest.raises(DeliveryError):
            post(options(f"http://{host}:{server.port}/"))
        assert server.got == []


def test_it_is_gone_to_when_the_operator_says_so() -> None:
    with OddServer() as server:
        assert post(options(f"http://localhost:{server.port}/x?y=1", allow_private=True)) == 200
        assert server.got[0].path == "/x?y=1"


def test_no_proxy_of_the_environment_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be asked for a name that nobody has looked at."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with OddServer() as server, OddServer() as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert post(options(server.url, allow_private=True)) == 200
        assert (len(server.got), proxy.got) == (1, [])


def test_only_the_addresses_that_were_looked_at_are_connected_to() -> None:
    async def inside() -> list[str]:
        found = await GuardedResolver(allow_private=True).resolve("localhost", 80)
        assert all(one["flags"] == socket.AI_NUMERICHOST for one in found)
        return [one["host"] for one in found]

    assert set(asyncio.run(inside())) <= {"127.0.0.1", "::1"}


def test_nobody_there_is_an_error_like_any_other() -> None:
    with OddServer() as server:
        url = server.url
    with pytest.raises(DeliveryError, match="Connect"):
        post(options(url, allow_private=True))


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "http://", "file:///etc/passwd"])
def test_only_http(url: str) -> None:
    with pytest.raises(ValidationError, match="http"):
        options(url)


def test_retry_after_is_seconds_or_a_date_and_bounded() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (_seconds(in_a_minute) or 0) <= 60
    assert (_seconds("5"), _seconds("99999999"), _seconds(None), _seconds("soon"), _seconds("-1")) == (
        5, LONGEST_ASKED_SECONDS, None, None, None,
    )  # fmt: skip
    assert _seconds(format_datetime(datetime.fromtimestamp(time.time() - 60, UTC), usegmt=True)) == 0
