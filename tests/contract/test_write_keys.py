"""Write keys: every place where one may stand, and which place is believed first."""

from __future__ import annotations

import base64
from itertools import combinations
from typing import Any

import orjson
import pytest
from tests.contract.door import BROWSER, SERVER, Door, track


def basic(user: str, *, colon: str = ":") -> str:
    return "Basic " + base64.b64encode(f"{user}{colon}".encode()).decode()


PLACES = ["basic", "x-write-key", "bearer", "query", "body"]  # in the order in which they are believed


def call(door: Door, keys: dict[str, str], *, colon: str = ":") -> int:
    """A track call with keys in the given places; its status."""
    headers: dict[str, Any] = {}
    if "basic" in keys:
        headers["authorization"] = basic(keys["basic"], colon=colon)
    elif "bearer" in keys:
        headers["authorization"] = f"Bearer {keys['bearer']}"
    if "x-write-key" in keys:
        headers["x_write_key"] = keys["x-write-key"]
    query = f"?other=1&writeKey={keys['query']}" if "query" in keys else ""
    document = track(**({"writeKey": keys["body"]} if "body" in keys else {}))
    return door.ask("POST", f"/v1/track{query}", orjson.dumps(document), **headers).status


@pytest.mark.parametrize("place", PLACES)
def test_a_key_is_found_in_each_place(door: Door, place: str) -> None:
    assert call(door, {place: SERVER}) == 200
    assert door.stored()[0]["source"] == "shop"


PAIRS = [pair for pair in combinations(PLACES, 2) if pair != ("basic", "bearer")]  # one header cannot hold both


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_of_two_keys_the_one_in_the_earlier_place_counts(door: Door, first: str, second: str) -> None:
    assert call(door, {first: SERVER, second: BROWSER}) == 200
    assert door.stored()[0]["source"] == "shop"


@pytest.mark.parametrize("blank", ["***", ""])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_mask_or_nothing_in_the_earlier_place_is_no_key(door: Door, first: str, second: str, blank: str) -> None:
    assert call(door, {first: blank, second: BROWSER}) == 200
    assert door.stored()[0]["source"] == "web"


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_an_unknown_key_is_not_passed_over(door: Door, first: str, second: str) -> None:
    assert call(door, {first: "wk_unknown", second: SERVER}) == 401


BASICS = [
    basic(SERVER),
    basic(SERVER, colon=""),
    basic(f"{SERVER}:a password", colon=""),
    basic(SERVER).rstrip("="),
    basic(SERVER).replace("Basic", "basic"),
]


@pytest.mark.parametrize("header", BASICS)
def test_basic_in_each_of_its_forms(door: Door, header: str) -> None:
    assert door.ask("POST", "/v1/track", orjson.dumps(track()), authorization=header).status == 200


BAD = [
    {},
    {"authorization": "Basic !!!"},
    {"authorization": "Basic"},
    {"authorization": "Digest x"},
    {"x_write_key": "***"},
    {"x_write_key": "é"},
]


@pytest.mark.parametrize("headers", BAD, ids=str)
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/beacon/v1/batch", "/v1/validate"])
def test_without_a_known_key_nothing_is_written(door: Door, path: str, headers: dict[str, Any]) -> None:
    for event in (track(), {"type": "bad"}):
        body = {"batch": [event], "writeKey": "***"} if path != "/v1/track" else event
        answer = door.ask("POST", path, orjson.dumps(body), **headers)
        assert (answer.status, answer.document["success"], answer.document["code"]) == (401, False, "unknown_write_key")
        assert answer.document["message"]
    assert (door.stored(), door.quarantined()) == ([], [])


def test_a_key_of_the_body_is_not_stored(door: Door) -> None:
    call(door, {"body": BROWSER})
    assert door.post("/v1/batch", {"batch": [track("m2")], "writeKey": BROWSER}, key=None).status == 200
    assert BROWSER not in orjson.dumps(door.stored()).decode()


def test_a_browser_keys_word_is_a_claim_and_a_server_keys_is_not(door: Door) -> None:
    door.send(track("m1"), key=BROWSER)
    door.send(track("m2"), key=SERVER)
    assert [event["trust"] for event in door.stored()] == ["claimed", "server"]


@pytest.mark.parametrize("query", ["?" + "&".join(f"a{n}=1" for n in range(500)), "?%zz", "?writeKey", "?writeKey=%ff", "?&&&="])
def test_an_odd_query_is_no_fault_of_the_collectors(door: Door, query: str) -> None:
    assert door.ask("POST", f"/v1/track{query}", orjson.dumps(track())).status == 401
    assert door.ask("POST", f"/v1/track{query}", orjson.dumps(track()), x_write_key=SERVER).status == 200


def test_a_key_inside_an_event_is_not_stored(door: Door) -> None:
    """analytics.js batches events with the key in each: a secret in the log would travel to every destination."""
    answer = door.send({**track(), "writeKey": SERVER})
    assert answer == {"success": True, "accepted": 1, "errors": [], "warnings": []}
    assert "writeKey" not in door.stored()[0]
