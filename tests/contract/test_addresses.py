"""Browser client address: whose it is, how much of it is kept, and who may say it."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from tests.contract.door import BROWSER, SERVER, Door, track

MOSCOW, BERLIN, PROXY = "5.255.255.70", "91.64.0.1", "10.0.0.7"
CURL, PHONE = "curl/8.5.0", "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/131.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("key", "mode", "enriched", "kept", "country"),
    [
        (BROWSER, "truncated", "91.64.0.0", "5.255.255.0", "DE"),
        (BROWSER, "full", BERLIN, MOSCOW, "DE"),
        (BROWSER, "none", None, None, "DE"),
        (SERVER, "truncated", "5.255.255.0", "5.255.255.0", "RU"),
        (SERVER, "full", MOSCOW, MOSCOW, "RU"),
        (SERVER, "none", None, None, "RU"),
    ],
)
def test_the_visitors_address(key: str, mode: str, enriched: str | None, kept: str | None, country: str) -> None:
    door = Door(ip_storage=mode)
    door.post("/v1/track", track(context={"ip": MOSCOW}), key=key, client=BERLIN)
    (event,) = door.stored()
    assert (event["enriched"]["ip"], event["context"]["ip"]) == (enriched, kept)
    assert event["enriched"]["geo"]["country"] == country


@pytest.mark.parametrize("mode", ["truncated", "full", "none"])
def test_a_backends_own_address_is_nobodys(mode: str) -> None:
    door = Door(ip_storage=mode)
    door.post("/v1/track", track(), key=SERVER, client=BERLIN)
    enriched = door.stored()[0]["enriched"]
    assert (enriched["ip"], enriched["geo"]) == (None, None)


@pytest.mark.parametrize("mode", ["truncated", "none"])
def test_a_full_address_is_nowhere_on_disk(mode: str) -> None:
    door = Door(ip_storage=mode)
    door.post("/v1/track", track(), key=BROWSER, client=BERLIN)
    door.post("/v1/track", {"messageId": "bad"}, key=BROWSER, client=BERLIN)
    assert BERLIN not in str([*door.store.records, *door.store.held.values()])


FORWARDED: list[tuple[str, str, str, str]] = [  # trusted, peer, X-Forwarded-For, whose address it is
    ("", BERLIN, MOSCOW, "91.64.0.0"),
    ("10.0.0.0/8", BERLIN, MOSCOW, "91.64.0.0"),
    ("10.0.0.0/8", PROXY, MOSCOW, "5.255.255.0"),
    ("10.0.0.0/8", PROXY, f"{MOSCOW}, {BERLIN}", "91.64.0.0"),
    ("10.0.0.0/8", PROXY, f"{MOSCOW}, 10.0.0.8", "5.255.255.0"),
]


@pytest.mark.parametrize(("trusted", "peer", "forwarded", "address"), FORWARDED)
def test_forwarded_for_is_believed_from_the_right_and_from_trusted_proxies(
    trusted: str, peer: str, forwarded: str, address: str
) -> None:
    door = Door(trusted_proxies=trusted)
    door.post("/v1/track", track(), key=BROWSER, client=peer, x_forwarded_for=forwarded)
    assert door.stored()[0]["enriched"]["ip"] == address


def test_each_proxy_may_write_a_line_of_its_own() -> None:
    door = Door(trusted_proxies="10.0.0.0/8")
    lines = [(b"x-write-key", BROWSER.encode()), (b"x-forwarded-for", MOSCOW.encode()), (b"x-forwarded-for", b"10.0.0.8")]
    asked = {"type": "http", "method": "POST", "path": "/v1/track", "query_string": b"", "headers": lines, "client": (PROXY, 1)}
    asyncio.run(door._exchange(asked, orjson.dumps(track()), 1))
    assert door.stored()[0]["enriched"]["ip"] == "5.255.255.0"


@pytest.mark.parametrize("field", ["ip", "ipAddress", "clientIp", "request_ip"])
def test_no_body_field_overrides_a_browsers_address(door: Door, field: str) -> None:
    door.post("/v1/track", track(context={field: MOSCOW}, **{field: MOSCOW}), key=BROWSER, client=BERLIN)
    assert door.stored()[0]["enriched"]["ip"] == "91.64.0.0"


@pytest.mark.parametrize(
    ("key", "context", "kind"),
    [
        (BROWSER, {}, "bot"),
        (BROWSER, {"userAgent": PHONE}, "mobile"),
        (SERVER, {}, None),
        (SERVER, {"userAgent": PHONE}, "mobile"),
    ],
)
def test_the_device_is_the_visitors(door: Door, key: str, context: dict[str, Any], kind: str | None) -> None:
    door.post("/v1/track", track(context=context), key=key, user_agent=CURL)
    device = door.stored()[0]["enriched"]["device"]
    assert (device and device["type"]) == kind


@pytest.mark.parametrize("junk", ["null", "undefined", "anonymous", "0"])
def test_a_refused_identifier_is_a_warning(door: Door, junk: str) -> None:
    answer = door.send(track(userId=junk))
    assert (answer["accepted"], answer["errors"], len(answer["warnings"])) == (1, [], 1)
    assert answer["warnings"][0]["path"] == "$.userId"
    assert door.stored()[0]["userId"] == junk
