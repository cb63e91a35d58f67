"""The door where no client's contract reaches: senders that leave, faults of the collector's own, paths of others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.contract.door import BROWSER, SERVER, Door, track


def scope(path: str = "/v1/track", **more: Any) -> dict[str, Any]:
    headers = [(b"x-write-key", SERVER.encode())]
    return {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers, "client": None, **more}


def converse(door: Door, asked: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the endpoint sends when it is sent ``messages``."""
    waiting, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    endpoint: Callable[..., Any] = door._app
    asyncio.run(endpoint(asked, receive, send))
    return sent


PART = {"type": "http.request", "body": b'{"batch":[', "more_body": True}
GONE = {"type": "http.disconnect"}


@pytest.mark.parametrize("messages", [[GONE], [PART, GONE], [PART, PART, GONE]])
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/validate", "/v1/m"])
def test_a_sender_that_leaves_is_not_answered_and_nothing_is_counted(path: str, messages: list[dict[str, Any]]) -> None:
    door = Door()
    assert converse(door, scope(path), *messages) == []
    assert (door.counters.received, door.counters.requests, door.stored()) == ({}, {}, [])


def test_a_body_that_grows_past_its_limit_is_not_read_to_its_end() -> None:
    door = Door(max_body_bytes=2_000, max_event_bytes=1_000)
    part = {"type": "http.request", "body": b"x" * 900, "more_body": True}
    start, _ = converse(door, scope(), part, part, part)
    assert start["status"] == 413


def test_a_fault_of_the_collectors_own_is_500_in_the_usual_shape_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    door = Door()

    async def broken(_: object) -> list[int]:
        raise ZeroDivisionError

    door.store.commit = broken  # type: ignore[assignment] # a fault that nobody foresaw
    with caplog.at_level(logging.ERROR, "tropa.receive"):
        answer = door.post("/v1/track", track("secret-message-id"), origin="https://shop.example")
    assert (answer.status, answer.document["success"], answer.document["code"]) == (500, False, "internal_error")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "ZeroDivisionError" in caplog.text
    assert "secret-message-id" not in caplog.text
    assert door.counters.outcomes["shop", "refused"] == 1
    assert door.counters.in_flight["shop"] == 0
    assert door.ask("GET", f"/v1/pixel/page?writeKey={BROWSER}&data=e30").status == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/pixel", "/v1/pixel/track/x", "/v1/projects/x", "/health", "/v1/track/x"]
)
def test_what_is_not_the_doors_goes_on_to_the_next_application(path: str) -> None:
    assert Door().ask("GET", path).status == 404


def test_other_protocols_go_on_too() -> None:
    sent = converse(Door(), {"type": "websocket", "path": "/v1/track"})
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_a_peer_without_an_address_is_taken() -> None:
    door = Door()
    body = {"type": "http.request", "body": orjson.dumps(track()), "more_body": False}
    start, _ = converse(door, scope(), body)
    assert start["status"] == 200
    assert door.stored()[0]["enriched"]["ip"] is None


def test_requests_are_counted_by_route_and_status() -> None:
    door = Door()
    door.post("/v1/t", track("1"))
    door.post("/v1/track/", {})
    door.post("/v1/import", {"batch": [track("2")]})
    door.ask("GET", "/v1/b")
    counted = dict(door.counters.requests)
    assert counted == {("track", 200): 1, ("track", 400): 1, ("batch", 200): 1, ("batch", 405): 1}


def test_what_quarantine_keeps_of_a_receipt() -> None:
    door = Door()
    headers = {"user_agent": "curl/8", "sec_ch_ua": '"Chrome"', "sec_gpc": "1", "x_retry_count": "2", "client": "91.64.0.1"}
    door.post("/v1/track", {"messageId": "m"}, key=BROWSER, **headers)
    receipt = door.quarantined()[0]["receipt"]
    assert (receipt["address"], receipt["user_agent"], receipt["hints"]) == ("91.64.0.0", "curl/8", {"sec-ch-ua": '"Chrome"'})
    assert (receipt["retried"], receipt["opted_out"], receipt["source"]) == (True, True, "web")


def test_a_requests_headers_are_not_kept_at_any_length_with_each_of_its_bad_events() -> None:
    door, long = Door(), "x" * 30_000
    door.post("/v1/batch", {"batch": [1] * 50}, key=BROWSER, user_agent=long, sec_ch_ua=long, sec_ch_ua_platform=long)
    kept = [row["receipt"] for row in door.quarantined()]
    assert len(kept) == 50
    assert all(receipt["user_agent"] == "x" * 512 and receipt["hints"] == {} for receipt in kept)


@pytest.mark.parametrize(
    ("mode", "kept", "of_batch"),
    [("truncated", '"203.0.113.0"', "198.51.100.0"), ("none", "null", None), ("full", '"203.0.113.77"', "198.51.100.9")],
)
def test_quarantine_keeps_no_more_of_an_address_than_the_store(mode: str, kept: str, of_batch: str | None) -> None:
    door = Door(ip_storage=mode)
    bad = '{"type":"track", "context":{ "ip" : "203.0.113.77","os":{"name":"ip"}}, "properties":{"host":"203.0.113.77"}}'
    body = f'{{"context":{{"ip":"198.51.100.9"}},"batch":[{bad},{{"type":"track"}}]}}'
    door.post("/v1/batch", body.encode())
    with_own, without = door.quarantined()
    if with_own["original"] == '{"type":"track"}':
        with_own, without = without, with_own
    assert with_own["original"] == bad.replace('"203.0.113.77","os"', f'{kept},"os"')
    assert without["original"] == '{"type":"track"}'
    assert with_own["receipt"]["envelope"]["context"] == {"ip": of_batch}


@pytest.mark.parametrize("ip", [r"\ud800", r"203.0.113.77\ud800", "", r"2001\u003adb8::77", "x" * 9_000, r"\"\\"])
def test_an_address_that_is_none_costs_no_event_its_place_in_quarantine(ip: str) -> None:
    door = Door()
    answer = door.post("/v1/batch", f'{{"batch":[{{"type":"track","context":{{"ip":"{ip}"}}}},{{"type":"x"}}]}}'.encode())
    assert (answer.status, len(door.quarantined())) == (400, 2)
    assert "db8::77" not in str(door.quarantined())
