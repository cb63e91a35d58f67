"""Which answers of the collector set cookies, and whose events a cookie's visitor becomes."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from tests.contract.door import BROWSER, ORIGIN, SERVER, Door, track
from tests.receive.asking_batch import BATCH, batch

from tropa_collector.transfer.replay import replay


def answer(door: Door, document: object, **headers: str) -> tuple[int, list[str]]:
    """Status and Set-Cookie lines."""
    sent: list[Any] = []
    all_headers = {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors", "host": "e.shop.example", **headers}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/batch",
        "query_string": b"",
        "client": ("10.0.0.1", 5),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in all_headers.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": orjson.dumps(document), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door._app(scope, receive, send))
    return sent[0]["status"], [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]


def hidden_door(**more: Any) -> Door:
    return Door(sources={"web": {"cookie_http_only": True}}, **more)


def test_only_a_committed_batch_is_acknowledged() -> None:
    door = Door()
    body = batch(writeKey=BROWSER)
    assert [line.partition(";")[0] for line in answer(door, body)[1]] == [f"tropa_ack={BATCH}"]
    assert answer(door, body) == answer(door, body)  # a duplicate is an answer too
    assert answer(door, {**body, "batch": [{"type": "no such type"}]}) == (400, [])
    assert answer(door, {**body, "writeKey": "wk_nobody"}) == (401, [])
    assert answer(door, {**body, "writeKey": SERVER}) == (200, [])
    assert answer(door, body, sec_fetch_site="cross-site", sec_fetch_mode="navigate", origin="https://evil.example") == (200, [])
    fenced = {**body, "writeKey": "wk_fenced"}
    assert answer(door, fenced, origin="https://other.example") == (403, [])
    assert answer(door, fenced, origin=ORIGIN)[0] == 200


@pytest.mark.parametrize(("proxies", "secure"), [("10.0.0.0/8", True), ("192.0.2.0/24", False), ("", False)])
def test_a_trusted_proxy_says_that_it_was_https(proxies: str, secure: bool) -> None:
    _, lines = answer(Door(trusted_proxies=proxies), batch(writeKey=BROWSER), x_forwarded_proto="https")
    assert lines[0].endswith("; Secure") is secure


def test_events_without_an_id_become_the_cookies_visitors() -> None:
    door = hidden_door()
    events = [
        track("none", anonymousId=None),
        track("cookieless", anonymousId=None, context={"consent": {"state": "cookieless"}}),
        {"type": "track", "messageId": "bad"},
    ]
    _, lines = answer(door, batch(writeKey=BROWSER, batch=events), cookie="tropa_id=known.1")
    stored = {event["messageId"]: event["anonymousId"] for event in door.stored()}
    assert stored == {"none": "known", "cookieless": None}
    assert any(line.startswith("tropa_id=known.") and line.endswith("; HttpOnly") for line in lines)
    assert door.quarantined()[0]["receipt"]["anonymousId"] == "known"  # for its replay


def test_a_replay_keeps_the_visitor_and_the_privacy_signal() -> None:
    strict = hidden_door(max_event_bytes=1_000)
    large = track("large", anonymousId=None, properties={"text": "x" * 1_000})
    assert answer(strict, batch(writeKey=BROWSER, batch=[large]), cookie="tropa_id=known.1", sec_gpc="1")[0] == 400
    wide = hidden_door()
    wide.store = wide.pipeline._log = strict.store
    counts = asyncio.run(replay(wide.pipeline, wide.store, wide.ring))
    assert counts["stored"] == 1
    stored = wide.stored()[0]
    assert (stored["anonymousId"], stored["context"]["consent"]["gpc"]) == ("known", True)


def test_an_event_with_its_own_id_keeps_it() -> None:
    door = hidden_door()
    answer(door, batch(writeKey=BROWSER, batch=[track("own", anonymousId="own")]), cookie="tropa_id=known.1")
    assert door.stored()[0]["anonymousId"] == "own"


def test_a_retry_and_a_reset_at_the_door() -> None:
    door = hidden_door()
    for _ in range(2):
        answer(door, batch(writeKey=BROWSER))
    answer(door, batch("bbbbbbbb", writeKey=BROWSER, reset=1, batch=[track("m2", anonymousId=None)]))
    first, second = (event["anonymousId"] for event in door.stored())
    assert first
    assert second not in {None, first}
